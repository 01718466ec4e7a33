"""How well one signal is reconstructed, and how well many are.

PSNR, SSIM and MSE compare values mapped to [0, 1] and clamped there (data range 1), as the paper
does; MAE and the largest error are in the signal's physical unit and not clamped. Points that were
not observed count nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from medfuncta._src.result import Result
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.psnr import psnr_of_one
from medfuncta._src.signals.signal import Label, Signal

_SSIM_TAPS: Final = 11
_SSIM_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2  # for a data range of 1
_WORST = 10


@dataclass(frozen=True)
class SignalMetrics:
    """The quality of one reconstruction.

    Args:
        id, label: Of the signal.
        points: Observed points.
        psnr: Decibels, ``-10 log10(mse)`` and 120 when exact, NaN when failed.
        ssim: Mean structural similarity, or None where it is not defined
            (:func:`structural_similarity`).
        mse: Mean squared error of the values in [0, 1]; NaN when failed.
        mae, max_error: Mean and largest absolute error in the signal's unit; NaN when failed.
    """

    id: str
    label: Label
    points: int
    psnr: float
    ssim: float | None
    mse: float
    mae: float
    max_error: float

    @classmethod
    def failure(cls, id: str, label: Label, points: int) -> SignalMetrics:
        """A signal without a reconstruction, since its latent is not finite."""
        nan = math.nan
        return cls(id, label, points, psnr=nan, ssim=None, mse=nan, mae=nan, max_error=nan)

    @property
    def exact(self) -> bool:
        """Whether every value came back as it was."""
        return self.mse == 0

    @property
    def failed(self) -> bool:
        return math.isnan(self.mse)


@dataclass(frozen=True)
class Statistics:
    """Mean, median and standard deviation (of the population) of the ``count`` finite numbers among
    some; None when there is none."""

    mean: float | None
    median: float | None
    std: float | None
    count: int

    @classmethod
    def of(cls, numbers: Iterable[float | None]) -> Statistics:
        """Of these numbers; those that are None or not finite are left out."""
        known = np.array(list(numbers), np.float64)  # None becomes NaN
        finite = known[np.isfinite(known)]
        if not len(finite):
            return cls(None, None, None, 0)
        return cls(float(finite.mean()), float(np.median(finite)), float(finite.std()), len(finite))


@dataclass(frozen=True)
class Summary(Result):
    """The quality of many reconstructions.

    Args:
        signals: All of them.
        failed: How many have no finite reconstruction; they are left out of every statistic.
        exact: How many have no error at all; they count with 120 dB.
        psnr, ssim, mse, mae, max_error: Statistics over signals.
        worst: The ids of the ten with the lowest PSNR, failed ones first.
    """

    signals: int
    failed: int
    exact: int
    psnr: Statistics
    ssim: Statistics
    mse: Statistics
    mae: Statistics
    max_error: Statistics
    worst: tuple[str, ...]


def measure(original: Signal, reconstruction: Signal | None) -> SignalMetrics:
    """Compare a reconstruction on the original's own points with the original; None is one that
    failed."""
    observed = original.mask
    if observed is None:
        observed = np.ones(original.values.shape[:-1], bool)
    points = int(observed.sum())
    if reconstruction is None:
        return SignalMetrics.failure(original.id, original.label, points)
    expected = np.clip(original.range.normalise(original.values), 0, 1)
    got = np.clip(original.range.normalise(reconstruction.values), 0, 1)
    mse = float(np.square(expected[observed].astype(np.float64) - got[observed]).mean())
    error = np.abs(original.values[observed].astype(np.float64) - reconstruction.values[observed])
    ssim = None
    if isinstance(original.domain, Grid):
        ssim = structural_similarity(expected, got, observed)
    return SignalMetrics(
        original.id,
        original.label,
        points,
        psnr=psnr_of_one(mse),
        ssim=ssim,
        mse=mse,
        mae=float(error.mean()),
        max_error=float(error.max()),
    )


def structural_similarity(
    expected: np.ndarray, got: np.ndarray, observed: np.ndarray
) -> float | None:
    """Mean SSIM (Wang et al. 2004, Eq. 13) of an image or volume: Gaussian window of 11 taps an
    axis, sigma 1.5, mirrored at borders.

    Only windows without a missing point count. Traces have no SSIM, nor has a signal with a side
    shorter than the window or a missing point in every window: a number from another window would
    not compare. The window is applied axis by axis, in a volume some thirty times faster than the
    dense one of torchmetrics, whose numbers these are.

    Args:
        expected, got: ``[*shape, channels]`` in [0, 1].
        observed: ``[*shape]``, False where a point is missing.
    """
    if observed.ndim == 1 or min(observed.shape) < _SSIM_TAPS:
        return None
    from scipy.ndimage import gaussian_filter, minimum_filter

    whole = np.asarray(minimum_filter(observed, _SSIM_TAPS, mode="mirror"), bool)
    if not whole.any():
        return None

    def smooth(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(
            values,
            _SSIM_SIGMA,
            radius=_SSIM_TAPS // 2,
            mode="mirror",
            axes=tuple(range(observed.ndim)),
        )

    x = np.where(observed[..., None], expected, np.float32(0))
    y = np.where(observed[..., None], got, np.float32(0))
    mean_x, mean_y = smooth(x), smooth(y)
    variances = smooth(x * x) - mean_x**2 + smooth(y * y) - mean_y**2
    covariance = smooth(x * y) - mean_x * mean_y
    agreement = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    similarity = agreement / ((mean_x**2 + mean_y**2 + _C1) * (variances + _C2))
    return float(similarity[whole].mean())


def summarise(metrics: Sequence[SignalMetrics]) -> Summary:
    """Statistics over signals; a failed one changes none of them."""
    return Summary(
        signals=len(metrics),
        failed=sum(m.failed for m in metrics),
        exact=sum(m.exact for m in metrics),
        psnr=Statistics.of(m.psnr for m in metrics),
        ssim=Statistics.of(m.ssim for m in metrics),
        mse=Statistics.of(m.mse for m in metrics),
        mae=Statistics.of(m.mae for m in metrics),
        max_error=Statistics.of(m.max_error for m in metrics),
        worst=tuple(m.id for m in ranked(metrics)[:_WORST]),
    )


def ranked(metrics: Sequence[SignalMetrics]) -> list[SignalMetrics]:
    """From the worst to the best; failed ones are the worst of all."""
    return sorted(metrics, key=lambda m: -math.inf if m.failed else m.psnr)
