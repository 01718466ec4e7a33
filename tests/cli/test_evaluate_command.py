from __future__ import annotations

import json
from pathlib import Path

import pytest

from medfuncta.cli.main import main
from medfuncta.sources.table import open_source
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
