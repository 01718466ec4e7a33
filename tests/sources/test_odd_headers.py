"""Volumes whose headers are odd but whose values can be known are read, with a word; others name
what is wrong."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.sources.nifti_files import read_volume
from medfuncta._src.sources.table import open_source

AFFINE = np.array([[2.0, 0, 0, -5], [0, 2, 0, 7], [0, 0, 3, 1], [0, 0, 0, 1]])
DATA = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype(np.int16)
FIELDS = {
    "datatype": (70, "<h"),
    "pixdim1": (80, "<f"),
    "vox_offset": (108, "<f"),
    "scl_slope": (112, "<f"),
    "qform_code": (252, "<h"),
    "sform_code": (254, "<h"),
    "srow": (280, "<12f"),
    "magic": (344, "4s"),
}


def content(data: np.ndarray = DATA, kind=nib.Nifti1Image, **fields: object) -> bytes:
    """A file with a qform and an sform, and fields of its header replaced."""
    image = kind(data, AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(AFFINE, 1)
    raw = bytearray(image.to_bytes())
    for name, value in fields.items():
        place, form = FIELDS[name]
        values = value if isinstance(value, tuple) else (value,)
        struct.pack_into(form, raw, place, *values)
    return bytes(raw)


def written(folder: Path, raw: bytes, name: str = "a.nii") -> Path:
    path = folder / name
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_content_tells_whether_it_is_packed(tmp_path, name, pack, kind):
    volume = read_volume(written(tmp_path, pack(content(kind=kind)), name))
    np.testing.assert_array_equal(volume.values[..., 0], DATA)
    np.testing.assert_array_equal(volume.grid.affine, AFFINE)
    assert not volume.remarks


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"vox_offset": 0.0}, "inside itself"),
        ({"vox_offset": 348.0}, "inside itself"),
        ({"srow": (0.0,) * 12}, "the qform is taken"),
        ({"pixdim1": 0.0, "qform_code": 0}, "size of voxels of 0"),
        ({"qform_code": 0, "sform_code": 0}, "no place in the world"),
        ({"scl_slope": float("nan")}, ""),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_is_assumed_is_said(tmp_path, fields, said, pack):
    path = written(tmp_path, pack(content(**fields)))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.values[..., 0], DATA)
    assert bool(volume.remarks) == bool(said)
    source = open_source(f"nifti:{tmp_path}?val=0&test=0")
    list(source.signals("train"))
    assert all(said in remark for remark in source.remarks)
    assert len(source.remarks) == len(volume.remarks)


def test_remarks_of_many_files_are_one(tmp_path):
    for name in "abc":
        written(tmp_path, content(vox_offset=0.0), f"{name}.nii")
    source = open_source(f"nifti:{tmp_path}?val=0&test=0")
    for _ in range(2):
        list(source.signals("train"))
    assert source.remarks == [
        "3 files or signals: the header places voxels at byte 0, inside itself; 352 is taken"
    ]


REFUSED = {
    "one bit a voxel": (content(datatype=1), "data type 1 .*one bit"),
    "no type": (content(datatype=0), "data type 0"),
    "a pair": (content(magic=b"ni1\0"), "header of a pair"),
    "no matrix": (content(srow=(0.0,) * 12, qform_code=0), "sform .* all 0, and there is no qform"),
    "too large": (content(DATA * 1e300), "beyond float32"),
    "too close": (content(1e9 + DATA * 0.01), "subtract an offset"),
    "a page": (b"<html>no such file</html>" * 40, "is a web page"),
    "nonsense": (b"no such file" * 40, "does not begin with a header"),
    "cut short": (gzip.compress(content())[:90], "ends early|unpacks to"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_cause(tmp_path, name):
    raw, said = REFUSED[name]
    with pytest.raises(DataError, match=said) as caught:
        read_volume(written(tmp_path, raw))
    assert "\n" not in str(caught.value)


def test_bytes_behind_a_packed_stream_are_passed_over(tmp_path):
    path = written(tmp_path, gzip.compress(content()) + b"other bytes", "a.nii.gz")
    np.testing.assert_array_equal(read_volume(path).values[..., 0], DATA)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_of_any_plane_is_an_image_in_its_place(tmp_path, axis):
    part = np.take(DATA, [2], axis)
    corner = AFFINE.copy()
    corner[:3, 3] = (AFFINE @ np.insert(np.eye(3)[axis] * 2, 3, 1))[:3]
    image = nib.Nifti1Image(part, corner)
    nib.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    kept = [other for other in range(3) if other != axis]
    assert volume.grid.shape == tuple(DATA.shape[other] for other in kept)
    assert volume.grid.spacing == tuple((2.0, 2.0, 3.0)[other] for other in kept)
    np.testing.assert_array_equal(volume.values[..., 0], part.squeeze())
    place = np.array([1.0, 3, 0, 1])
    index = np.zeros(3)
    index[kept] = place[:2]
    np.testing.assert_allclose(volume.grid.affine @ place, corner @ [*index, 1])


def test_slices_of_three_planes_lie_in_one_folder(tmp_path):
    for axis in range(3):
        nib.save(nib.Nifti1Image(np.take(DATA, [0], axis), AFFINE), tmp_path / f"{axis}.nii.gz")
    source = open_source(f"nifti:{tmp_path}?val=0&test=0")
    assert [signal.domain.dim for signal in source.signals("train")] == [2, 2, 2]


NRRD = {"space": "left-posterior-superior", "space directions": np.diag([2.0, 2.0, 3.0])}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (NRRD, ""),
        ({"spacings": [2.0, 2.0, 3.0]}, "no place in the world"),
        ({"spacings": [2.0, np.nan, 3.0]}, "along some axes only"),
        ({}, "no sizes of voxels"),
        ({**NRRD, "space": "scanner-xyz"}, "not one of the body's"),
    ],
)
def test_a_nrrd_header_says_what_it_lacks(tmp_path, header, said):
    nrrd = pytest.importorskip("nrrd")
    nrrd.write(str(tmp_path / "a.nrrd"), DATA, dict(header))
    source = open_source(f"nrrd:{tmp_path}?val=0&test=0")
    (signal,) = source.signals("train")
    np.testing.assert_array_equal(signal.values[..., 0], DATA)
    assert bool(source.remarks) == bool(said) and all(said in line for line in source.remarks)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({**NRRD, "space units": ["inch"] * 3}, "'inch'"),
        ({**NRRD, "space units": ["mm", "mm", "cm"]}, "'cm, mm'"),
    ],
)
def test_lengths_in_unknown_units_are_refused(tmp_path, header, said):
    nrrd = pytest.importorskip("nrrd")
    nrrd.write(str(tmp_path / "a.nrrd"), DATA, dict(header))
    with pytest.raises(DataError, match=f"measures space in {said}"):
        _ = open_source(f"nrrd:{tmp_path}?val=0&test=0").spec


@pytest.mark.parametrize(
    "unit",
    [
        *(b"cm", b"um", "\N{MICRO SIGN}m".encode(), "\N{GREEK SMALL LETTER MU}m".encode()),
        "\N{MICRO SIGN}m".encode("latin-1"),
    ],
)
def test_known_units_of_length_become_millimetres(tmp_path, unit):
    nrrd = pytest.importorskip("nrrd")
    nrrd.write(str(tmp_path / "a.nrrd"), DATA, {**NRRD, "space units": ["XX"] * 3})
    raw = (tmp_path / "a.nrrd").read_bytes()
    (tmp_path / "a.nrrd").write_bytes(raw.replace(b"XX", unit))
    (signal,) = open_source(f"nrrd:{tmp_path}?val=0&test=0").signals("train")
    factor = 10 if unit == b"cm" else 0.001
    np.testing.assert_allclose(signal.domain.spacing, np.multiply((2, 2, 3), factor))


def test_an_unknown_encoding_is_named(tmp_path):
    nrrd = pytest.importorskip("nrrd")
    nrrd.write(str(tmp_path / "a.nrrd"), DATA, {"encoding": "raw"})
    raw = (tmp_path / "a.nrrd").read_bytes().replace(b"encoding: raw", b"encoding: hex")
    (tmp_path / "a.nrrd").write_bytes(raw)
    with pytest.raises(DataError, match="the encoding 'hex', which is not read"):
        _ = open_source(f"nrrd:{tmp_path}?val=0&test=0").spec


def test_a_data_file_that_is_missing_is_named(tmp_path):
    nrrd = pytest.importorskip("nrrd")
    nrrd.write(str(tmp_path / "a.nhdr"), DATA, dict(NRRD))
    (tmp_path / "a.raw.gz").unlink()
    with pytest.raises(DataError, match=r"the data file 'a\.raw\.gz' that a\.nhdr names"):
        _ = open_source(f"nrrd:{tmp_path}?val=0&test=0").spec
