"""NRRD volumes come in on NIfTI's world axes; broken ones do not."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.sources.nrrd import read_volume
from medfuncta._src.sources.table import open_source
from sources.conformance import check_source

nrrd = pytest.importorskip("nrrd")

DIRECTIONS = [[0.0, 2.0, 0.0], [1.5, 0.0, 0.0], [0.0, 0.0, 3.0]]
HEADER = {
    "space": "left-posterior-superior",
    "space directions": DIRECTIONS,
    "space origin": [10.0, 20.0, 30.0],
}


def volume(shape=(4, 5, 6), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, shape).astype(np.int16)


def write_set(folder: Path, count=8) -> str:
    for index in range(count):
        nrrd.write(
            str(folder / f"scan_{index}.nrrd"), volume((4 + index % 3, 5, 6), index), dict(HEADER)
        )
    return f"nrrd:{folder}"


def test_ragged_volumes(tmp_path):
    text = write_set(tmp_path) + "?ids=names"
    splits = check_source(lambda: open_source(text))
    for signal in (signal for split in splits.values() for signal in split):
        np.testing.assert_array_equal(
            signal.values[..., 0], nrrd.read(str(tmp_path / f"{signal.id}.nrrd"))[0]
        )
        assert (signal.domain.spacing, signal.domain.unit, signal.dtype) == (
            (2.0, 1.5, 3.0),
            "mm",
            "int16",
        )


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("LPS", (-1, -1, 1)),
        ("right-anterior-superior", (1, 1, 1)),
        ("LAS", (-1, 1, 1)),
    ],
)
def test_world_axes_become_ras(tmp_path, space, signs):
    nrrd.write(str(tmp_path / "a.nrrd"), volume(), {**HEADER, "space": space})
    affine = read_volume(tmp_path / "a.nrrd", tmp_path)[1].affine
    np.testing.assert_allclose(affine[:3, 3], np.array([10, 20, 30]) * signs)
    np.testing.assert_allclose(affine[:3, 0], np.array([0, 2, 0]) * signs)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr"])
def test_every_encoding(tmp_path, encoding, suffix):
    nrrd.write(str(tmp_path / f"a{suffix}"), volume(), {**HEADER, "encoding": encoding})
    np.testing.assert_array_equal(
        read_volume(tmp_path / f"a{suffix}", tmp_path)[0][..., 0], volume()
    )


def test_channels_may_come_first(tmp_path):
    header = {
        **HEADER,
        "space directions": [[np.nan] * 3, *DIRECTIONS],
        "kinds": ["vector", "domain", "domain", "domain"],
    }
    nrrd.write(str(tmp_path / "a.nrrd"), volume((2, 4, 5, 6)), header)
    values, grid, _, _ = read_volume(tmp_path / "a.nrrd", tmp_path)
    assert grid.shape == (4, 5, 6)
    np.testing.assert_array_equal(values, np.moveaxis(volume((2, 4, 5, 6)), 0, -1))


@pytest.mark.parametrize(
    ("header", "spacing"),
    [
        ({"spacings": [1.0, 2.0, 3.0]}, (1, 2, 3)),
        ({}, None),
        ({"spacings": [1.0, 2.0, 3.0], "units": ["um"] * 3}, (0.001, 0.002, 0.003)),
    ],
)
def test_headers_without_directions(tmp_path, header, spacing):
    nrrd.write(str(tmp_path / "a.nrrd"), volume(), header)
    assert read_volume(tmp_path / "a.nrrd", tmp_path)[1].spacing == (
        spacing and pytest.approx(spacing)
    )


def test_one_slice_is_an_image(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), volume((4, 5, 1)), dict(HEADER))
    nrrd.write(
        str(tmp_path / "b.nrrd"), volume((4, 5)), {**HEADER, "space directions": DIRECTIONS[:2]}
    )
    for name in ("a.nrrd", "b.nrrd"):
        values, grid, _, _ = read_volume(tmp_path / name, tmp_path)
        assert (values.shape, grid.shape, grid.spacing) == ((4, 5, 1), (4, 5), (2.0, 1.5))


def test_a_data_file_outside_the_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    nrrd.write(str(tmp_path / "a.nhdr"), volume(), {**HEADER, "encoding": "raw"})
    text = (tmp_path / "a.nhdr").read_text().replace("a.raw", "../a.raw")
    (tmp_path / "in" / "b.nhdr").write_text(text)
    with pytest.raises(DataError, match="outside the folder"):
        read_volume(tmp_path / "in" / "b.nhdr", tmp_path / "in")


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ("32000 32000 32000", "claims"),
        ("1000 1000 1000", "its header claims"),
        ("4 0 6", "at least one sample"),
    ],
)
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_absurd_headers_allocate_nothing(tmp_path, sizes, said, encoding):
    path = tmp_path / "a.nrrd"
    nrrd.write(str(path), volume(), {**HEADER, "encoding": encoding})
    path.write_bytes(path.read_bytes().replace(b"sizes: 4 5 6", f"sizes: {sizes}".encode()))
    tracemalloc.start()
    with pytest.raises(DataError, match=said):
        read_volume(path, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
