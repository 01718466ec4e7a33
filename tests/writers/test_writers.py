"""What is written is read back by each format's own library."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pyarrow.csv
import pytest
import wfdb
from PIL import Image

from medfuncta._src.errors import ConfigError, DataError, MedFunctaError
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.writers.table import FORMATS, write_signal

AFFINE = np.array(
    [[0.0, -1.5, 0.1, 10.0], [0.9, 0.0, 0.0, -20.0], [0.0, 0.2, 3.0, 5.0], [0.0, 0.0, 0.0, 1.0]]
)  # turned and sheared
VOLUME = Grid((4, 5, 3), (0.9, 1.513, 3.0), AFFINE, "mm")
TRACE = Grid((50,), (0.004,), unit="s")


def make(
    domain: Domain,
    channels: int = 1,
    dtype: str = "float32",
    *,
    low: float = -50.0,
    high: float = 50.0,
    unit: str = "",
) -> Signal:
    shape = domain.shape if isinstance(domain, Grid) else (domain.points,)
    values = np.random.default_rng(0).uniform(low, high, (*shape, channels)).astype(np.float32)
    return Signal.of("x", values, domain, ValueRange(low, high), unit, dtype=dtype)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8", ">i2"])
def test_nifti_keeps_affine_unit_and_type(tmp_path: Path, suffix: str, dtype: str) -> None:
    signal = make(VOLUME, dtype=dtype)
    write_signal(signal, tmp_path / f"a{suffix}")
    image = nib.load(tmp_path / f"a{suffix}")
    assert isinstance(image, nib.Nifti1Image)
    assert np.allclose(image.affine, AFFINE) and image.header.get_xyzt_units()[0] == "mm"
    assert image.get_data_dtype() == np.dtype(dtype).newbyteorder("=")
    assert image.header.get_slope_inter() in ((1.0, 0.0), (None, None))
    expected = (
        signal.values[..., 0]
        if "float" in dtype
        else np.rint(signal.values[..., 0]).clip(0 if dtype == "uint8" else None)
    )
    np.testing.assert_array_equal(image.get_fdata(), expected)


def turned(
    degrees: tuple[float, float, float],
    spacing: tuple[float, float, float],
    *,
    mirrored: bool = False,
) -> np.ndarray:
    """An affine without shear whose axes are turned about x, y and z."""
    affine = np.eye(4)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[[a, b], [a, b]], turn[a, b], turn[b, a] = np.cos(angle), -np.sin(angle), np.sin(angle)
        affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, :3] *= np.array(spacing) * (-1 if mirrored else 1, 1, 1)
    affine[:3, 3] = (-90.5, 12.25, 1000.0)
    return affine


@pytest.mark.parametrize(
    "affine",
    [
        np.diag([0.9, 1.513, 3.0, 1.0]),
        np.diag([-1.0, -1.0, 2.0, 1.0]),  # a half turn, as scans written from DICOM have
        turned((10, -25, 40), (0.9, 1.513, 3.0)),
        turned((100, 5, 170), (0.9, 1.513, 3.0), mirrored=True),
        turned((10, -25, 40), (0.9, 1.513, 3.0))
        .astype(np.float32)
        .astype(float),  # as a header holds it
        turned((10, -25, 40), (1.0, 1.0, 1.0)).round(6),  # as many DICOM files do
    ],
)
def test_both_places_of_a_nifti_header_hold_the_affine(tmp_path: Path, affine: np.ndarray) -> None:
    spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0).tolist())
    write_signal(make(Grid((4, 5, 3), spacing, affine, "mm")), tmp_path / "a.nii.gz")
    image = nib.load(tmp_path / "a.nii.gz")
    assert isinstance(image, nib.Nifti1Image)
    for form, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        assert code == 1
        np.testing.assert_allclose(form, affine, atol=1e-5)
    np.testing.assert_allclose(image.header.get_zooms(), spacing, rtol=1e-6)


def test_a_sheared_affine_has_no_qform(tmp_path: Path) -> None:
    write_signal(make(VOLUME), tmp_path / "a.nii")
    image = nib.load(tmp_path / "a.nii")
    assert isinstance(image, nib.Nifti1Image)
    form, code = image.get_sform(coded=True)
    np.testing.assert_allclose(form, AFFINE, rtol=1e-6)
    assert (code, image.get_qform(coded=True)) == (1, (None, 0))


def test_nifti_holds_channels_and_single_slices(tmp_path: Path) -> None:
    colours, picture = make(VOLUME, 3), make(Grid((4, 5), (2.0, 3.0), unit="mm"))
    write_signal(colours, tmp_path / "colours.nii")
    write_signal(picture, tmp_path / "slice.nii")
    np.testing.assert_array_equal(nib.load(tmp_path / "colours.nii").get_fdata(), colours.values)  # type: ignore[attr-defined]
    image = nib.load(tmp_path / "slice.nii")
    assert (
        isinstance(image, nib.Nifti1Image)
        and image.shape == (4, 5, 1)
        and image.header.get_zooms() == (2, 3, 1)
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "int16", "uint16"])
def test_nrrd_keeps_directions_and_type(tmp_path: Path, channels: int, dtype: str) -> None:
    signal = make(VOLUME, channels, dtype)
    write_signal(signal, tmp_path / "a.nrrd")
    data, header = nrrd.read(str(tmp_path / "a.nrrd"))
    ras = np.eye(4)
    ras[:3, :3], ras[:3, 3] = header["space directions"][:3].T, header["space origin"]
    assert header["space"] == "left-posterior-superior" and np.allclose(
        np.diag([-1, -1, 1, 1]) @ ras, AFFINE
    )
    assert (
        data.dtype == dtype
        and header["kinds"][:3] == ["domain"] * 3
        and header["space units"] == ["mm"] * 3
    )
    expected = (
        signal.values
        if dtype == "float32"
        else np.rint(signal.values).clip(0 if dtype == "uint16" else None)
    )
    np.testing.assert_array_equal(data, expected[..., 0] if channels == 1 else expected)


def test_nrrd_without_an_affine_keeps_the_spacing(tmp_path: Path) -> None:
    write_signal(make(Grid((4, 5), (2.0, 3.0), unit="mm")), tmp_path / "a.nrrd")
    _, header = nrrd.read(str(tmp_path / "a.nrrd"))
    assert header["spacings"].tolist() == [2, 3] and header["units"] == ["mm", "mm"]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 1), ("uint8", 3), ("uint16", 1)])
def test_pictures_keep_pixels_and_clip(
    tmp_path: Path, suffix: str, dtype: str, channels: int
) -> None:
    limit = np.iinfo(dtype).max
    signal = make(Grid((6, 9)), channels, dtype, low=-20.0, high=limit + 20.0)
    write_signal(signal, tmp_path / f"a{suffix}")
    pixels = np.asarray(Image.open(tmp_path / f"a{suffix}"))
    assert pixels.dtype == dtype
    np.testing.assert_array_equal(
        pixels.reshape(signal.values.shape), np.rint(signal.values).clip(0, limit)
    )


@pytest.mark.parametrize(("channels", "limit"), [(1, 65535), (3, 255)])
def test_pictures_of_physical_values_span_their_range(
    tmp_path: Path, channels: int, limit: int
) -> None:
    signal = make(Grid((6, 9)), channels, "int16", low=-1000.0, high=400.0, unit="HU")
    write_signal(signal, tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png")).reshape(signal.values.shape)
    np.testing.assert_allclose(
        pixels / limit, signal.normalised().reshape(signal.values.shape), atol=0.51 / limit
    )


def test_a_trace_becomes_a_table_of_times_and_values(tmp_path: Path) -> None:
    signal = make(TRACE, 2, unit="mV")
    write_signal(signal, tmp_path / "a.csv")
    table = pyarrow.csv.read_csv(tmp_path / "a.csv")
    assert table.column_names == ["time [s]", "value 1 [mV]", "value 2 [mV]"]
    np.testing.assert_allclose(table["time [s]"], np.arange(50) * 0.004)
    np.testing.assert_array_equal(
        np.asarray(table["value 2 [mV]"], np.float32), signal.values[:, 1]
    )


def test_a_trace_without_spacing_is_numbered(tmp_path: Path) -> None:
    write_signal(make(Grid((3,))), tmp_path / "a.csv")
    assert pyarrow.csv.read_csv(tmp_path / "a.csv")["sample"].to_pylist() == [0, 1, 2]


def test_scattered_samples_become_positions_and_values(tmp_path: Path) -> None:
    positions = np.random.default_rng(1).uniform(0, 10, (7, 2))
    signal = make(Scatter(positions, (0.0, 0.0), (10.0, 10.0), "mm"), unit="HU")
    write_signal(signal, tmp_path / "a.csv")
    table = pyarrow.csv.read_csv(tmp_path / "a.csv")
    assert table.column_names == ["x [mm]", "y [mm]", "value [HU]"]
    np.testing.assert_array_equal(np.stack([table["x [mm]"], table["y [mm]"]], axis=1), positions)


@pytest.mark.parametrize("suffix", [".hea", ".dat"])
def test_wfdb_keeps_rate_unit_and_values(tmp_path: Path, suffix: str) -> None:
    signal = make(TRACE, 2, low=-1.5, high=2.0, unit="mV")
    write_signal(signal, tmp_path / f"beat-1{suffix}")
    record = wfdb.rdrecord(str(tmp_path / "beat-1"))
    assert (record.fs, record.units, record.sig_name) == (250, ["mV", "mV"], ["value 1", "value 2"])
    np.testing.assert_allclose(record.p_signal, signal.values, atol=3.5 / 2**16)


@pytest.mark.parametrize("channels", [1, 3])
def test_npy_holds_physical_float32(tmp_path: Path, channels: int) -> None:
    signal = make(VOLUME, channels, "int16")
    write_signal(signal, tmp_path / "a.npy")
    array = np.load(tmp_path / "a.npy")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, signal.values[..., 0] if channels == 1 else signal.values)


def test_masked_samples_are_holes(tmp_path: Path) -> None:
    mask = np.random.default_rng(2).uniform(size=50) < 0.5
    values = np.where(mask, 1.0, np.nan).astype(np.float32)[:, None]
    signal = Signal.of("x", values, TRACE, ValueRange(0, 2), "mV", mask)
    for suffix in (".npy", ".csv", ".hea"):
        write_signal(signal, tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(np.isnan(np.load(tmp_path / "a.npy")), ~mask)
    assert (
        pyarrow.csv.read_csv(tmp_path / "a.csv")["value [mV]"].is_null().to_pylist()
        == (~mask).tolist()
    )
    np.testing.assert_array_equal(
        np.isnan(wfdb.rdrecord(str(tmp_path / "a")).p_signal[:, 0]), ~mask
    )


def test_masked_voxels_of_an_integer_volume_take_the_lowest_value(tmp_path: Path) -> None:
    mask = np.ones(VOLUME.shape, bool)
    mask[0] = False
    signal = Signal.of(
        "x",
        np.zeros((*VOLUME.shape, 1), np.float32),
        VOLUME,
        ValueRange(-1024, 1000),
        "HU",
        mask,
        dtype="int16",
    )
    write_signal(signal, tmp_path / "a.nii")
    write_signal(signal, tmp_path / "a.nrrd")
    for data in (nib.load(tmp_path / "a.nii").get_fdata(), nrrd.read(str(tmp_path / "a.nrrd"))[0]):  # type: ignore[attr-defined]
        assert (data[0] == -1024).all() and (data[1:] == 0).all()


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8", "bool"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("domain", [TRACE, Grid((4, 5)), VOLUME], ids=["trace", "image", "volume"])
def test_json_holds_every_grid(tmp_path: Path, domain: Grid, channels: int, dtype: str) -> None:
    signal = make(domain, channels, dtype, low=0, high=1 if dtype == "bool" else 50, unit="mV")
    write_signal(signal, tmp_path / "a.json")
    data = json.loads((tmp_path / "a.json").read_text())
    values = np.array(data["values"])
    assert values.shape == (domain.shape if channels == 1 else (*domain.shape, channels))
    exact = np.float32 if dtype == "float32" else np.int64
    expected = signal.values if dtype == "float32" else np.rint(signal.values)
    np.testing.assert_array_equal(
        values.reshape(signal.values.shape).astype(exact), expected.astype(exact)
    )
    assert (data["id"], data["unit"], data["channels"]) == ("x", "mV", channels)
    place = {name: data[name] for name in ("shape", "spacing", "affine")}
    assert Grid.from_dict({**place, "unit": data["spacing_unit"]}) == domain


@pytest.mark.parametrize("channels", [1, 2])
def test_json_holds_scattered_samples_and_gaps(tmp_path: Path, channels: int) -> None:
    positions = np.array([[0.0, 1.0], [1.0, 0.5], [0.25, 0.0]])
    scatter = Scatter(positions, (0.0, 0.0), (1.0, 1.0), "mm")
    signal = make(scatter, channels)
    gapped = signal.with_values(signal.values, np.array([True, False, True]))
    write_signal(gapped, tmp_path / "a.json")
    data = json.loads((tmp_path / "a.json").read_text())
    assert data["positions"] == positions.tolist() and data["spacing_unit"] == "mm"
    hole = None if channels == 1 else [None, None]
    assert data["values"][1] == hole and data["values"][0] != hole


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "domain",
    [
        TRACE,
        Grid((50,)),
        Grid((1,), (0.1,), unit="s"),
        Scatter(np.linspace(0, 1, 9)[:, None], (0.0,), (1.0,), "s"),
    ],
    ids=["sampled", "unknown spacing", "one sample", "scattered"],
)
def test_a_trace_becomes_a_plot_with_a_panel_a_channel(
    tmp_path: Path, domain: Domain, channels: int
) -> None:
    signal = make(domain, channels, unit="$\\frac{$")
    mask = np.arange(domain.points) != 3
    write_signal(signal.with_values(signal.values, mask), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1000
        assert picture.height == pytest.approx(150 * (0.6 + 1.8 * channels), abs=1)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


def test_a_trace_of_very_many_channels_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a trace of 33 channels cannot be drawn; .* as \.csv"):
        write_signal(make(TRACE, 33), tmp_path / "a.png")


def test_a_format_that_cannot_hold_a_signal_names_others(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"a 3D signal cannot be written as \.png; write it as \.nii\.gz or"
    ):
        write_signal(make(VOLUME), tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"a 1D signal cannot be written as \.nii; write it as \.csv or"
    ):
        write_signal(make(TRACE), tmp_path / "a.nii")
    with pytest.raises(
        DataError,
        match=r"scattered samples cannot be written as \.hea; write it as \.csv or \.png",
    ):
        write_signal(make(Scatter(np.zeros((3, 1)), (0.0,), (1.0,))), tmp_path / "a.hea")
    with pytest.raises(DataError, match=r"2 channels cannot be written as \.png"):
        write_signal(make(Grid((4, 4)), 2), tmp_path / "a.png")
    with pytest.raises(DataError, match="without a sampling rate"):
        write_signal(make(Grid((4,))), tmp_path / "a.hea")
    with pytest.raises(DataError, match=r"use letters, digits"):
        write_signal(make(TRACE), tmp_path / "a b.hea")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.nifti", "a", "a.gz"])
def test_an_unknown_suffix_names_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"names no known format; .*Known: .*\.nii\.gz"):
        write_signal(make(VOLUME), tmp_path / name)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    monkeypatch.setattr(
        "os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    signal = next(
        s for s in (make(VOLUME), make(Grid((4, 4))), make(TRACE)) if FORMATS[suffix].writer_of(s)
    )
    with pytest.raises(MedFunctaError, match="No space left"):
        write_signal(signal, path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name] and path.read_bytes() == b"old"


def test_a_constant_trace_goes_through_wfdb(tmp_path: Path) -> None:
    write_signal(
        Signal.of(
            "x", np.full((9, 1), 0.25, np.float32), TRACE.with_shape((9,)), ValueRange(0, 1), "mV"
        ),
        tmp_path / "a.hea",
    )
    np.testing.assert_allclose(wfdb.rdrecord(str(tmp_path / "a")).p_signal, 0.25, atol=1e-4)
