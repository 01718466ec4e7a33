"""Nothing on the disk takes more than ten seconds and a GiB, or leaves a command waiting."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch

from hostile.bench import Bench
from hostile.case import cost_faults
from security import bombs


def refused(answer: dict[str, Any]) -> str:
    """The one line of a refusal that cost little."""
    assert not list(cost_faults(answer))
    assert answer["code"] == 2, answer["out"] + answer["err"]
    lines = [line for line in answer["err"].splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith("medfuncta: ")]
    assert len(complaints) == 1 and lines[-1] == complaints[0], answer["err"]
    return complaints[0]


@pytest.mark.parametrize("name", bombs.SOURCES)
def test_a_small_file_does_not_take_the_memory(name: str, tmp_path: Path, bench: Bench) -> None:
    source = bombs.SOURCES[name](tmp_path) + bombs.WITH_OPTIONS.get(name, "")
    out = str(tmp_path / "run")
    words = ["train", "--data", source, "--out", out, "--steps", "1", "--batch", "1"]
    for answer in bench.answers([["info", source], words]):
        if answer.get("code") != 0:  # info leaves out what it cannot read, and says so
            refused(answer)
        assert not list(cost_faults(answer))


@pytest.mark.parametrize("name", bombs.PICKLES)
def test_a_pickle_does_not_take_the_memory(name: str, tmp_path: Path, bench: Bench) -> None:
    bombs.PICKLES[name](tmp_path / "model.pt")
    words = ["import", str(tmp_path / "model.pt"), "--out", str(tmp_path / "run")]
    (answer,) = bench.answers([words])
    assert "model.pt" in refused(answer)


def test_a_larger_budget_lets_through_what_is_right(tmp_path: Path, bench: Bench) -> None:
    source = bombs.nifti((64, 1024, 1024), 2**26, pixdim=[1, 1, 1, 1, 1, 1, 1, 1])(tmp_path)
    small = ["info", source, "--signal-budget", "0.1"]
    first, second = bench.answers([small, ["info", source]])
    assert "no readable file" in refused(first) and "--signal-budget" in refused(first)
    assert second["code"] == 0, second["err"]


@pytest.mark.parametrize("flag", ["--signal-budget", "--command-budget"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_a_budget_is_positive(flag: str, value: str, bench: Bench) -> None:
    (answer,) = bench.answers([["info", "sample:ecg", f"{flag}={value}"]])
    assert flag in refused(answer)


def test_budgets_are_told_by_help(bench: Bench) -> None:
    (answer,) = bench.answers([["fit", "--help"]])
    for word in ("--signal-budget", "--command-budget", "0.25", "0.4", "--follow-links"):
        assert word in answer["out"]


PIPES = {
    "csv:{f}/a.csv": "a.csv",
    "csv:{f}": "a.csv",
    "npz:{f}/a.npz": "a.npz",
    "nifti:{f}": "a.nii.gz",
    "nifti:{f}/a.nii": "a.nii",
    "nrrd:{f}": "a.nrrd",
    "dicom:{f}": "a.dcm",
    "images:{f}": "a.png",
    "edf:{f}": "a.edf",
    "wfdb:{f}": "100.hea",
    "wfdb:{f}?annotator=qrs": "100.qrs",
    "images:{f}?labels=labels.csv": "labels.csv",
}


@pytest.mark.parametrize("source", PIPES)
def test_nothing_waits_for_a_pipe(source: str, tmp_path: Path, bench: Bench) -> None:
    if "annotator" in source:
        bombs.record("100 1 360 6000\n100.dat 16 200 16 0 0 0 0 I\n")(tmp_path)
    if "labels" in source:
        bombs.png(4, 4)(tmp_path)
    bombs.pipe(tmp_path / PIPES[source])
    (answer,) = bench.answers([["info", source.format(f=tmp_path)]])
    refused(answer)


@pytest.mark.parametrize("place", ["model.pt", "train/datapoint_0.pt"])
def test_an_import_waits_for_no_pipe(place: str, tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "theirs" / "train").mkdir(parents=True)
    bombs.pipe(tmp_path / "theirs" / place)
    words = ["import", str(tmp_path / "theirs"), "--out", str(tmp_path / "set")]
    (answer,) = bench.answers([words])
    refused(answer)


def datapoints(folder: Path, labels: list[Any], names: list[str]) -> None:
    (folder / "train").mkdir()
    for name, label in zip(names, labels, strict=True):
        content = {"modulations": torch.zeros(1, 4), "label": label}
        torch.save(content, folder / "train" / f"datapoint_{name}.pt")


ODD_LABELS: dict[str, Any] = {
    "a text": "cat",
    "NaN": torch.tensor([float("nan")]),
    "a fraction": torch.tensor([1.5]),
    "Inf": torch.tensor([float("inf")]),
    "complex": torch.tensor([1j]),
    "beyond any class": torch.tensor([2**40]),
    "a number of 400 digits": 10**400,
    "a list": [1, 2],
    "an object": object,
}


@pytest.fixture(scope="module")
def exported(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the authors' layout without its datapoints."""
    made = tmp_path_factory.mktemp("exported") / "theirs"
    words = ["export", str(bench.base / "set"), "--to", "reference", "--out", str(made)]
    (answer,) = bench.answers([words])
    assert answer["code"] == 0, answer["err"]
    for split in ("train", "val", "test"):
        for path in (made / split).glob("*"):
            path.unlink()
        (made / split).rmdir()
    return made


@pytest.mark.parametrize("what", ODD_LABELS)
def test_labels_that_are_not_numbers_are_one_line(
    what: str, tmp_path: Path, bench: Bench, exported: Path
) -> None:
    made = Path(copytree(exported, tmp_path / "theirs"))
    datapoints(made, [ODD_LABELS[what]], ["0"])
    (answer,) = bench.answers([["import", str(made), "--out", str(tmp_path / "set")]])
    assert "datapoint_0.pt" in refused(answer)


@pytest.mark.parametrize("names", [["1", "01"], ["7", "0007"]])
def test_two_files_with_one_id_are_one_line(
    names: list[str], tmp_path: Path, bench: Bench, exported: Path
) -> None:
    made = Path(copytree(exported, tmp_path / "theirs"))
    datapoints(made, [None] * len(names), names)
    (answer,) = bench.answers([["import", str(made), "--out", str(tmp_path / "set")]])
    assert "one number" in refused(answer)


@pytest.mark.parametrize("name", ["²", "9" * 30, "x", "-1"])
def test_other_names_are_passed_over(
    name: str, tmp_path: Path, bench: Bench, exported: Path
) -> None:
    made = Path(copytree(exported, tmp_path / "theirs"))
    datapoints(made, [None] * 2, ["0", name])
    words = ["import", str(made), "--out", str(tmp_path / "set"), "--json"]
    (answer,) = bench.answers([words])
    assert answer["code"] == 0 and '"train": 1' in answer["out"], answer["err"]


@pytest.mark.parametrize("what", bombs.ROWS)
def test_a_row_of_a_set_does_not_take_the_memory(what: str, tmp_path: Path, bench: Bench) -> None:
    copy = Path(copytree(bench.base / "set", tmp_path / "tampered"))
    bombs.change_rows(copy, bombs.ROWS[what])
    size = sum(path.stat().st_size for path in (copy / "data").iterdir())
    assert size < 2 * 2**20
    one = ["--split", "val", "--out", str(tmp_path / "a.csv")]
    commands = [
        ["decode", str(copy), "--id", "val-0000", *one],
        ["info", str(copy), "--check"],
        ["export", str(copy), "--to", "hub", "--out", str(tmp_path / "hub")],
        ["export", str(copy), "--to", "reference", "--out", str(tmp_path / "theirs")],
        ["search", str(copy), "--id", "val-0000", "--split", "val"],
    ]
    decoded, *others = bench.answers(commands)
    refused(decoded)
    for answer in others:
        assert not list(cost_faults(answer))
        if answer["code"] != 0:
            refused(answer)
