from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity as skimage_ssim
from torchmetrics.functional.image import structural_similarity_index_measure

from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.tasks.evaluate.metrics import (
    SignalMetrics,
    Statistics,
    measure,
    ranked,
    structural_similarity,
    summarise,
)


def make(
    values: np.ndarray,
    low: float = 0.0,
    high: float = 1.0,
    mask: np.ndarray | None = None,
    id: str = "a",
) -> Signal:
    return Signal.of(
        id,
        values.astype(np.float32),
        Grid(values.shape[:-1]),
        ValueRange(low, high),
        mask=mask,
        label=1,
    )


def test_a_constant_error_has_the_closed_form() -> None:
    original = make(np.linspace(-800, 800, 50)[:, None], low=-1000.0, high=1000.0)
    metrics = measure(original, original.with_values(original.values + 20))
    assert metrics.mse == pytest.approx(1e-4, rel=1e-4)  # 20 of a range of 2000
    assert metrics.psnr == pytest.approx(40, abs=1e-3)
    assert metrics.mae == pytest.approx(20, rel=1e-5)
    assert metrics.max_error == pytest.approx(20, rel=1e-4)
    assert (metrics.id, metrics.label, metrics.points, metrics.ssim) == ("a", 1, 50, None)


def test_psnr_clamps_and_physical_errors_do_not() -> None:
    original = make(np.array([[0.0], [1.0], [0.5], [0.5]]))
    metrics = measure(
        original, original.with_values(np.array([[-0.5], [1.5], [0.6], [0.5]], np.float32))
    )
    assert metrics.mse == pytest.approx(0.01 / 4, rel=1e-5)
    assert metrics.mae == pytest.approx(1.1 / 4, rel=1e-5)
    assert metrics.max_error == pytest.approx(0.5)


def test_an_exact_signal_counts_with_120_db_and_its_json_is_valid() -> None:
    constant = make(np.full((16, 16, 1), 7.0), low=7.0, high=8.0)
    exact, other = (
        measure(constant, constant),
        measure(constant, constant.with_values(constant.values + np.float32(0.1))),
    )
    assert exact.exact
    assert exact.psnr == 120
    assert exact.ssim == pytest.approx(1)
    summary = summarise([exact, other])
    assert (summary.exact, summary.psnr.count, summary.mse.count) == (1, 2, 2)
    assert summary.psnr.mean == pytest.approx((120 + 20) / 2, abs=1e-4)
    only_exact = json.loads(json.dumps(summarise([exact]).to_json(), allow_nan=False))
    assert only_exact["psnr"] == {"mean": 120.0, "median": 120.0, "std": 0.0, "count": 1}
    assert only_exact["exact"] == 1


def test_no_psnr_is_above_that_of_an_exact_signal() -> None:
    original = make(np.linspace(0, 1, 9)[:, None])
    nearly = measure(original, original.with_values(original.values + np.float32(3e-8)))
    assert 0 < nearly.mse < 1e-12
    assert nearly.psnr == 120


def test_masked_points_do_not_count() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((40, 40, 1)).astype(np.float32)
    mask = np.ones((40, 40), bool)
    mask[:5] = False
    spoiled = np.where(mask[..., None], values, np.float32(np.nan))
    degraded = values + rng.normal(0, 0.02, values.shape).astype(np.float32)
    metrics = measure(make(spoiled, mask=mask), make(degraded))
    outside = degraded.copy()
    outside[~mask] = 1e6
    assert measure(make(spoiled, mask=mask), make(outside)) == metrics
    assert metrics.points == 35 * 40
    part = np.clip(degraded[5:], 0, 1).astype(np.float64) - values[5:]
    assert metrics.mse == pytest.approx(np.square(part).mean(), rel=1e-5)
    assert metrics.ssim is not None


@pytest.mark.parametrize("shape", [(24, 31, 1), (20, 20, 3), (13, 14, 16, 1)])
def test_ssim_equals_scikit_image_inside_and_over_the_whole_mirrored_image(
    shape: tuple[int, ...],
) -> None:
    rng = np.random.default_rng(1)
    original = rng.random(shape).astype(np.float32)
    other = np.clip(original + rng.normal(0, 0.1, shape), 0, 1).astype(np.float32)
    pad = [(5, 5)] * (len(shape) - 1) + [(0, 0)]
    mirrored = [np.pad(a.astype(np.float64), pad, mode="reflect") for a in (original, other)]
    options = {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "data_range": 1.0,
        "channel_axis": -1,
    }
    expected = skimage_ssim(
        *mirrored, **options
    )  # scikit-image leaves out the border, which is our padding
    assert structural_similarity(original, other, np.ones(shape[:-1], bool)) == pytest.approx(
        expected, abs=1e-5
    )


@pytest.mark.parametrize("shape", [(16, 21, 3), (12, 13, 14, 1)])
def test_ssim_equals_torchmetrics(shape: tuple[int, ...]) -> None:
    original, other = np.random.default_rng(5).random((2, *shape)).astype(np.float32)
    batches = [torch.from_numpy(values).movedim(-1, 0).unsqueeze(0) for values in (other, original)]
    expected = structural_similarity_index_measure(
        *batches, sigma=1.5, kernel_size=11, data_range=1.0
    )
    assert structural_similarity(original, other, np.ones(shape[:-1], bool)) == pytest.approx(
        float(expected), abs=1e-5
    )


def test_ssim_of_a_masked_image_is_that_of_its_whole_windows() -> None:
    rng = np.random.default_rng(2)
    original, other = rng.random((2, 40, 30, 1)).astype(np.float32)
    observed = np.ones((40, 30), bool)
    observed[25:] = False
    options = {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "data_range": 1.0,
        "full": True,
    }
    ours = structural_similarity(original, other, observed)
    mirrored = [np.pad(a[..., 0].astype(np.float64), 5, mode="reflect") for a in (original, other)]
    _, local = skimage_ssim(*mirrored, **options)
    assert ours == pytest.approx(local[5 : 5 + 20, 5:-5].mean(), abs=1e-5)


def test_ssim_is_absent_where_its_window_does_not_fit() -> None:
    image = np.zeros((10, 40, 1), np.float32)
    assert structural_similarity(image, image, np.ones((10, 40), bool)) is None
    image, observed = np.zeros((20, 20, 1), np.float32), np.ones((20, 20), bool)
    observed[::4, ::4] = False
    assert structural_similarity(image, image, observed) is None
    trace = np.zeros((40, 1), np.float32)
    assert structural_similarity(trace, trace, np.ones(40, bool)) is None


def test_scattered_signals_are_measured_on_their_points() -> None:
    rng = np.random.default_rng(3)
    domain = Scatter(rng.random((30, 2)), (0.0, 0.0), (1.0, 1.0), "mm")
    original = Signal.of("s", rng.random((30, 2)).astype(np.float32), domain, ValueRange(0.0, 2.0))
    metrics = measure(original, original.with_values(original.values + np.float32(0.02)))
    assert metrics.psnr == pytest.approx(40, abs=1e-3)
    assert metrics.ssim is None


def test_a_failed_signal_stays_alone() -> None:
    values = np.linspace(0.1, 0.8, 20)[:, None]
    good = [
        measure(make(values, id=str(i)), make(values + 0.01 * (i + 1), id=str(i)))
        for i in range(12)
    ]
    failed = SignalMetrics.failure("broken", None, 20)
    alone, together = summarise(good), summarise([*good, failed])
    assert (together.psnr, together.mae, together.mse) == (alone.psnr, alone.mae, alone.mse)
    assert (alone.failed, together.failed, together.signals) == (0, 1, 13)
    assert together.worst == ("broken", *(str(i) for i in range(11, 2, -1)))
    assert ranked([*good, failed])[-1].id == "0"


def test_statistics_are_of_the_population() -> None:
    statistics = Statistics.of([1.0, 2.0, 6.0, None, math.nan, math.inf])
    assert (statistics.mean, statistics.median, statistics.count) == (3.0, 2.0, 3)
    assert statistics.std == pytest.approx(math.sqrt(14 / 3))
