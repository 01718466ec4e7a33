"""Volumes come in with their affine, units and values; broken ones do not."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.preprocess import InputGrid, Preprocessing
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.sources.nifti import read_volume
from medfuncta._src.sources.table import open_source
from medfuncta._src.writers.table import write_signal
from sources.conformance import check_source

AFFINE = np.array([[0, -2.0, 0, 10], [-1.5, 0, 0, 20], [0, 0, 3.0, -30], [0, 0, 0, 1]])


def volume(shape=(4, 5, 6), dtype="int16", seed=0) -> nib.Nifti1Image:
    data = np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)
    return nib.Nifti1Image(data, AFFINE)


def write_set(folder: Path, count=8, suffix=".nii.gz", sub="") -> str:
    (folder / sub).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        nib.save(volume((4 + index % 3, 5, 6), seed=index), folder / sub / f"scan_{index}{suffix}")
    return f"nifti:{folder}"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_ragged_volumes_keep_what_their_files_say(tmp_path, suffix):
    text = write_set(tmp_path, suffix=suffix)
    splits = check_source(lambda: open_source(text + "?ids=names"))
    for signal in (signal for split in splits.values() for signal in split):
        image = nib.load(tmp_path / f"{signal.id}{suffix}")
        np.testing.assert_array_equal(signal.values[..., 0], image.get_fdata())
        np.testing.assert_array_equal(signal.domain.affine, image.affine)
        assert (signal.domain.spacing, signal.domain.unit, signal.dtype) == (
            (1.5, 2.0, 3.0),
            "mm",
            "int16",
        )
        assert signal.range == ValueRange(image.get_fdata().min(), image.get_fdata().max())


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "returned"),
    [
        ("int16", 1, 0, "int16"),
        ("int16", 0.5, -1000, "float32"),  # as ITK and FSL have it: halves are no whole numbers
        ("uint16", 1, -1024, "int16"),  # CT stored from 0 on
        ("uint8", 300, 0, "uint16"),
        ("float64", 2, 1, "float64"),
    ],
)
def test_slope_and_intercept_are_applied_and_their_values_come_back(
    tmp_path, stored, slope, intercept, returned
):
    raw = np.arange(120).reshape(4, 5, 6).astype(stored)
    header = nib.Nifti1Header()
    header.set_data_shape(raw.shape)
    header.set_data_dtype(raw.dtype)
    header.set_sform(AFFINE, 1)
    header.set_slope_inter(slope, intercept)
    header["vox_offset"] = 352
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(4) + raw.tobytes(order="F"))
    values, grid, dtype, _ = read_volume(tmp_path / "a.nii")
    assert dtype == returned
    np.testing.assert_allclose(values[..., 0], raw * float(slope) + intercept)
    signal = Signal.of("a", values, grid, ValueRange.of(values), dtype=dtype)
    write_signal(signal, tmp_path / "b.nii")
    again = nib.load(tmp_path / "b.nii")
    assert again.get_data_dtype() == returned
    np.testing.assert_allclose(again.get_fdata(), nib.load(tmp_path / "a.nii").get_fdata())


def test_metres_and_microns_become_millimetres(tmp_path):
    image = volume()
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "a.nii")
    assert read_volume(tmp_path / "a.nii")[1].spacing == pytest.approx((0.0015, 0.002, 0.003))


@pytest.mark.parametrize(
    ("shape", "spatial", "channels"),
    [
        ((4, 5), (4, 5), 1),
        ((4, 5, 1), (4, 5), 1),
        ((4, 5, 6, 3), (4, 5, 6), 3),
        ((4, 5, 6, 1, 2), (4, 5, 6), 2),
    ],
)
def test_axes(tmp_path, shape, spatial, channels):
    nib.save(volume(shape), tmp_path / "a.nii.gz")
    values, grid, _, _ = read_volume(tmp_path / "a.nii.gz")
    assert (grid.shape, values.shape) == (spatial, (*spatial, channels))


def test_one_channel_of_a_4d_file(tmp_path):
    image = volume((4, 5, 6, 3))
    nib.save(image, tmp_path / "a.nii.gz")
    source = open_source(f"nifti:{tmp_path}?channel=1&val=0&test=0")
    np.testing.assert_array_equal(
        next(source.signals("train")).values[..., 0], image.get_fdata()[..., 1]
    )
    with pytest.raises(ConfigError, match="3 channels"):
        open_source(f"nifti:{tmp_path}?channel=3&val=0&test=0").spec  # noqa: B018


def test_colour_voxels_are_channels(tmp_path):
    data = np.zeros((4, 5, 6), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    data["G"] = 7
    nib.save(nib.Nifti1Image(data, AFFINE), tmp_path / "a.nii")
    values, _, dtype, _ = read_volume(tmp_path / "a.nii")
    assert (values.shape, dtype) == ((4, 5, 6, 3), "uint8")
    np.testing.assert_array_equal(values[0, 0, 0], [0, 7, 0])


def test_a_decathlon_folder(tmp_path):
    text = write_set(tmp_path, sub="imagesTr")
    write_set(tmp_path, 2, sub="imagesTs")
    (tmp_path / "dataset.json").write_text(
        json.dumps({"licence": "CC-BY-SA 4.0", "labels": {"0": "background", "1": "organ"}})
    )
    (tmp_path / "labelsTr").mkdir()
    for index in range(8):
        image = nib.load(tmp_path / "imagesTr" / f"scan_{index}.nii.gz")
        nib.save(
            nib.Nifti1Image((image.get_fdata() > 100).astype(np.uint8), AFFINE),
            tmp_path / "labelsTr" / f"scan_{index}.nii.gz",
        )
    splits = check_source(lambda: open_source(text + "?orient=RAS"))
    source = open_source(text + "?orient=RAS")
    assert {name: len(split) for name, split in splits.items()} == {"train": 7, "val": 1, "test": 2}
    assert (source.info.licence, source.mask_names[1]) == ("CC-BY-SA 4.0", "organ")
    signal = splits["train"][0]
    np.testing.assert_array_equal(source.mask_of(signal.id), signal.values[..., 0] > 100)
    assert source.mask_of(splits["test"][0].id) is None
    with pytest.raises(DataError, match="no signal 'nobody'"):
        source.mask_of("nobody")


def test_options_become_steps_that_are_recorded_with_the_input_grid(tmp_path):
    text = write_set(tmp_path) + "?orient=RAS&spacing=2,2,2&crop=4,4,4&window=0,150&unit=HU"
    signals = check_source(lambda: open_source(text))["train"]
    source = open_source(text)
    assert (source.spec.shape, source.spec.unit) == ((4, 4, 4), "HU")
    steps = Preprocessing.from_details(source.info.details)
    assert steps == source.preprocessing
    before = InputGrid.of(signals[0].header, steps)
    np.testing.assert_array_equal(before.grid.affine, AFFINE)


def test_nan_is_refused_or_masked(tmp_path):
    data = np.ones((4, 5, 6), np.float32)
    data[0, 0, 0], data[1, 1, 1] = np.nan, 3
    nib.save(nib.Nifti1Image(data, AFFINE), tmp_path / "a.nii.gz")
    with pytest.raises(DataError, match="1 NaN or Inf"):
        open_source(f"nifti:{tmp_path}?val=0&test=0").spec  # noqa: B018
    signal = next(open_source(f"nifti:{tmp_path}?val=0&test=0&nan=mask").signals("train"))
    assert signal.mask.sum() == 119
    assert signal.range == ValueRange(1, 3)


def test_a_constant_volume_maps_to_zero(tmp_path):
    nib.save(nib.Nifti1Image(np.full((4, 5, 6), 7, np.int16), AFFINE), tmp_path / "a.nii.gz")
    signal = next(open_source(f"nifti:{tmp_path}?val=0&test=0").signals("train"))
    assert not signal.normalised().any()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_claims_terabytes_allocates_nothing(tmp_path, suffix):
    raw = bytearray(volume().to_bytes())
    raw[42:48] = np.array(
        [1000, 1000, 1000], "<i2"
    ).tobytes()  # a plausible claim, not held by the file
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(bytes(raw)) if suffix.endswith("gz") else bytes(raw))
    tracemalloc.start()
    with pytest.raises(DataError, match="header claims"):
        read_volume(path)
    raw[42:48] = np.array([32000, 32000, 32000], "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(raw)) if suffix.endswith("gz") else bytes(raw))
    with pytest.raises(DataError, match="claims 32,768,000,000,000 values"):
        read_volume(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_a_bad_file_among_good_ones_is_left_out(tmp_path):
    text = write_set(tmp_path)
    (tmp_path / "bad.nii.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"^bad\.nii\.gz is not a readable NIfTI file.*--skip-bad"):
        [list(source.signals(split)) for source in [open_source(text)] for split in source.splits]
    source = open_source(text, skip_bad=True)
    assert sum(len(list(source.signals(split))) for split in source.splits) == 8
    assert [entry.name for entry in source.skipped] == ["bad.nii.gz"]


def test_files_of_another_form_are_named(tmp_path):
    text = write_set(tmp_path)
    nib.save(volume((4, 5, 6, 2)), tmp_path / "z.nii.gz")
    with pytest.raises(DataError, match="2 channels"):
        [list(source.signals(split)) for source in [open_source(text)] for split in source.splits]


@pytest.mark.parametrize(
    "query",
    [
        "window=0,1&quantiles=0,1",
        "window=1",
        "shape=4,4,4&spacing=1,1,1",
        "orient=RRR",
        "quantiles=0.9,0.1",
    ],
)
def test_options_that_exclude_each_other(tmp_path, query):
    with pytest.raises(ConfigError):
        open_source(f"{write_set(tmp_path)}?{query}")


def test_hippocampus(test_data):
    source = open_source(f"nifti:{test_data / 'hippocampus'}?limit=3")
    signals = check_source(lambda: open_source(f"nifti:{test_data / 'hippocampus'}?limit=3"))
    assert len({signal.domain.shape for split in signals.values() for signal in split}) > 3
    first = signals["test"][0]
    assert set(np.unique(source.mask_of(first.id))) == {0, 1, 2}
    assert source.mask_of(first.id).shape == first.domain.shape
