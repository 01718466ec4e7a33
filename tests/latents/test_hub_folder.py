"""What ``export --to hub`` writes, as those read it for whom it is."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latents.sets import SetMaker
from medfuncta._src.cli.main import main
from medfuncta._src.latents.export import export_hub
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.previews import picture_of
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, ValueRange

REQUIRED = {"@context", "@type", "conformsTo", "name", "description", "license"}
REQUIRED |= {"distribution", "recordSet", "citeAs", "version"}


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_datasets_loads_the_folder_with_its_pictures(
    make_set: SetMaker, dtype: str, tmp_path: Path
) -> None:
    from datasets import load_dataset

    made = make_set(dtype=dtype, train=5, test=2)
    export_hub(made, tmp_path / "hub", previews=True)
    loaded = load_dataset(str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in loaded.items()} == {"train": 5, "test": 2}
    row = loaded["train"][3]
    assert row["id"] == "train-3" and row["preview"].size == (4, 5)
    assert loaded["train"].features["label"].names == ["well", "ill"]
    np.testing.assert_array_equal(
        np.array(loaded["test"]["psnr"]), made.split("test").psnr.astype(float)
    )


def test_the_copy_is_the_set(make_set: SetMaker, tmp_path: Path) -> None:
    made = make_set(train=5, val=2)
    export_hub(made, tmp_path / "plain")
    words = ["export", str(made.folder), "--to", "hub", "--previews", "--out"]
    assert main([*words, str(tmp_path / "with")]) == 0
    for name in ("plain", "with"):
        copy = LatentSet.open(tmp_path / name)
        for split in made.splits:
            np.testing.assert_array_equal(copy.split(split).latents, made.split(split).latents)
            assert copy.split(split).ids == made.split(split).ids
        assert "preview" not in copy.split("train").shards[0].columns
        assert main(["info", str(tmp_path / name), "--check"]) == 0


def test_pictures_elsewhere_are_refused(
    make_set: SetMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_set(train=1).folder
    words = ["export", str(folder), "--to", "npz", "--previews", "--out", str(tmp_path / "x")]
    assert main(words) == 2
    assert "--previews belongs to --to hub" in capsys.readouterr().err


@pytest.mark.parametrize("previews", [True, False])
def test_croissant_says_what_is_there(make_set: SetMaker, previews: bool, tmp_path: Path) -> None:
    made = make_set(train=5, test=2)
    export_hub(made, tmp_path / "hub", previews=previews)
    said = json.loads((tmp_path / "hub" / "croissant.json").read_text())
    assert set(said) >= REQUIRED
    assert said["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert (said["license"], said["citeAs"]) == ("cc-by-sa-4.0", "Made up for a test")
    *files, together = said["distribution"]
    assert together["@type"] == "cr:FileSet" and together["includes"] == "data/*.parquet"
    for file in files:
        content = (tmp_path / "hub" / file["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert len(files) == len(list((tmp_path / "hub" / "data").iterdir()))
    (records,) = said["recordSet"]
    columns = {field["source"]["extract"]["column"]: field for field in records["field"]}
    assert columns["latent"]["repeated"] and columns["latent"]["dataType"] == "sc:Float"
    assert columns["id"]["dataType"] == "sc:Text"
    assert ("preview" in columns) == previews
    for field in records["field"]:
        assert field["source"]["fileSet"]["@id"] == together["@id"]


@pytest.mark.parametrize(
    ("shape", "channels", "size", "mode"),
    [
        ((187,), 1, (128, 64), "L"),
        ((5, 4), 1, (4, 5), "L"),
        ((5, 4), 3, (4, 5), "RGB"),
        ((5, 4, 1), 1, (4, 5), "L"),
        ((1,), 1, (128, 64), "L"),
    ],
)
def test_signals_have_small_pictures(
    shape: tuple[int, ...], channels: int, size: tuple[int, int], mode: str
) -> None:
    values = np.linspace(-3, 2, int(np.prod(shape)) * channels).reshape(*shape, channels)
    signal = Signal.of("a", values.astype(np.float32), Grid(shape), ValueRange(-1.0, 1.0))
    picture = picture_of(signal)
    assert (picture.size, picture.mode) == (size, mode)
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    assert Image.open(buffer).size == size
    if len(shape) > 1 and channels == 1:
        assert picture.getextrema() == (0, 255)
