"""Signals unlike the others, and the picture of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Some
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.latents.decode import reconstruct
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.result import Result
from medfuncta._src.tasks.drawing.figure import ACCENT, INK, MUTED, SECOND, clear_frame, new_figure
from medfuncta._src.tasks.drawing.sheet import draw_signal, wrap_title
from medfuncta._src.tasks.explore.sample import Sample
from medfuncta._src.tasks.search.neighbours import neighbours_of_all
from medfuncta._src.types import ArrayLatents

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DistanceMethod = Literal["neighbours", "mahalanobis"]
_ROW = 8  # small pictures side by side
_NEIGHBOURS = 10
"""Of a latent, to whose mean distance it is judged."""
_COMPONENTS = 20
"""Principal components that the Mahalanobis distance sees; a covariance of more would need more
signals."""
FEWEST = 20
UNUSUAL = 3.5
"""Robust z-score from which on a signal is called an outlier (Iglewicz and Hoaglin 1993)."""


@dataclass(frozen=True)
class Outlier(Result):
    """One of the most unusual signals.

    Args:
        id: Of the signal.
        split: Where it lies.
        psnr: Decibels; NaN where it is not known.
        distance: From the other latents.
        distance_z, error_z: Robust z-scores of the distance and of the negative PSNR.
    """

    id: str
    split: str
    psnr: float
    distance: float
    distance_z: float
    error_z: float


@dataclass(frozen=True, eq=False)
class Outliers(Result):
    """How unlike the others signals are. Robust z-scores: distance from the median in units of the
    median absolute deviation.

    Args:
        sample: The signals.
        distances: From the other latents.
        distance_scores: z of these; large for a signal far from the others.
        error_scores: z of the negative PSNR; large for a signal that is reconstructed badly, 0
            where PSNR is not known.
        listed: How many signals are listed.
    """

    json_keys: ClassVar = ("view", "signals", "left_out", "unusual", "threshold_z", "outliers")
    view: ClassVar = "outliers"
    threshold_z: ClassVar = UNUSUAL

    sample: Sample
    distances: Float[ndarray, " rows"]
    distance_scores: Float[ndarray, " rows"]
    error_scores: Float[ndarray, " rows"]
    listed: int

    @property
    def signals(self) -> int:
        return len(self.distances)

    @property
    def left_out(self) -> int:
        return self.sample.left_out

    @property
    def scores(self) -> Float[ndarray, " rows"]:
        """The larger of both."""
        return np.maximum(self.distance_scores, self.error_scores)

    @property
    def order(self) -> Int[ndarray, " rows"]:
        """Rows of the sample, the most unusual first."""
        return np.argsort(-self.scores, kind="stable")

    @property
    def worst(self) -> list[int]:
        """The rows that are listed."""
        return self.order[: self.listed].tolist()

    @property
    def unusual(self) -> int:
        """How many signals are outliers."""
        return int((self.scores > UNUSUAL).sum())

    @property
    def outliers(self) -> list[Outlier]:
        """The most unusual signals, outliers or not."""
        listed = []
        for row in self.worst:
            outlier = Outlier(
                self.sample.ids[row],
                self.sample.splits[row],
                psnr=float(self.sample.psnr[row]),
                distance=float(self.distances[row]),
                distance_z=float(self.distance_scores[row]),
                error_z=float(self.error_scores[row]),
            )
            listed.append(outlier)
        return listed


@expecting
def find_outliers(
    sample: Sample, method: _DistanceMethod = "neighbours", listed: Some = 16
) -> Outliers:
    """Signals by reconstruction error and by distance: the mean distance to the ten nearest
    latents, or the robust Mahalanobis distance (minimum covariance determinant, Rousseeuw 1984) of
    the first principal components.

    Raises:
        DataError: If there are too few signals to say what is usual.
    """
    if len(sample.latents) < FEWEST:
        raise DataError(
            f"{counted(len(sample.latents), 'signal')}; at least {FEWEST} are needed to say which "
            "are unusual"
        )
    if method == "neighbours":
        distances = _neighbour_distances(sample.latents)
    else:
        distances = _mahalanobis(sample.latents)
    by_error = np.zeros(len(distances))
    known = np.isfinite(sample.psnr)
    if known.any():
        by_error[known] = _robust_scores(-sample.psnr[known].astype(np.float64))
    return Outliers(sample, distances, _robust_scores(distances), by_error, listed)


def _neighbour_distances(latents: ArrayLatents) -> Float[ndarray, " rows"]:
    near = neighbours_of_all(latents, _NEIGHBOURS, "euclidean")
    return near.distances.mean(axis=1, dtype=np.float64)


def _mahalanobis(latents: ArrayLatents) -> Float[ndarray, " rows"]:
    from sklearn.covariance import MinCovDet
    from sklearn.decomposition import PCA

    components = min(_COMPONENTS, latents.shape[1], len(latents) // 10)
    pca = PCA(components, whiten=True, random_state=0)
    whitened = pca.fit_transform(latents.astype(np.float64))
    return np.sqrt(MinCovDet(random_state=0).fit(whitened).mahalanobis(whitened))


def _robust_scores(values: Float[ndarray, " rows"]) -> Float[ndarray, " rows"]:
    """(value - median) / (1.4826 MAD), which is the z-score for a normal distribution; all 0 where
    more than half are equal."""
    away = values - np.median(values)
    spread = 1.4826 * np.median(np.abs(away))
    if spread == 0:
        return np.zeros_like(away)
    return away / spread


def outliers_picture(latents: LatentSet, outliers: Outliers) -> Figure:
    """Every signal by its distance and its PSNR; the most unusual ones are numbered there and shown
    below."""
    sample, worst = outliers.sample, outliers.worst
    rows = -(-len(worst) // _ROW)
    with new_figure(10, 4.2 + 1.5 * rows) as figure:
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.2, 1.5 * rows))[:, 0]
        _draw_scatter(top.subplots(), outliers)
        grid = bottom.subplots(rows, _ROW, squeeze=False).ravel()
        for axes in grid:
            clear_frame(axes)
        for number, (axes, row) in enumerate(zip(grid.tolist(), worst, strict=False), start=1):
            found = latents.row(sample.ids[row], sample.splits[row])
            draw_signal(axes, reconstruct(latents.run, torch.tensor(found.latent), found.header))
            colour = ACCENT if outliers.scores[row] > UNUSUAL else MUTED
            title = wrap_title(f"{number}   {found.id}", 10 / _ROW)
            axes.set_title(title, fontsize=7, color=colour)
    return figure


def _draw_scatter(axes: Axes, outliers: Outliers) -> None:
    sample = outliers.sample
    unusual = outliers.scores > UNUSUAL
    known = np.isfinite(sample.psnr)
    top = sample.psnr[known].max(initial=0)  # where what has no PSNR lies
    heights = np.where(known, sample.psnr, top)
    size = float(np.clip(6000 / len(unusual), 3, 24))
    for which, colour, name in ((~unusual, SECOND, "usual"), (unusual, ACCENT, f"z > {UNUSUAL}")):
        label = f"{name} ({int(which.sum()):,})"
        x, y = outliers.distances[which], heights[which]
        axes.scatter(x, y, s=size, color=colour, alpha=0.7, linewidths=0, label=label)
    for number, row in enumerate(outliers.worst, start=1):
        place = (outliers.distances[row], heights[row])
        axes.annotate(
            str(number), place, (3, 3), textcoords="offset points", fontsize=7.5, color=INK
        )
    axes.set_xlabel("distance from the other latents")
    axes.set_ylabel("PSNR of the reconstruction (dB)")
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handletextpad=0.1, borderaxespad=0.2
    )
