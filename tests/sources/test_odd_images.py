"""Pictures as phones, microscopes, scanners and spreadsheets make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medfuncta._src.errors import DataError
from medfuncta._src.sources.image_files import SUFFIXES, read_picture
from medfuncta._src.sources.table import open_source

GREY = np.random.default_rng(0).integers(0, 2**16, (6, 9)).astype(np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 9, 3)).astype(np.uint8)


@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_no_channel_and_transparency_is_said(tmp_path, opaque, deep, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    dtype = np.uint16 if deep else np.uint8
    pixels = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (6, 9, channels + 1), dtype)
    if opaque:
        pixels[..., -1] = np.iinfo(dtype).max
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.dtype == dtype
    np.testing.assert_array_equal(picture.pixels, pixels[..., :channels])
    assert bool(picture.remarks) == (not opaque)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_white_is_zero_at_every_depth(tmp_path, dtype, photometric):
    tifffile = pytest.importorskip("tifffile")
    pixels = (GREY >> (0 if dtype == np.uint16 else 8)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric)
    expected = pixels
    if photometric == "miniswhite":
        expected = np.iinfo(dtype).max - pixels
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels[..., 0], expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint32, np.int16])
def test_numbers_of_every_type_are_read_from_tiff(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    pixels = (GREY / 7).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    (signal,) = open_source(f"images:{tmp_path}?val=0&test=0").signals("train")
    np.testing.assert_array_equal(signal.values[..., 0], pixels.astype(np.float32))


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((2, 6, 9)), "2 pages of type float64"),
        (np.zeros((6, 9), np.complex64), "type complex64"),
    ],
)
def test_other_kinds_of_tiff_are_named(tmp_path, pixels, said):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(DataError, match=said):
        read_picture(tmp_path / "a.tif")


def test_the_first_picture_of_a_phones_photo_is_read(tmp_path):
    first = Image.fromarray(COLOUR)
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[first.rotate(180)])
    with Image.open(tmp_path / "a.jpg") as image:
        plain = np.asarray(image)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.jpg").pixels, plain)


def test_colours_that_are_not_red_green_and_blue_are_named(tmp_path):
    grey = Image.fromarray(COLOUR[..., 0])
    Image.merge("LAB", [grey] * 3).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="LAB colours"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_is_read(tmp_path, suffix):
    Image.fromarray(COLOUR).save(tmp_path / f"a{suffix}")
    found = read_picture(tmp_path / f"a{suffix}").pixels
    assert found.shape == COLOUR.shape
    if suffix in (".png", ".bmp", ".tif", ".jp2"):
        np.testing.assert_array_equal(found, COLOUR)


def test_programs_are_not_started_by_a_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(DataError, match=r"a\.png is a PostScript document; convert it"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["what?", "a?b?c", "x?val=0"])
@pytest.mark.parametrize("query", ["", "?val=0&test=0"])
def test_question_marks_in_names_of_folders(tmp_path: Path, name, query):
    folder = tmp_path / name
    folder.mkdir()
    for number in range(4):
        Image.fromarray(COLOUR).save(folder / f"{number}.png")
    source = open_source(f"images:{folder}{query}")
    counts = {split: len(list(source.signals(split))) for split in source.splits}
    assert sum(counts.values()) == 4
    assert ("val" in counts) == (not query)


def test_grey_beside_colour_names_the_way_out(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    Image.fromarray(COLOUR[..., 0]).save(tmp_path / "b.png")
    with pytest.raises(DataError, match="grey=true"):
        list(open_source(f"images:{tmp_path}?val=0&test=0").signals("train"))


TABLES = {
    "commas": b"file,class\na.png,x\nb.png,y\n",
    "excel": b"\xef\xbb\xbffile;class\r\na.png;x\r\nb.png;y\r\n",
    "tabs": b"file\tclass\na\tx\nb\ty\n",
    "no header": b"a.png,x\nb.png,y\n",
    "paths": b"file,class\n./a.png,z\na.png,x\nb.png,y\n",
}


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_classes(tmp_path, table):
    for name in "ab":
        Image.fromarray(COLOUR).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_bytes(TABLES[table])
    source = open_source(f"images:{tmp_path}?val=0&test=0&labels=labels.csv&ids=names")
    names = source.spec.label_names
    assert [(s.id, names[s.label]) for s in source.signals("train")] == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"file,class\na.png,x\nb.png,x\na.png,y\n", "a.png has two classes"),
        (b"file,class\na.png,x\n", r"no row for b\.png"),
        (b"file\na.png\n", "one column"),
        (b"", "cannot read labels"),
    ],
)
def test_tables_that_do_not_fit_say_why(tmp_path, content, said):
    for name in "ab":
        Image.fromarray(COLOUR).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=said):
        open_source(f"images:{tmp_path}?labels=labels.csv")


def test_a_table_tells_files_of_one_name_by_their_folders(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        Image.fromarray(COLOUR).save(tmp_path / folder / "a.png")
    (tmp_path / "labels.csv").write_text("file,class\none/a.png,x\ntwo/a.png,y\n")
    source = open_source(f"images:{tmp_path}?val=0&test=0&labels=labels.csv")
    assert [signal.label for signal in source.signals("train")] == [0, 1]
