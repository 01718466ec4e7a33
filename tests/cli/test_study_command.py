from __future__ import annotations

import json
from pathlib import Path

import pytest

from medfuncta._src.cli.main import main


def test_json_and_files(ecg_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "study",
                "missing-samples",
                "--run",
                str(ecg_run),
                "--limit",
                "2",
                "--out",
                str(tmp_path),
                "--json",
            ]
        )
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert [trial["condition"] for trial in result["trials"]] == [
        "30% removed at random",
        "30% removed in 3 gaps",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json",
        "table.csv",
        "signals.csv",
        "picture.png",
        "report.html",
    }


def test_a_person_gets_a_table_and_a_verdict(
    ecg_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "missing-samples", "--run", str(ecg_run), "--limit", "2"]) == 0
    output = capsys.readouterr().out
    for words in (
        "cubic interpolation",
        "best on",
        "interpolation is best with",
        "of 2 signals",
        "sample:ecg",
    ):
        assert words in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing-sample"], "unknown study 'missing-sample'; did you mean 'missing-samples'?"),
        (["mixed-shapes"], "needs data of your own; give --data"),
        (["missing-samples", "--limit", "0"], "--limit is 0; expected a whole number from 1 to"),
        (["missing-slices", "--data", "sample:ecg"], "expected volumes, 3D"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert message in output.err and output.err.count("\n") == 1
