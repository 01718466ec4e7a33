"""Series become volumes in the right place, traces come in millivolts, and nobody is named."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from sources.conformance import check_ids, check_info, check_order, check_spec, check_splits

pydicom = pytest.importorskip("pydicom")
from sources.dicom_files import SECRETS, ct_slice, ecg, enhanced, save, stack, write_series  # noqa: E402

ALL = "?val=0&test=0"


def read(folder: Path, options: str = "", *, skip_bad: bool = False):
    return list(open_source(f"dicom:{folder}{ALL}{options}", skip_bad=skip_bad).signals("train"))


def own_file(name: str) -> Path:
    return Path(pydicom.__file__).parent / "data" / "test_files" / name


def test_a_series_is_ordered_rescaled_and_placed(tmp_path):
    pixels = stack()
    write_series(tmp_path, pixels)
    (signal,) = read(tmp_path)
    np.testing.assert_array_equal(signal.values[..., 0], pixels.transpose(2, 1, 0) * 2.0 - 1000)
    assert (signal.unit, signal.dtype, signal.metadata) == ("HU", "int16", {"modality": "ct"})
    assert signal.domain.spacing == (0.75, 0.5, 3.0)
    np.testing.assert_allclose(
        signal.domain.affine @ [0, 0, 0, 1], [-10, -20, 0, 1]
    )  # left and posterior become right and anterior
    np.testing.assert_allclose(
        signal.domain.affine @ [1, 2, 3, 1], [-10 - 0.75, -20 - 2 * 0.5, 9, 1]
    )


def conform(open_it) -> dict:
    """All promises but one: headers of every split are read at once, since only they tell which
    files make a series."""
    signals = {split: list(open_it().signals(split)) for split in open_it().splits}
    check_splits(open_it(), signals)
    check_ids(open_it(), signals)
    check_order(open_it, signals)
    check_spec(open_it(), signals)
    check_info(open_it())
    return signals


def test_series_of_a_patient_stay_together(tmp_path):
    for number, patient in enumerate("abcdef"):
        for series in ("1", "2"):
            write_series(tmp_path / patient, stack(seed=number), patient, series)
    splits = conform(lambda: open_source(f"dicom:{tmp_path}"))
    assert all(len(split) % 2 == 0 for split in splits.values())
    assert sum(map(len, splits.values())) == 12


def test_no_pixel_of_another_split_is_decoded(tmp_path, monkeypatch):
    for number, patient in enumerate("abcdef"):
        write_series(tmp_path / patient, stack(seed=number), patient)
    source = open_source(f"dicom:{tmp_path}")
    held_back = {path for item in source.items["test"] for path in item.paths}
    whole = pydicom.dcmread
    monkeypatch.setattr(
        pydicom,
        "dcmread",
        lambda path, **given: (
            pytest.fail("test split read") if path in held_back else whole(path, **given)
        ),
    )
    assert list(source.signals("train"))


def test_a_tilted_stack_shears_the_affine(tmp_path):
    for index, image in enumerate(stack()):
        save(
            ct_slice(image, index * 3, ImagePositionPatient=[10, 20 + index, index * 3]),
            tmp_path / f"{index}.dcm",
        )
    (signal,) = read(tmp_path)
    np.testing.assert_allclose(signal.domain.affine @ [0, 0, 4, 1], [-10, -24, 12, 1])


def test_missing_slices_are_reported_or_masked(tmp_path):
    pixels = stack((7, 4, 6))
    write_series(tmp_path, pixels)
    (tmp_path / "IM021_a_1.dcm").unlink()  # the fourth
    with pytest.raises(DataError, match="1 missing slices among 7"):
        read(tmp_path)
    (signal,) = read(tmp_path, "&missing=mask")
    assert signal.domain.shape == (6, 4, 7)
    assert not signal.mask[:, :, 3].any() and signal.mask.sum() == 6 * 4 * 6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"ImagePositionPatient": [10, 20, 3]},
            r"5 slices in 4 places .*keep the files of one of them",
        ),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, 1]}, "mixes orientations"),
        ({"PixelSpacing": [1, 1]}, "mixes orientations or spacings"),
        ({"ImagePositionPatient": [10, 20, 13.6]}, "uneven distances"),
        ({"ImagePositionPatient": [10, 20, 1e9]}, "uneven distances"),
    ],
)
def test_series_that_are_no_volume_are_refused(tmp_path, changes, said):
    write_series(tmp_path, stack()[:4])
    save(ct_slice(stack()[4], 12, **changes), tmp_path / "last.dcm")
    with pytest.raises(DataError, match=said):
        read(tmp_path)
    write_series(tmp_path, stack(), "b")
    assert len(read(tmp_path, skip_bad=True)) == 1


def test_echoes_in_one_series_are_refused_with_what_to_do(tmp_path):
    for echo in ("1", "2", "3"):
        for height, image in enumerate(stack()):
            save(ct_slice(image, height * 3, EchoNumbers=echo), tmp_path / f"{echo}_{height}.dcm")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert (
        "15 slices in 5 places (several echoes, time points or copies?); expected one volume a "
        "series: keep" in str(caught.value)
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("signed", "ends"), [(0, 4095), (1, -1)])
def test_dark_is_low_whatever_the_file_says(tmp_path, signed, ends):
    pixels = stack()
    facts = {
        "PhotometricInterpretation": "MONOCHROME1",
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": signed,
    }
    write_series(tmp_path, pixels, Modality="MR", **facts)
    (signal,) = read(tmp_path)
    np.testing.assert_array_equal(
        signal.values[..., 0], (ends - pixels.transpose(2, 1, 0)) * 2.0 - 1000
    )


def test_hounsfield_units_are_never_turned_over(tmp_path):
    write_series(tmp_path, stack(), PhotometricInterpretation="MONOCHROME1")
    (signal,) = read(tmp_path)
    np.testing.assert_array_equal(signal.values[..., 0], stack().transpose(2, 1, 0) * 2.0 - 1000)


@pytest.mark.parametrize(("slope", "dtype"), [(1, "int16"), (0.5, "float32")])
def test_values_below_zero_outgrow_an_unsigned_file(tmp_path, slope, dtype):
    write_series(
        tmp_path, stack(), PixelRepresentation=0, RescaleSlope=slope, RescaleIntercept=-1024
    )
    (signal,) = read(tmp_path)
    assert (signal.values.min() < 0, signal.dtype) == (True, dtype)


def test_slices_of_other_shapes_are_refused(tmp_path):
    write_series(tmp_path, stack())
    save(ct_slice(np.zeros((3, 3)), 15), tmp_path / "last.dcm")
    with pytest.raises(DataError, match="different shapes"):
        read(tmp_path)


def test_an_enhanced_file_is_a_volume(tmp_path):
    pixels = stack()
    save(enhanced(pixels), tmp_path / "a.dcm")
    (signal,) = read(tmp_path)
    expected = (pixels * np.arange(1, 6)[:, None, None] + 5)[::-1].transpose(2, 1, 0)
    np.testing.assert_array_equal(signal.values[..., 0], expected)
    assert signal.domain.spacing == (0.75, 0.5, 3.0)


def test_a_single_slice_is_an_image(tmp_path):
    pixels = stack()[0]
    save(ct_slice(pixels, 0), tmp_path / "a.dcm")
    (signal,) = read(tmp_path)
    np.testing.assert_array_equal(signal.values[..., 0], pixels * 2.0 - 1000)
    assert (signal.domain.shape, signal.domain.spacing) == ((4, 6), (0.5, 0.75))
    np.testing.assert_allclose(
        signal.domain.affine @ [2, 1, 0, 1], [-10 - 0.75, -20 - 2 * 0.5, 0, 1]
    )


def test_traces_come_in_millivolts_and_seconds(tmp_path):
    samples = np.arange(40).reshape(20, 2)
    save(ecg(samples), tmp_path / "a.dcm")
    (signal,) = read(tmp_path)
    np.testing.assert_allclose(signal.values, samples * 2.5e-3, rtol=1e-6)
    assert (signal.unit, signal.domain.spacing, signal.domain.unit, signal.metadata) == (
        "mV",
        (0.002,),
        "s",
        {"modality": "ecg"},
    )
    (lead,) = read(tmp_path, "&channel=1")
    np.testing.assert_array_equal(lead.values, signal.values[:, 1:])


def test_other_files_are_passed_over_and_broken_ones_are_not(tmp_path):
    write_series(tmp_path, stack())
    (tmp_path / "readme.txt").write_text("notes")
    assert len(read(tmp_path)) == 1
    (tmp_path / "DOE_JANE.dcm").write_bytes(b"no DICOM")
    with pytest.raises(DataError, match=r"^file 1 of 7 in the order of names is not a DICOM file"):
        read(tmp_path)
    assert len(read(tmp_path, skip_bad=True)) == 1


def leaks(text: str, folder: Path) -> list[str]:
    return [secret for secret in (*SECRETS, str(folder), folder.name) if secret in text]


def test_nothing_that_identifies_gets_out(tmp_path):
    folder = tmp_path / "DOE^JANE"
    for patient in "abcdef":
        write_series(folder / patient, stack(), patient)
    source: Source = open_source(f"dicom:{folder}")
    told = [json.dumps(asdict(source.info)), json.dumps(asdict(source.spec))]
    for split in source.splits:
        for signal in source.signals(split):
            told += [signal.id, json.dumps(dict(signal.metadata)), signal.unit, signal.dtype]
    assert not leaks(" ".join(told), folder)


@pytest.mark.parametrize("broken", ["truncated", "claims", "doubled", "garbage", "link"])
def test_no_error_names_anyone(tmp_path, broken):
    folder = tmp_path / "DOE^JANE"
    write_series(folder, stack())
    victim = folder / "DOE_JANE_MRN-4711.dcm"
    if broken == "link":
        (tmp_path / "outside").touch()
        victim.symlink_to(tmp_path / "outside")
    else:
        changes = {
            "claims": {"Rows": 60000, "Columns": 60000},
            "doubled": {"ImagePositionPatient": [10, 20, 3]},
        }.get(broken, {})
        save(ct_slice(stack()[0], 15, **changes), victim)
    if broken == "truncated":
        victim.write_bytes(victim.read_bytes()[:-20])
    if broken == "garbage":
        victim.write_bytes(victim.read_bytes()[:400] + bytes(range(256)) * 3)
    with pytest.raises(DataError) as caught:
        read(folder)
    assert "\n" not in str(caught.value) and not leaks(str(caught.value), folder)


@pytest.mark.parametrize(
    ("name", "shape", "unit"),
    [
        *[
            ("CT_small.dcm", (128, 128, 1), "HU"),
            ("MR_small.dcm", (64, 64, 1), ""),
            ("waveform_ecg.dcm", (10000, 12), "mV"),
        ],
        *[
            ("rtdose.dcm", (10, 10, 15, 1), ""),
            ("SC_rgb_small_odd.dcm", (3, 3, 3), ""),
            ("ExplVR_BigEnd.dcm", (60, 80, 3), ""),
        ],
        ("MR_small_RLE.dcm", (64, 64, 1), ""),
    ],
)
def test_files_of_pydicom(name, shape, unit):
    (signal,) = read(own_file(name))
    assert (signal.values.shape, signal.unit) == (shape, unit)


def test_a_stored_slice_equals_its_own_pixels():
    (signal,) = read(own_file("CT_small.dcm"))
    data = pydicom.dcmread(own_file("CT_small.dcm"))
    np.testing.assert_array_equal(
        signal.values[..., 0],
        data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept),
    )


def test_brain_mr(test_data):
    source = open_source(f"dicom:{test_data / 'brain_mr_dicom'}{ALL}")
    signals = list(source.signals("train"))
    assert [(signal.domain.shape, signal.metadata) for signal in signals] == [
        ((280, 320, 22), {"modality": "mr"})
    ] * 4
    assert (
        len({tuple(signal.domain.affine.ravel().round(3)) for signal in signals}) == 1
    )  # registered to each other
