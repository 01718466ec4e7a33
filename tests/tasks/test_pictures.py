from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medfuncta.signals.domain import Domain, Grid, Scatter
from medfuncta.signals.signal import Signal, ValueRange
from medfuncta.tasks.figure import png, save_png
from medfuncta.tasks.metrics import SignalMetrics, measure
from medfuncta.tasks.panes import Slice, colours_of, panes, window_of
from medfuncta.tasks.pictures import Example, choose_examples, contact_sheet, reconstruction_picture

RNG = np.random.default_rng(0)
SCATTERED = Scatter(RNG.random((60, 3)) * [1, 2, 3], (0.0, 0.0, 0.0), (1.0, 2.0, 3.0), "mm")
CASES: dict[str, tuple[Domain, int]] = {
    "trace": (Grid((80,), (0.01,), None, "s"), 1),
    "two leads": (Grid((80,), (0.01,), None, "s"), 2),
    "scattered trace": (Scatter(RNG.random((40, 1)), (0.0,), (1.0,), "s"), 1),
    "grey image": (Grid((12, 20)), 1),
    "colour image": (Grid((12, 20)), 3),
    "scattered image": (Scatter(RNG.random((40, 2)), (0.0, 0.0), (1.0, 1.0)), 3),
    "volume": (Grid((10, 12, 6), (1.0, 1.0, 3.0), np.diag([1.0, 1.0, 3.0, 1.0]), "mm"), 1),
    "volume without affine": (Grid((10, 12, 6)), 1),
    "scattered volume": (SCATTERED, 1),
}


def make(domain: Domain, channels: int, mask: np.ndarray | None = None) -> Signal:
    shape = domain.shape if isinstance(domain, Grid) else (domain.points,)
    return Signal("a", RNG.uniform(0, 0.8, (*shape, channels)).astype(np.float32), domain, ValueRange(0.0, 1.0), "mV", mask)


def example(signal: Signal, error: float = 0.1) -> Example:
    reconstruction = signal.with_values(np.nan_to_num(signal.values) + np.float32(error))
    return Example("worst", measure(signal, reconstruction), signal, reconstruction)


def size(data: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(data)).size


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_signal_has_a_picture(name: str, tmp_path: Path) -> None:
    domain, channels = CASES[name]
    picture = reconstruction_picture([example(make(domain, channels))])
    save_png(picture, tmp_path / "p.png")
    width, height = size((tmp_path / "p.png").read_bytes())
    assert width == (2100 if domain.dim == 3 else 1500)
    assert 200 < height < 3000
    assert picture.subfigs[0].get_suptitle() == "worst   a   20.00 dB"


def test_pictures_of_ragged_and_masked_signals() -> None:
    mask = np.ones((12, 20), bool)
    mask[3:6] = False
    masked = make(Grid((12, 20)), 1, mask)
    exact = example(make(Grid((30, 20), (2.0, 1.0)), 1), 0.0)
    assert exact.title == "worst   a   exact"
    assert np.isnan(example(masked).error[4]).all()
    assert size(png(reconstruction_picture([example(masked), exact])))[0] == 1500


def test_errors_share_one_scale_in_the_physical_unit() -> None:
    signal = make(Grid((12, 20)), 1)
    picture = reconstruction_picture([example(signal, 0.01), example(signal, 0.2)])
    small, large = (row.subfigs[2].axes[0].images[0].get_clim() for row in picture.subfigs)
    assert small == large == pytest.approx((-0.2, 0.2), abs=1e-3)
    assert picture.subfigs[0].subfigs[3].axes[0].get_ylabel() == "error (mV)"


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1)])
def test_slices_are_upright_whatever_the_array_order(flips: tuple[int, int, int]) -> None:
    """Radiological: the patient's right is on the left, anterior or superior on top."""
    world = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)  # right, anterior, superior
    array = world[:: flips[0], :: flips[1], :: flips[2]].transpose(2, 0, 1)
    affine = np.zeros((4, 4))
    for world_axis, array_axis in enumerate((1, 2, 0)):
        affine[world_axis, array_axis] = flips[world_axis] * (world_axis + 1)
    affine[3, 3] = 1
    axial, coronal, sagittal = panes(Grid(array.shape, (3.0, 1.0, 2.0), affine, "mm"))
    assert [view.name for view in (axial, coronal, sagittal)] == ["axial", "coronal", "sagittal"]
    assert [(view.width, view.height) for view in (axial, coronal, sagittal)] == [(5, 12), (5, 21), (12, 21)]
    assert isinstance(axial, Slice)
    assert isinstance(coronal, Slice)
    assert isinstance(sagittal, Slice)
    np.testing.assert_array_equal(axial.image(array), world[::-1, ::-1, 3].T)
    np.testing.assert_array_equal(coronal.image(array), world[::-1, 3, ::-1].T)
    np.testing.assert_array_equal(sagittal.image(array), world[2, ::-1, ::-1].T)


def test_colours_keep_missing_points_blank() -> None:
    mask = np.array([[True, False], [True, True]])
    grey, rgb = make(Grid((2, 2)), 1, mask), make(Grid((2, 2)), 3, mask)
    assert np.isnan(colours_of(grey)[0, 1])
    assert colours_of(rgb)[..., 3].tolist() == mask.astype(float).tolist()
    assert window_of(colours_of(grey))["vmin"] >= np.nanmin(colours_of(grey))


def test_examples_are_the_best_the_median_and_the_worst() -> None:
    def of(id: str, psnr: float) -> SignalMetrics:
        return SignalMetrics(id, None, 1, psnr, None, 1.0, 1.0, 1.0)

    five = [of(str(p), float(p)) for p in (30, 10, 50, 20, 40)]
    failed = SignalMetrics.failure("broken", None, 1)
    chosen = {rank: m.id for rank, m in choose_examples([*five, failed]).items()}
    assert chosen == {"best": "50", "median": "30", "worst": "10"}
    assert list(choose_examples(five[:1])) == ["best"]
    assert choose_examples([failed]) == {}


@pytest.mark.parametrize("name", ["trace", "colour image", "volume"])
def test_a_contact_sheet_has_a_title_under_every_signal(name: str) -> None:
    signals = [make(*CASES[name]) for _ in range(7)]
    titles = [f"signal {i}" for i in range(7)]
    sheet = contact_sheet(signals, titles, columns=3)
    assert [axes.get_title() for axes in sheet.axes][:7] == titles
    assert size(png(sheet))[0] > 500
