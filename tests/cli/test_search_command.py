from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medfuncta._src.cli.main import main
from tasks.blob_set import write_blob_set

SIZES = {"train": 12, "test": 4}


@pytest.fixture
def latent_set(tmp_path: Path) -> str:
    write_blob_set(tmp_path / "set", SIZES)
    return str(tmp_path / "set")


def test_the_neighbours_of_a_signal(
    latent_set: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "search",
                latent_set,
                "--id",
                "test-1",
                "-k",
                "5",
                "--out",
                str(tmp_path / "out"),
                "--json",
            ]
        )
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert [n["classes"] for n in result["neighbours"]] == [["ill"]] * 5
    assert result["query"] == {"id": "test-1", "classes": ["ill"], "in_set": True}
    assert json.loads((tmp_path / "out" / "search.json").read_text()) == result
    with Image.open(tmp_path / "out" / "search.png") as picture:
        assert picture.width > 500


def test_the_neighbours_of_a_new_file(
    latent_set: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 5, 4), dtype=np.uint8)
    np.savez(tmp_path / "new.npz", test_images=images)
    assert main(["search", latent_set, "--file", f"npz:{tmp_path / 'new.npz'}", "-k", "3"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("nearest to test-000000")
    assert (
        len([line for line in output.splitlines() if line.split()[1:2] in (["train"], ["test"])])
        == 3
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to search for; give --id"),
        (["--id", "tset-1"], "no signal 'tset-1' in 'set'; did you mean"),
        (["--id", "test-1", "-k", "-1"], "-k is -1; expected a whole number from 1 to"),
        (["--file", "scan.nii"], "expected kind:path"),
    ],
)
def test_mistakes_get_one_line(
    latent_set: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["search", latent_set, *arguments]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert message in error[0]
