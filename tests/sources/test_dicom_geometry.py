"""What a header knows of a place is kept; what it does not know is said; doses, SPECT and
segmentations are what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.sources.table import open_source

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset  # noqa: E402
from pydicom.sequence import Sequence  # noqa: E402
from pydicom.uid import (  # noqa: E402
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    NuclearMedicineImageStorage,
    RTDoseStorage,
    SegmentationStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from sources.dicom_files import (  # noqa: E402
    add_pixels,
    ct_slice,
    header,
    save,
    stack,
    write_series,
)

ALL = "?val=0&test=0"
UPRIGHT = [1, 0, 0, 0, 1, 0]
HEADFIRST = [1, 0, 0, 0, -1, 0]
"""Rows that run the other way, so that the normal points down."""


def read(folder: Path, options: str = ""):
    source = open_source(f"dicom:{folder}{ALL}{options}")
    signals = [signal for split in source.splits for signal in source.signals(split)]
    return source, signals


def refusal(folder: Path, options: str = "") -> str:
    with pytest.raises(DataError) as caught:
        read(folder, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def without(folder: Path, keyword: str, which: slice = slice(None)) -> None:
    """Take a field out of the headers of some files of a series."""
    for path in sorted(folder.iterdir())[which]:
        data = pydicom.dcmread(path)
        del data[keyword]
        save(data, path)


def placed(series: np.ndarray) -> np.ndarray:
    """A series' values as a signal has them."""
    return series.transpose(2, 1, 0) * 2.0 - 1000


def test_without_orientation_positions_still_give_order_and_spacing(tmp_path):
    pixels = stack()
    write_series(tmp_path, pixels, step=2.5)
    without(tmp_path, "ImageOrientationPatient")
    source, (signal,) = read(tmp_path)
    np.testing.assert_array_equal(signal.values[..., 0], placed(pixels))
    np.testing.assert_allclose(signal.domain.spacing, (0.75, 0.5, 2.5))
    assert signal.domain.affine is None
    assert "orientation or position is not known" in source.remarks[0]


def test_without_orientation_positions_off_a_line_are_refused(tmp_path):
    for index, image in enumerate(stack()):
        save(
            ct_slice(image, 3 * index, ImagePositionPatient=[index**2, 20, 3 * index]),
            tmp_path / f"{index}.dcm",
        )
    without(tmp_path, "ImageOrientationPatient")
    assert "no orientation" in refusal(tmp_path) and "line" in refusal(tmp_path)


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImageOrientationPatient"])
def test_one_slice_takes_what_it_lacks_from_the_others(tmp_path, keyword):
    pixels = stack()
    write_series(tmp_path / "whole", pixels)
    write_series(tmp_path / "holes", pixels)
    without(tmp_path / "holes", keyword, slice(1, 3))
    _, (whole,) = read(tmp_path / "whole")
    source, (signal,) = read(tmp_path / "holes")
    assert signal.domain == whole.domain
    np.testing.assert_array_equal(signal.values, whole.values)
    assert f"2 of 5 slices lack {keyword}" in source.remarks[0]


def test_without_spacing_positions_give_the_order(tmp_path):
    pixels = stack()
    write_series(tmp_path, pixels)
    without(tmp_path, "PixelSpacing")
    source, (signal,) = read(tmp_path)
    np.testing.assert_array_equal(signal.values[..., 0], placed(pixels))
    assert signal.domain.spacing is None
    assert "slices are 3 mm apart" in source.remarks[0]


def test_a_slice_without_position_is_a_hole_not_an_image(tmp_path):
    write_series(tmp_path, stack())
    without(tmp_path, "ImagePositionPatient", slice(0, 1))
    assert "1 slices of 5 without a position" in refusal(tmp_path)


def test_series_without_any_position_are_images_and_it_is_said(tmp_path):
    write_series(tmp_path, stack())
    without(tmp_path, "ImagePositionPatient")
    source, signals = read(tmp_path)
    assert [signal.domain.spacing for signal in signals] == [(0.5, 0.75)] * 5
    assert "images of their own" in source.remarks[0]


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("PixelSpacing", [0, 0], "PixelSpacing"),
        ("PixelSpacing", [-1, 1], "PixelSpacing"),
        ("ImagePositionPatient", [1, 2], "ImagePositionPatient that is not 3 numbers"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "right angles"),
        ("RescaleSlope", 0, "RescaleSlope of 0"),
    ],
)
def test_a_number_that_cannot_be_is_named(tmp_path, keyword, value, said):
    write_series(tmp_path, stack(), **{keyword: value})
    assert said in refusal(tmp_path)


def frames(
    storage: str, pixels: np.ndarray, modality: str, orientation: list[int], **more: object
) -> Dataset:
    """A file of several frames that keeps its geometry for the whole file."""
    data = add_pixels(header(storage, "d", "1"), pixels)
    data.PixelRepresentation = 0
    data.Modality, data.NumberOfFrames, data.PixelSpacing = modality, len(pixels), [0.5, 0.75]
    data.ImagePositionPatient, data.ImageOrientationPatient = [10, 20, 30], orientation
    for keyword, value in more.items():
        setattr(data, keyword, value)
    return data


def dose(pixels: np.ndarray, offsets: list[float], orientation=UPRIGHT, **more: object) -> Dataset:
    given = {"GridFrameOffsetVector": offsets, "DoseGridScaling": 0.25, "DoseUnits": "GY"} | more
    return frames(RTDoseStorage, pixels, "RTDOSE", orientation, **given)


@pytest.mark.parametrize(
    ("offsets", "orientation", "heights"),
    [
        ([0, 2, 4, 6], UPRIGHT, [30, 32, 34, 36]),
        ([0, -2, -4, -6], UPRIGHT, [30, 28, 26, 24]),
        ([0, 2, 4, 6], HEADFIRST, [30, 28, 26, 24]),
        ([30, 32, 34, 36], UPRIGHT, [30, 32, 34, 36]),
        ([30, 28, 26, 24], HEADFIRST, [30, 28, 26, 24]),
    ],
)
def test_a_dose_is_in_gray_where_its_header_puts_it(tmp_path, offsets, orientation, heights):
    pixels = stack((4, 5, 6))
    save(dose(pixels, offsets, orientation), tmp_path / "dose.dcm")
    _, (signal,) = read(tmp_path)
    assert (signal.unit, signal.metadata["modality"]) == ("Gy", "rtdose")
    assert signal.domain.spacing == (0.75, 0.5, 2.0)
    for frame, height in enumerate(heights):
        voxel = np.linalg.inv(signal.domain.affine) @ [-10, -20, height, 1]
        column, row, slot = np.rint(voxel[:3]).astype(int)
        assert signal.values[column, row, slot, 0] == pixels[frame, 0, 0] * 0.25


@pytest.mark.parametrize("missing", ["DoseGridScaling", "GridFrameOffsetVector"])
def test_a_dose_that_lacks_its_own_fields_is_refused(tmp_path, missing):
    data = dose(stack((4, 5, 6)), [0, 2, 4, 6])
    del data[missing]
    save(data, tmp_path / "dose.dcm")
    assert missing in refusal(tmp_path)


def test_doses_of_one_series_are_volumes_each(tmp_path):
    for name in "ab":
        save(dose(stack((4, 5, 6)), [0, 2, 4, 6]), tmp_path / f"{name}.dcm")
    _, signals = read(tmp_path)
    assert [signal.domain.shape for signal in signals] == [(6, 5, 4)] * 2


def test_a_dose_beside_images_is_left_out_unless_asked_for(tmp_path):
    write_series(tmp_path, stack())
    save(dose(stack((4, 5, 6)), [0, 2, 4, 6]), tmp_path / "dose.dcm")
    source, (signal,) = read(tmp_path)
    assert signal.unit == "HU" and "RTDOSE" in source.remarks[0]
    _, (signal,) = read(tmp_path, "&modality=rtdose")
    assert signal.unit == "Gy"
    assert "no series of modality PT" in refusal(tmp_path, "&modality=PT")


@pytest.mark.parametrize("in_detector", [True, False])
@pytest.mark.parametrize("step", [4.4, -4.4])
def test_spect_is_a_stack_along_its_normal(tmp_path, step, in_detector):
    pixels = stack((4, 5, 6))
    data = frames(NuclearMedicineImageStorage, pixels, "NM", UPRIGHT, SpacingBetweenSlices=step)
    data.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    if in_detector:
        place = Dataset()
        place.ImagePositionPatient = data.ImagePositionPatient
        place.ImageOrientationPatient = data.ImageOrientationPatient
        del data.ImagePositionPatient, data.ImageOrientationPatient
        data.DetectorInformationSequence = Sequence([place])
    save(data, tmp_path / "nm.dcm")
    _, (signal,) = read(tmp_path)
    np.testing.assert_allclose(signal.domain.spacing, (0.75, 0.5, 4.4))
    voxel = np.linalg.inv(signal.domain.affine) @ [-10, -20, 30 + 3 * step, 1]
    assert signal.values[*np.rint(voxel[:3]).astype(int), 0] == pixels[3, 0, 0]


def test_nuclear_frames_that_are_no_slices_are_named(tmp_path):
    data = frames(NuclearMedicineImageStorage, stack((4, 5, 6)), "NM", UPRIGHT)
    data.ImageType = ["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"]
    save(data, tmp_path / "nm.dcm")
    assert "'DYNAMIC'" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("storage", "said"),
    [(SegmentationStorage, "SEG"), (VLWholeSlideMicroscopyImageStorage, "whole slides")],
)
def test_objects_that_are_no_images_of_a_grid_are_named(tmp_path, storage, said):
    save(frames(storage, stack((4, 5, 6)), "SEG", UPRIGHT), tmp_path / "a.dcm")
    assert said in refusal(tmp_path)
    write_series(tmp_path, stack())
    source, signals = read(tmp_path)
    assert len(signals) == 1 and said in source.remarks[0]


def test_a_film_says_what_is_not_kept(tmp_path):
    storage = MultiFrameTrueColorSecondaryCaptureImageStorage
    save(frames(storage, stack((4, 5, 6)), "XA", UPRIGHT), tmp_path / "film.dcm")
    source, (signal,) = read(tmp_path)
    assert signal.domain.spacing is None
    assert "film" in source.remarks[0] and "0.75 x 0.5 mm" in source.remarks[0]


def table(first: int, entries: np.ndarray) -> Dataset:
    found = Dataset()
    found.LUTDescriptor = [len(entries), first, 16]
    found.ModalityLUTType = "OD"
    found.LUTData = entries.astype("<u2").tobytes()
    found["LUTData"].VR = "OW"
    return found


@pytest.mark.parametrize("first", [0, 7])
@pytest.mark.parametrize(
    ("photometric", "inverted"), [("MONOCHROME1", True), ("MONOCHROME2", False)]
)
def test_a_modality_table_gives_the_range_that_white_is_turned_in(
    tmp_path, first, photometric, inverted
):
    entries = 100 + 10 * np.arange(16)
    image = np.arange(20).reshape(4, 5) % 16 + first
    data = add_pixels(header(ComputedRadiographyImageStorage, "x", "1"), image)
    data.Modality, data.PhotometricInterpretation, data.PixelRepresentation = "CR", photometric, 0
    data.ModalityLUTSequence = Sequence([table(first, entries)])
    save(data, tmp_path / "a.dcm")
    _, (signal,) = read(tmp_path)
    expected = entries[image - first]
    if inverted:
        expected = 100 + 250 - expected
    np.testing.assert_array_equal(signal.values[..., 0], expected)


def test_a_deflated_file_is_smaller_than_its_pixels(tmp_path):
    data = ct_slice(np.kron(stack((1, 5, 6))[0], np.ones((16, 16), int)), 0)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(data, tmp_path / "a.dcm")
    assert (tmp_path / "a.dcm").stat().st_size < 80 * 96 * 2
    _, (signal,) = read(tmp_path)
    assert signal.domain.shape == (80, 96)


def test_a_copy_counts_once_and_another_image_does_not(tmp_path):
    pixels = stack()
    write_series(tmp_path, pixels)
    first = sorted(tmp_path.iterdir())[0]
    (tmp_path / "copy of it.dcm").write_bytes(first.read_bytes())
    source, (signal,) = read(tmp_path)
    np.testing.assert_array_equal(signal.values[..., 0], placed(pixels))
    assert "copy" in source.remarks[0]
    other = pydicom.dcmread(first)
    other.PixelData = bytes(len(other.PixelData))
    save(other, tmp_path / "copy of it.dcm")
    assert "6 slices in 5 places" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["LICENSE", "README", "Notes of the centre"])
def test_text_without_a_suffix_is_passed_over(tmp_path, name):
    write_series(tmp_path, stack())
    (tmp_path / name).write_text("CC BY 3.0, Universität\n" * 300, encoding="utf-8")
    assert len(read(tmp_path)[1]) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.dcm", b"<html>not found</html>", "a web page"),
        ("a.dcm", b"not found", "but text"),
        ("a.dcm", b"", "is empty"),
        ("a", b"", "is empty"),
        ("a", b"\x00\x01\xff" * 99, "without the preamble"),
    ],
)
def test_files_that_should_be_dicom_say_what_they_are(tmp_path, name, content, said):
    write_series(tmp_path / "series", stack())
    (tmp_path / name).write_bytes(content)
    assert said in refusal(tmp_path)


def test_a_file_without_preamble_is_read(tmp_path):
    data = ct_slice(stack((1, 5, 6))[0], 0)
    save(data, tmp_path / "whole.dcm")
    content = (tmp_path / "whole.dcm").read_bytes()
    (tmp_path / "whole.dcm").unlink()
    (tmp_path / "bare.dcm").write_bytes(content[132:])
    _, (signal,) = read(tmp_path)
    assert signal.domain.shape == (5, 6)


def test_missing_pixels_and_missing_decoders_are_different_causes(tmp_path):
    data = ct_slice(stack((1, 5, 6))[0], 0)
    del data.PixelData
    save(data, tmp_path / "a.dcm")
    assert "no pixels" in refusal(tmp_path) and "install" not in refusal(tmp_path)
    data = ct_slice(stack((1, 5, 6))[0], 0)
    data.PixelData = data.PixelData[:-4]
    save(data, tmp_path / "a.dcm")
    assert "cut short" in refusal(tmp_path) and "install" not in refusal(tmp_path)


def test_a_folder_of_other_files_is_counted(tmp_path):
    for name in ("a.nii.gz", "b.png", "readme.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert "no DICOM image or trace among 3 files" in refusal(tmp_path)
