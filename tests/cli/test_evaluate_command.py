from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.conftest import TINY
from medfuncta._src.cli.main import main
from medfuncta._src.sources.table import open_source
from tasks.list_source import small_run


@pytest.fixture
def run(tmp_path: Path) -> str:
    small_run(open_source("sample:histology").spec, batch=64).save(tmp_path / "run")
    return str(tmp_path / "run")


def test_json_has_the_metrics_and_the_files(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert (
        main(
            [
                "evaluate",
                run,
                "--data",
                "sample:histology",
                "--split",
                "val",
                "--steps",
                "1",
                "--out",
                str(out),
                "--json",
            ]
        )
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert 0 < result["psnr"]["mean"] < 40
    assert 0 < result["psnr"]["median"] < 40
    assert result["ssim"]["count"] == result["signals"] == 8
    assert (result["split"], result["fit"]["steps"], result["out"]) == ("val", 1, str(out))
    assert (out / "report.html").is_file()


def test_a_person_gets_tables(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["evaluate", run, "--data", "sample:histology", "--split", "val", "--steps", "1"]) == 0
    )
    output = capsys.readouterr().out
    assert "8 signals of sample:histology (val)" in output
    for word in ("PSNR (dB)", "SSIM", "MAE 8-bit", "mostly unstained", "worst: val-"):
        assert word in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "sample:ecg"], "trained on 2 dimensions and 3 channels"),
        (
            ["--data", "sample:histology", "--split", "tset"],
            "no split 'tset' in sample:histology; did you mean 'test'?",
        ),
        (
            ["--data", "sample:histology", "--steps", "0"],
            "--steps is 0; expected a whole number from 1 to",
        ),
        (["--data", "histology"], "expected kind:path"),
    ],
)
def test_mistakes_are_one_line(
    run: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", run, *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert message in output.err
    assert output.err.strip().count("\n") == 0


def test_a_folder_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path), "--data", "sample:histology"]) == 2
    assert "is not a run" in capsys.readouterr().err


def test_data_unlike_that_of_the_run_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for name, high in (("dark", 8), ("bright", 256)):
        images = {f"{split}_images": generator.integers(0, high, (6, 8, 8), np.uint8)
                  for split in ("train", "val", "test")}  # fmt: skip
        np.savez(tmp_path / f"{name}.npz", **images)
    source = f"npz:{tmp_path / 'dark.npz'}"
    run = tmp_path / "run"
    words = ["train", "--data", source, "--out", str(run), "--steps", "1", "--set", *TINY]
    assert main(words) == 0
    assert "! values use 2.7% of the range 0 to 255" in capsys.readouterr().err

    assert main(["evaluate", str(run), "--data", f"{source}?range=0,1000"]) == 0
    said = capsys.readouterr().out
    assert "! 0 to 1000 is mapped to [0, 1]; the run was trained with 0 to 255" in said
    assert "! values use 0.7% of the range 0 to 1000" in said

    bright = f"npz:{tmp_path / 'bright.npz'}"
    report = tmp_path / "report"
    assert main(["evaluate", str(run), "--data", bright, "--out", str(report)]) == 0
    said = capsys.readouterr().out
    assert "! foreign data" in said and "of the range" not in said
    remarks = json.loads((report / "report.json").read_text())["remarks"]
    assert remarks and not any("of the range" in remark for remark in remarks)

    words = ["fit", str(run), "--data", f"{source}?range=data", "--out", str(tmp_path / "latents")]
    assert main([*words, "--json"]) == 0
    (remark,) = json.loads(capsys.readouterr().out)["remarks"]
    assert remark.startswith("0 to 7 is mapped to [0, 1]; the run was trained with 0 to 255")


def test_runs_stand_beside_each_other_in_one_table(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(tmp_path / "other")
    small_run(open_source("sample:histology").spec, latent_size=5, batch=64).save(other)
    words = [run, "--data", "sample:histology", "--split", "val", "--steps", "1"]
    assert main(["evaluate", *words, "--baselines", "--compare", other, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [(entry["name"], entry["numbers"]) for entry in result["compared"]] == [("other", 5)]
    assert 5 in [point["numbers"] for point in result["baselines"]["curve"]]
    assert main(["evaluate", *words, "--compare", other]) == 0
    assert "numbers a signal" in capsys.readouterr().out
    assert main(["evaluate", *words, "--compare", str(tmp_path / "nothing")]) == 2


def test_it_is_said_why_components_have_no_figure(
    ecg_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(ecg_run), "--data", "sample:ecg", "--baselines", "--split"]
    assert main([*words, "val"]) == 0
    assert "no principal components" not in capsys.readouterr().out
    assert main([*words, "all", "--out", str(tmp_path / "report")]) == 0
    assert "no principal components: they are those of a training split" in capsys.readouterr().out
    assert "No principal components: they are" in (tmp_path / "report/report.html").read_text()
