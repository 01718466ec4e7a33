from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from medfuncta._src.cli.main import main
from tasks.blob_set import write_blob_set

VIEWS = {
    "map": ["--colour", "label"],
    "interpolate": ["--between", "train-0", "test-1", "--steps", "4"],
    "mean": [],
    "outliers": ["-k", "3"],
    "leaks": ["-k", "3", "--threshold", "1"],
}


@pytest.fixture
def latent_set(tmp_path: Path) -> str:
    write_blob_set(tmp_path / "set", {"train": 30, "test": 6})
    return str(tmp_path / "set")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_gives_numbers_and_a_picture(
    latent_set: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], view: str
) -> None:
    assert main(["explore", latent_set, view, *VIEWS[view], "--out", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["view"] == view
    assert json.loads((tmp_path / f"{view}.json").read_text()) == result
    with Image.open(tmp_path / f"{view}.png") as picture:
        assert picture.width > 500


def test_a_map_is_coloured_by_psnr_too(latent_set: str, tmp_path: Path) -> None:
    assert main(["explore", latent_set, "map", "--colour", "psnr", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "map.png").stat().st_size > 5_000


def test_the_summary_of_a_map_has_no_thousand_points(
    latent_set: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", latent_set, "map"]) == 0
    output = capsys.readouterr().out
    assert "36" in output
    assert len(output.splitlines()) < 10


def test_the_summary_lists_outliers(latent_set: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", latent_set, "outliers", "-k", "4"]) == 0
    output = capsys.readouterr().out
    assert sum("train " in line or "test " in line for line in output.splitlines()) == 4


def test_leaks_between_splits_name_the_splits_once(
    latent_set: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explore", latent_set, "leaks", "-k", "3", "--threshold", "1"]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "first split" in output and "second split" in output
    assert "first group" not in output and "second group" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["interpolate"], "give --between with two ids"),
        (["interpolate", "--between", "train-0", "train-99"], "no signal 'train-99'"),
        (["map", "--limit", "0"], "--limit is 0; expected a whole number from 1 to"),
        (["mean", "--label", "wel"], "no signal of a class 'wel'; did you mean 'well'"),
        (["outliers", "--split", "test"], "6 signals; at least 20 are needed"),
    ],
)
def test_mistakes_get_one_line(
    latent_set: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["explore", latent_set, *arguments]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert message in error[0]


@pytest.mark.parametrize("view", ["map", "outliers"])
def test_a_set_without_psnr_gives_strict_json_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], view: str
) -> None:
    write_blob_set(tmp_path / "set", {"train": 30}, psnr=float("nan"))
    assert main(["explore", str(tmp_path / "set"), view, "--out", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result.get("points") or result["outliers"])[0]["psnr"] is None
    assert (
        main(["explore", str(tmp_path / "set"), "map", "--colour", "psnr", "--out", str(tmp_path)])
        == 2
    )
    assert "no PSNR is known for this set" in capsys.readouterr().err
