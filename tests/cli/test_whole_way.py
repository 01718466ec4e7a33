"""From a trained run to answers: the commands work on what the ones before them wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.conftest import train_words
from cli.test_main import complaint
from medfuncta._src.cli.main import main
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.sources.table import open_source


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command with --json and gives its one JSON object."""

    def run(*words: str | Path) -> dict[str, Any]:
        capsys.readouterr()
        assert main([*map(str, words), "--json"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])

    return run


def test_what_is_fitted_is_decoded_again(
    ecg_run: Path, ecg_latents: Path, tmp_path: Path, ask: Any
) -> None:
    originals = list(open_source("sample:ecg").signals("val"))
    evaluation = ask("evaluate", ecg_run, "--data", "sample:ecg", "--split", "val")
    latents = LatentSet.open(ecg_latents)
    assert evaluation["signals"] == len(latents) == len(originals)
    assert evaluation["psnr"]["mean"] == pytest.approx(
        float(latents.split("val").psnr.mean()), abs=1e-3
    )

    ask("decode", ecg_latents, "--id", originals[3].id, "--out", tmp_path / "beat.npy")
    decoded = np.load(tmp_path / "beat.npy")
    np.testing.assert_allclose(
        decoded.ravel(), latents.decode(originals[3].id).values.ravel(), atol=1e-6
    )
    assert decoded.size == originals[3].values.size

    finer = ask(
        "decode",
        ecg_latents,
        "--id",
        originals[3].id,
        "--shape",
        "374",
        "--out",
        tmp_path / "fine.csv",
    )
    assert finer["shape"] == [374, 1]


def test_each_part_says_what_it_is(ecg_run: Path, ecg_latents: Path, ask: Any) -> None:
    run, latents = ask("info", ecg_run), ask("info", ecg_latents)
    assert (run["kind"], latents["kind"]) == ("run", "latent set")
    assert run["fingerprint"] == latents["fingerprint"]


def test_data_that_does_not_fit_the_run(
    ecg_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["evaluate", str(ecg_run)], ["fit", str(ecg_run), "--out", str(tmp_path / "x")]):
        assert "dimension" in complaint([*words, "--data", "sample:slices"], capsys)
    assert "no split 'vla' in sample:ecg; did you mean 'val'?" in complaint(
        ["evaluate", str(ecg_run), "--data", "sample:ecg", "--split", "vla"], capsys
    )


def test_a_latent_set_is_not_continued_with_another_field(
    ecg_latents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*train_words(tmp_path / "other"), "--seed", "1"]) == 0
    before = {path: path.read_bytes() for path in ecg_latents.rglob("*") if path.is_file()}
    words = [
        "fit",
        str(tmp_path / "other"),
        "--data",
        "sample:ecg",
        "--out",
        str(ecg_latents),
        "--splits",
        "val",
    ]
    assert "this latent set was begun with fingerprint" in complaint(words, capsys)
    assert before == {path: path.read_bytes() for path in ecg_latents.rglob("*") if path.is_file()}


def test_a_damaged_run_is_named(
    ecg_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "field.json").write_bytes((ecg_run / "field.json").read_bytes())
    (broken / "field.safetensors").write_bytes((ecg_run / "field.safetensors").read_bytes()[:-100])
    assert "in 'broken' is damaged" in complaint(["info", str(broken)], capsys)
