"""Images come in as they look, at the depth they have; broken ones do not."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import ValueRange
from medfuncta._src.sources.image_files import read_image
from medfuncta._src.sources.table import open_source
from sources.conformance import check_source


def pixels(shape=(6, 9, 3), dtype=np.uint8, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)


def write_set(folder: Path, count=8, suffix=".png", shape=(6, 9, 3)) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(pixels((shape[0] + index % 3, *shape[1:]), seed=index)).save(
            folder / f"{index}{suffix}"
        )
    return f"images:{folder}"


def test_ragged_colour_images(tmp_path):
    text = write_set(tmp_path) + "?ids=names"
    splits = check_source(lambda: open_source(text))
    signal = splits["train"][0]
    np.testing.assert_array_equal(
        signal.values, np.asarray(Image.open(tmp_path / f"{signal.id}.png"))
    )
    assert (signal.range, signal.unit, signal.dtype) == (ValueRange(0, 255), "8-bit", "uint8")
    assert {signal.domain.shape for split in splits.values() for signal in split} == {
        (6, 9),
        (7, 9),
        (8, 9),
    }


@pytest.mark.parametrize(
    ("mode", "channels", "dtype"),
    [
        *[
            ("1", 1, "uint8"),
            ("L", 1, "uint8"),
            ("LA", 1, "uint8"),
            ("P", 3, "uint8"),
            ("RGB", 3, "uint8"),
            ("RGBA", 3, "uint8"),
        ],
        *[("I;16", 1, "uint16"), ("I", 1, "int32"), ("F", 1, "float32"), ("CMYK", 3, "uint8")],
    ],
)
def test_every_mode(tmp_path, mode, channels, dtype):
    suffix = "png" if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "tiff"
    Image.fromarray(pixels((6, 9))).convert(mode).save(tmp_path / f"a.{suffix}")
    found = read_image(tmp_path / f"a.{suffix}")
    assert (found.shape, found.dtype.name) == ((6, 9, channels), dtype)


def test_a_palette_becomes_its_colours(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0], [[10, 20, 30], [40, 50, 60]])


def test_16_bits_of_grey(tmp_path):
    grey = pixels((6, 9), np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey).save(tmp_path / "b.tiff")
    for name in ("a.png", "b.tiff"):
        np.testing.assert_array_equal(read_image(tmp_path / name)[..., 0], grey)
    source = open_source(f"images:{tmp_path}?val=0&test=0")
    assert next(source.signals("train")).range == ValueRange(0, 65535)


def test_16_bits_a_colour(tmp_path):
    tifffile, imagecodecs = pytest.importorskip("tifffile"), pytest.importorskip("imagecodecs")
    colour = pixels(dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb")
    tifffile.imwrite(
        tmp_path / "b.tif", np.moveaxis(colour, -1, 0), photometric="rgb", planarconfig="separate"
    )
    (tmp_path / "c.png").write_bytes(imagecodecs.png_encode(colour))
    for name in ("a.tif", "b.tif", "c.png"):
        np.testing.assert_array_equal(read_image(tmp_path / name), colour)


def test_images_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees
    original = Image.fromarray(pixels())
    original.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.png"), np.rot90(np.asarray(original), -1)
    )


def test_class_folders(tmp_path):
    write_set(tmp_path / "sick", 6)
    write_set(tmp_path / "well", 6)
    splits = check_source(lambda: open_source(f"images:{tmp_path}?ids=names"))
    source = open_source(f"images:{tmp_path}")
    assert (source.spec.label_names, source.spec.task) == (("sick", "well"), "binary-class")
    assert all(
        signal.id.startswith(source.spec.label_names[signal.label])
        for split in splits.values()
        for signal in split
    )
    assert open_source(f"images:{tmp_path}?classes=false").spec.label_names == ()


def test_given_splits_with_class_folders(tmp_path):
    for split, count in (("train", 3), ("valid", 2), ("test", 1)):
        for name in ("a", "b"):
            write_set(tmp_path / split / name, count)
    source = open_source(f"images:{tmp_path}")
    assert {split: len(list(source.signals(split))) for split in source.splits} == {
        "train": 6,
        "val": 4,
        "test": 2,
    }
    assert (source.spec.label_names, source.info.split_by) == (("a", "b"), "given")


def test_options_shape_the_images(tmp_path):
    text = write_set(tmp_path) + "?grey=true&crop=6,6&size=3,4&quantiles=0.1,0.9"
    signals = check_source(lambda: open_source(text))
    assert signals["test"][0].values.shape == (3, 4, 1)
    assert open_source(text).spec.shape == (3, 4)


def test_grey_among_colour_is_named(tmp_path):
    text = write_set(tmp_path)
    Image.fromarray(pixels((6, 9))).save(tmp_path / "9.png")
    with pytest.raises(DataError, match="1 channel"):
        [list(source.signals(split)) for source in [open_source(text)] for split in source.splits]
    source = open_source(text + "?grey=true")
    assert sum(len(list(source.signals(split))) for split in source.splits) == 9


def bomb(width=60000, height=60000) -> bytes:
    """A PNG whose header claims 3.6 billion pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bomb(), "pixels"),
        (bomb(10000, 9500), "pixels"),
        (b"no image", "not a readable"),
        (b"", "is empty"),
    ],
)
def test_bombs_and_other_files_are_refused(tmp_path, content, said):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_image(tmp_path / "a.png")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "bmp"])
def test_truncated_images_are_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels((64, 64, 3))).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match="cut short"):
        read_image(path)


def test_pages_are_refused(tmp_path):
    image = Image.fromarray(pixels())
    image.save(tmp_path / "a.tiff", save_all=True, append_images=[image])
    with pytest.raises(DataError, match="2 pages"):
        read_image(tmp_path / "a.tiff")


@pytest.mark.parametrize(("name", "shape"), [("bloodsmears", (480, 640)), ("fundus", (960, 999))])
def test_real_photographs(test_data, name, shape):
    source = open_source(f"images:{test_data / name}?limit=1")
    signals = [signal for split in source.splits for signal in source.signals(split)]
    assert all(signal.domain == Grid(shape) for signal in signals)
    assert source.spec.channels == 3
