"""NIfTI pairs, a header ``.hdr`` beside voxels ``.img``: read as single files are."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.nifti_files import read_grid, read_volume
from medfuncta._src.sources.table import open_source

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
AFFINE = np.array([[0.0, 2, 0, -9], [-3, 0, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]])
ALONE = "?val=0&test=0"


def write(folder: Path, name: str = "a.img", kind=nib.Nifti1Pair, slope: float = 1.0) -> None:
    image = kind(VOXELS, AFFINE)
    image.header.set_slope_inter(slope, 0)
    image.header.set_xyzt_units("mm")
    nib.save(image, folder / name)


def signals(text: str) -> list:
    return list(open_source(text).signals("train"))


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("packed", [False, True])
def test_values_and_geometry_are_those_of_nibabel(kind, packed: bool, tmp_path: Path) -> None:
    write(tmp_path, "a.img.gz" if packed else "a.img", kind, slope=0.5)
    expected = nib.load(next(tmp_path.glob("a.img*")))

    [signal] = signals(f"nifti:{tmp_path}{ALONE}")

    assert isinstance(signal.domain, Grid) and signal.domain.affine is not None
    np.testing.assert_allclose(signal.values[..., 0], expected.get_fdata())  # type: ignore[attr-defined]
    np.testing.assert_allclose(signal.domain.affine, AFFINE)
    assert signal.domain.spacing == (3.0, 2.0, 4.0)


@pytest.mark.parametrize("name", ["a.hdr", "a.img"])
def test_either_file_names_the_pair(name: str, tmp_path: Path) -> None:
    write(tmp_path)

    [signal] = signals(f"nifti:{tmp_path / name}{ALONE}")

    np.testing.assert_array_equal(signal.values[..., 0], VOXELS)
    assert read_grid(tmp_path / name) == signal.domain


def test_big_endian_with_an_offset(tmp_path: Path) -> None:
    header = nib.nifti1.Nifti1PairHeader(endianness=">")
    header.set_data_dtype(np.int16)
    header.set_data_shape(VOXELS.shape)
    header.set_sform(AFFINE, 1)
    header["vox_offset"] = 16
    (tmp_path / "a.hdr").write_bytes(header.binaryblock + bytes(4))
    (tmp_path / "a.img").write_bytes(bytes(16) + VOXELS.astype(">i2").tobytes(order="F"))

    volume = read_volume(tmp_path / "a.hdr")

    np.testing.assert_array_equal(volume.values[..., 0], VOXELS)


def test_names_in_capitals(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "a.hdr").rename(tmp_path / "A.HDR")
    (tmp_path / "a.img").rename(tmp_path / "A.IMG")

    assert len(signals(f"nifti:{tmp_path}{ALONE}")) == 1


def test_label_maps_in_pairs(tmp_path: Path) -> None:
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, "case_1.img")

    source = open_source(f"nifti:{tmp_path}{ALONE}")
    [signal] = source.signals("train")

    mask = source.mask_of(signal.id)
    assert mask is not None
    np.testing.assert_array_equal(mask, VOXELS)


def test_pairs_stand_beside_single_files_without_a_remark(tmp_path: Path) -> None:
    write(tmp_path)
    nib.save(nib.Nifti1Image(VOXELS, AFFINE), tmp_path / "b.nii.gz")

    source = open_source(f"nifti:{tmp_path}{ALONE}")

    assert len(list(source.signals("train"))) == 2
    assert not source.remarks


def test_other_headers_are_passed_over_beside_volumes(tmp_path: Path) -> None:
    write(tmp_path)
    nib.save(nib.AnalyzeImage(VOXELS, None), tmp_path / "b.img")
    (tmp_path / "c.hdr").write_text("ENVI\nsamples = 4\n")

    source = open_source(f"nifti:{tmp_path}{ALONE}")

    assert len(list(source.signals("train"))) == 1
    assert source.remarks == ["passed over 2 .hdr files, which are no headers of NIfTI"]


def test_analyze_alone_is_named(tmp_path: Path) -> None:
    nib.save(nib.AnalyzeImage(VOXELS, None), tmp_path / "b.img")

    with pytest.raises(DataError, match=r"b\.hdr is a header of Analyze 7\.5, .* which side"):
        signals(f"nifti:{tmp_path}{ALONE}")


def test_voxels_that_are_not_there_or_too_few(tmp_path: Path) -> None:
    write(tmp_path)
    voxels = tmp_path / "a.img"
    voxels.write_bytes(voxels.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"a\.img has 230 bytes, its header claims 240"):
        read_volume(tmp_path / "a.hdr")

    voxels.unlink()
    with pytest.raises(DataError, match=r"a\.hdr .* voxels are not beside it"):
        read_volume(tmp_path / "a.hdr")


def test_voxels_that_are_a_link_out_of_the_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "data", tmp_path / "private"
    inside.mkdir()
    outside.mkdir()
    write(inside)
    (inside / "a.img").rename(outside / "a.img")
    (inside / "a.img").symlink_to(outside / "a.img")

    for source in (inside, inside / "a.hdr"):
        with pytest.raises(DataError, match="link that leaves the folder"):
            signals(f"nifti:{source}{ALONE}")


def test_a_link_within_the_named_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "scans").mkdir()
    write(tmp_path / "scans")
    (tmp_path / "scans" / "a.img").rename(tmp_path / "store" / "voxels")
    (tmp_path / "scans" / "a.img").symlink_to(tmp_path / "store" / "voxels")

    assert len(signals(f"nifti:{tmp_path}{ALONE}")) == 1


def test_packed_voxels_are_unpacked_no_further_than_claimed(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "a.img").unlink()
    (tmp_path / "a.img.gz").write_bytes(gzip.compress(bytes(2**26)))

    volume = read_volume(tmp_path / "a.hdr")

    assert volume.values.shape == (4, 5, 6, 1)
