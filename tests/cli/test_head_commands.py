from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from medfuncta._src.cli.main import main
from tasks.blob_volumes import write_blobs

SMALL = ["--points", "60", "--hidden", "8", "--epochs", "2"]


@pytest.fixture
def balls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    _, source = write_blobs(tmp_path / "set", train=5, val=2, test=2)
    monkeypatch.setattr("medfuncta._src.sources.table.open_source", lambda text, **options: source)
    return str(tmp_path / "set")


def test_segment_writes_a_report_and_a_picture(
    balls: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["segment", balls, "--data", "list:x", *SMALL, "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["dice"]["field and latent"]) == {"ball", "mean"}
    assert json.loads((out / "segmentation.json").read_text()) == result
    with Image.open(out / "segmentation.png") as picture:
        assert picture.width > 500


def test_regress_writes_a_report_and_a_picture(
    balls: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert (
        main(
            [
                "regress",
                balls,
                "--target",
                "volume:ball",
                "--data",
                "list:x",
                "--epochs",
                "2",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    assert "mean absolute error" in capsys.readouterr().out
    result = json.loads((out / "regression.json").read_text())
    assert [r["name"] for r in result["regressors"]] == ["training mean", "ridge", "mlp"]
    with Image.open(out / "regression.png") as picture:
        assert picture.width > 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["segment", "SET", "--data", "list:x", "--points", "0"],
            "--points is 0; expected a whole number from 1 to",
        ),
        (["regress", "SET", "--target", "volume:ball"], "give --data"),
        (
            ["regress", "SET", "--target", "radius", "--epochs", "0"],
            "--epochs is 0; expected a whole number from 1 to",
        ),
        (["regress", "SET", "--target", "radios"], "did you mean 'radius'"),
    ],
)
def test_mistakes_get_one_line(
    balls: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([balls if word == "SET" else word for word in arguments]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert message in error[0]
