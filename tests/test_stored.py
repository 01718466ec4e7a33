"""Runs and latent sets of version 0.1.0 open, decode, evaluate and go on to the same numbers.

``stored/README.md`` says how they were made; ``stored/expected.json`` holds what that version
gave.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from medfuncta import LatentSet, Run
from medfuncta._src.cli.main import main

STORED = Path(__file__).parent / "stored"
EXPECTED: dict[str, dict[str, Any]] = json.loads((STORED / "expected.json").read_text())
DTYPES = ("float32", "float16", "int8")

DECODED = 1e-6
"""Of a decoded value, as a part of the largest one."""
FITTED = 1e-5
"""Of a number of a latent, as a part of the largest one."""
TRAINED = 1e-6
"""Of a weight; on the machine that made them they are equal."""
DECIBELS = 1e-3
SPENT = {"seconds", "fit_seconds", "score_seconds"}
"""Keys of results that tell of a machine and a moment."""
GONE = {"compile"}
"""Settings that there are no more. Runs that have them open all the same."""

CASES = tuple(EXPECTED)
SETS = [(case, dtype) for case in CASES for dtype in DTYPES]
STOPPED_TRAININGS = [case for case in CASES if (STORED / case / "stopped").is_dir()]
STOPPED_FITS = [case for case in CASES if (STORED / case / "stopped-fit").is_dir()]
FURTHER = [case for case in CASES if (STORED / case / "further").is_dir()]
FINISHED = [case for case in CASES if (STORED / case / "run" / "checkpoints").is_dir()]

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Runs a command with --json among the stored files and gives its one JSON object."""
    monkeypatch.chdir(STORED)
    monkeypatch.setenv("MEDFUNCTA_ID_KEY", "none")  # ids as they were given then

    def run(*words: object) -> dict[str, Any]:
        capsys.readouterr()
        code = main([*map(str, words), "--json"])
        output = capsys.readouterr()
        assert code == 0, output.err
        return json.loads(output.out)

    yield run


def assert_still_says(found: Any, expected: Any, place: str = "") -> None:
    """All that was said is said as it was; what is said besides is free."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            if key not in SPENT | GONE:
                assert key in found, f"{place}{key} is gone"
                assert_still_says(found[key], value, f"{place}{key}.")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            assert_still_says(ours, theirs, f"{place}{number}.")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6), place
    else:
        assert found == expected, place


def assert_near(found: np.ndarray, expected: np.ndarray, part: float) -> None:
    """Equal to a part of the largest number."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=part * np.abs(expected).max())


def assert_same_weights(found: Path, expected: Path) -> None:
    ours, theirs = load_file(found), load_file(expected)
    assert ours.keys() == theirs.keys()
    for name, weights in theirs.items():
        assert ours[name].dtype == weights.dtype, name
        np.testing.assert_allclose(ours[name], weights, rtol=0, atol=TRAINED, err_msg=name)


def train_words(case: str, out: Path) -> list[str]:
    facts = EXPECTED[case]
    return ["train", "--data", facts["source"], "--out", str(out), "--set", *facts["settings"]]


def fit_words(case: str, out: Path, *more: str) -> list[str]:
    facts = EXPECTED[case]
    words = ["fit", f"{case}/run", "--data", facts["source"], "--out", str(out)]
    return [*words, "--splits", *facts["splits"], *facts["fit_flags"], *more]


@pytest.mark.parametrize("case", CASES)
def test_a_run_opens_and_says_what_it_said(case: str, ask: Ask) -> None:
    expected = EXPECTED[case]
    assert Run.load(STORED / case / "run").fingerprint == expected["fingerprint"]
    assert_still_says(ask("info", f"{case}/run"), expected["run_info"])


@pytest.mark.parametrize(("case", "dtype"), SETS)
def test_a_set_opens_and_says_what_it_said(case: str, dtype: str, ask: Ask) -> None:
    found = ask("info", f"{case}/{dtype}", "--check")
    assert_still_says(found, EXPECTED[case]["sets"][dtype]["info"])


@pytest.mark.parametrize(("case", "dtype"), SETS)
def test_every_row_is_read_as_it_was(case: str, dtype: str, ask: Ask, tmp_path: Path) -> None:
    ask("export", f"{case}/{dtype}", "--to", "npz", "--out", tmp_path / "arrays")
    latents = LatentSet.open(STORED / case / dtype)
    rows = EXPECTED[case]["sets"][dtype]["rows"]
    assert sorted(rows) == sorted(latents.splits)
    for split, expected in rows.items():
        with np.load(tmp_path / "arrays" / f"{split}.npz") as arrays:
            assert arrays["ids"].tolist() == expected["ids"]
            assert arrays["labels"].tolist() == expected["labels"]
            np.testing.assert_allclose(arrays["psnr"], expected["psnr"], rtol=1e-6)
            np.testing.assert_allclose(arrays["latents"], expected["latents"], rtol=1e-6)
        assert latents.split(split).metadata[: len(expected["metadata"])] == expected["metadata"]


@pytest.mark.parametrize(("case", "dtype"), SETS)
def test_signals_are_decoded_to_the_same_numbers(
    case: str, dtype: str, ask: Ask, tmp_path: Path
) -> None:
    out = tmp_path / "decoded.npy"
    for place, expected in EXPECTED[case]["sets"][dtype]["decoded"].items():
        split, _, id = place.partition("/")
        words = ["decode", f"{case}/{dtype}", "--id", id, "--split", split, "--out", out]
        result = ask(*words)
        assert (result["shape"], result["unit"]) == (expected["shape"], expected["unit"])
        values = np.load(out).reshape(-1)[:: expected["step"]]
        assert_near(values, np.array(expected["values"], np.float32), DECODED)
        if "asked_shape" in expected:
            ask(*words, "--shape", expected["asked_shape"])
            values = np.load(out).reshape(-1)
            assert_near(values, np.array(expected["asked_values"], np.float32), DECODED)


@pytest.mark.parametrize("quality", ["paper", "fast", "best"])
@pytest.mark.parametrize("case", CASES)
def test_an_evaluation_gives_the_same_figures(case: str, quality: str, ask: Ask) -> None:
    source = EXPECTED[case]["source"]
    words = ["evaluate", f"{case}/run", "--data", source, "--split", "val", "--quality", quality]
    found, expected = ask(*words), EXPECTED[case]["evaluate"][quality]
    for key in ("signals", "failed", "exact", "unit"):
        assert found[key] == expected[key]
    for key, tolerance in (("psnr", DECIBELS), ("ssim", 1e-4), ("mse", 1e-4)):
        for figure in ("mean", "median", "std"):
            number = expected[key][figure]  # None where there is no such figure, as SSIM of traces
            if number is None:
                assert found[key][figure] is None
            else:
                assert found[key][figure] == pytest.approx(number, rel=1e-4, abs=tolerance)
    if quality == "paper":
        assert found["worst"] == expected["worst"]


@pytest.mark.parametrize("case", CASES)
def test_signals_fitted_anew_get_the_same_latents(case: str, ask: Ask, tmp_path: Path) -> None:
    ask(*fit_words(case, tmp_path / "anew"))
    latents = LatentSet.open(tmp_path / "anew")
    for split, expected in EXPECTED[case]["sets"]["float32"]["rows"].items():
        assert latents.split(split).ids == expected["ids"]
        numbers = np.array(expected["latents"], np.float32)
        assert_near(latents.split(split).latents, numbers, FITTED)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_they_are_stored_in_fewer_bits_as_they_were(dtype: str, ask: Ask, tmp_path: Path) -> None:
    ask(*fit_words("ecg", tmp_path / "anew", "--dtype", dtype))
    step = {"float16": 2**-10, "int8": 1 / 127}[dtype]  # a number may be rounded the other way
    latents = LatentSet.open(tmp_path / "anew")
    for split, expected in EXPECTED["ecg"]["sets"][dtype]["rows"].items():
        numbers = np.array(expected["latents"], np.float32)
        assert_near(latents.split(split).latents, numbers, step)
        same = np.isclose(latents.split(split).latents, numbers, rtol=1e-4, atol=1e-9)
        assert same.mean() > 0.99


@pytest.mark.parametrize("case", STOPPED_TRAININGS)
def test_a_stopped_training_ends_as_the_undisturbed_one(
    case: str, ask: Ask, tmp_path: Path
) -> None:
    shutil.copytree(STORED / case / "stopped", tmp_path / "run")
    before = load_file(tmp_path / "run" / "field.safetensors")
    result = ask(*train_words(case, tmp_path / "run"), "--resume")
    whole = STORED / case / "run"
    assert result["steps"] == EXPECTED[case]["run_info"]["config"]["train"]["steps"]
    best = EXPECTED[case]["run_info"]["training"]["val_psnr"]
    assert result["psnr"] == pytest.approx(best, abs=DECIBELS)
    assert_same_weights(tmp_path / "run" / "field.safetensors", whole / "field.safetensors")
    after = load_file(tmp_path / "run" / "field.safetensors")
    assert any((after[name] != weights).any() for name, weights in before.items())
    assert log_of(tmp_path / "run") == log_of(whole)


def log_of(run: Path) -> list[tuple[str, float, float]]:
    """Steps, losses and validations of a run's log, rounded."""
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [
        (row["step"], round(float(row["loss"]), 5), round(float(row["val_psnr"]), 2))
        for row in rows
    ]


@pytest.mark.parametrize("case", FINISHED)
def test_a_finished_training_stays_as_it_is(case: str, ask: Ask, tmp_path: Path) -> None:
    shutil.copytree(STORED / case / "run", tmp_path / "run")
    ask(*train_words(case, tmp_path / "run"), "--resume")
    for name in ("field.safetensors", "checkpoints/last.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (STORED / case / "run" / name).read_bytes()


@pytest.mark.parametrize("case", FURTHER)
def test_training_goes_on_from_a_stored_network(case: str, ask: Ask, tmp_path: Path) -> None:
    words = ["train", "--data", EXPECTED[case]["source"], "--start-from", f"{case}/run"]
    ask(*words, "--out", tmp_path / "further", "--steps", 3, "--seed", 7)
    weights = tmp_path / "further" / "field.safetensors"
    assert_same_weights(weights, STORED / case / "further" / "field.safetensors")
    origin = Run.load(tmp_path / "further").training["started_from"]
    assert origin["fingerprint"] == EXPECTED[case]["fingerprint"]


@pytest.mark.parametrize("case", STOPPED_FITS)
def test_a_stopped_fit_ends_as_the_undisturbed_one(case: str, ask: Ask, tmp_path: Path) -> None:
    out = tmp_path / "set"
    shutil.copytree(STORED / case / "stopped-fit", out)
    done = [path for path in (out / "data").iterdir()]
    written = {path: path.stat().st_mtime_ns for path in done}
    ask(*fit_words(case, out, *EXPECTED[case]["stopped_flags"]))
    assert all(path.stat().st_mtime_ns == moment for path, moment in written.items())
    assert not (out / ".fitting").exists()
    latents = LatentSet.open(out)
    for split, expected in EXPECTED[case]["sets"]["float32"]["rows"].items():
        assert latents.split(split).ids == expected["ids"]
        numbers = np.array(expected["latents"], np.float32)
        assert_near(latents.split(split).latents, numbers, FITTED)


@pytest.mark.parametrize("case", [case for case in CASES if "search" in EXPECTED[case]])
def test_a_search_finds_the_same_neighbours(case: str, ask: Ask) -> None:
    expected = EXPECTED[case]["search"]
    split = EXPECTED[case]["splits"][-1]
    words = ["search", f"{case}/float32", "--id", expected["query"]["id"], "--split", split]
    assert_still_says(ask(*words, "-k", 4), expected)


@pytest.mark.parametrize("case", [case for case in CASES if "classify" in EXPECTED[case]])
def test_neighbours_vote_for_the_same_classes(case: str, ask: Ask) -> None:
    found = ask("classify", f"{case}/float32", "--classifier", "knn")
    assert_still_says(found, EXPECTED[case]["classify"])


def test_every_kind_of_signal_is_stored() -> None:
    """A case that is lost from the folder would be lost from all the tests above."""
    assert set(CASES) == {
        "ecg", "trace", "histology", "volumes", "points", "labels", "resampled"
    }  # fmt: skip
    assert set(STOPPED_TRAININGS) == {"ecg", "trace", "histology", "volumes", "points"}
    assert STOPPED_FITS == ["ecg", "points"]
    assert FURTHER == ["ecg", "histology"]
    assert FINISHED == ["ecg", "trace"]
