"""Signals unlike the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta.errors import DataError
from medfuncta.tasks.explore.sample import Sample
from medfuncta.tasks.search.neighbours import nearest
from medfuncta.types import ArrayLatents

DistanceMethod = Literal["neighbours", "mahalanobis"]
_BLOCK = 1024
_NEIGHBOURS = 10
"""Of a latent, to whose mean distance it is judged."""
_COMPONENTS = 20
"""Principal components that the Mahalanobis distance sees; a covariance of more would need more
signals."""
_FEWEST = 20
UNUSUAL = 3.5
"""Robust z-score from which on a signal is called an outlier (Iglewicz and Hoaglin 1993)."""


@dataclass(frozen=True, eq=False)
class Outliers:
    """How unlike the others signals are. Robust z-scores: distance from the median in units of the
    median absolute deviation.

    Args:
        distances: From the other latents.
        distance_scores: z of these; large for a signal far from the others.
        error_scores: z of the negative PSNR; large for a signal that is reconstructed badly, 0
            where PSNR is not known.
        order: Rows of the sample, those with the largest of the two scores first.
    """

    distances: Float[ndarray, " rows"]
    distance_scores: Float[ndarray, " rows"]
    error_scores: Float[ndarray, " rows"]
    order: Int[ndarray, " rows"]

    @property
    def scores(self) -> Float[ndarray, " rows"]:
        return np.maximum(self.distance_scores, self.error_scores)


def find_outliers(sample: Sample, method: DistanceMethod = "neighbours") -> Outliers:
    """Signals by reconstruction error and by distance: the mean distance to the ten nearest
    latents, or the robust Mahalanobis distance (minimum covariance determinant, Rousseeuw 1984) of
    the first principal components.

    Raises:
        DataError: If there are too few signals to say what is usual.
    """
    if len(sample.latents) < _FEWEST:
        raise DataError(
            f"{len(sample.latents)} signals; at least {_FEWEST} are needed to say which are unusual"
        )
    distances = (
        _neighbour_distances(sample.latents)
        if method == "neighbours"
        else _mahalanobis(sample.latents)
    )
    by_distance, by_error = _robust_scores(distances), np.zeros(len(distances))
    known = np.isfinite(sample.psnr)
    if known.any():
        by_error[known] = _robust_scores(-sample.psnr[known].astype(np.float64))
    return Outliers(
        distances,
        by_distance,
        by_error,
        np.argsort(-np.maximum(by_distance, by_error), kind="stable"),
    )


def _neighbour_distances(latents: ArrayLatents) -> Float[ndarray, " rows"]:
    blocks = np.array_split(latents, math.ceil(len(latents) / _BLOCK))
    found = [nearest(queries, blocks, _NEIGHBOURS + 1, "euclidean").distances for queries in blocks]
    return (
        np.concatenate(found)[:, 1:].mean(axis=1).astype(np.float64)
    )  # the first neighbour is the latent itself


def _mahalanobis(latents: ArrayLatents) -> Float[ndarray, " rows"]:
    from sklearn.covariance import MinCovDet
    from sklearn.decomposition import PCA

    components = min(_COMPONENTS, latents.shape[1], len(latents) // 10)
    whitened = PCA(components, whiten=True, random_state=0).fit_transform(
        latents.astype(np.float64)
    )
    return np.sqrt(MinCovDet(random_state=0).fit(whitened).mahalanobis(whitened))


def _robust_scores(values: Float[ndarray, " rows"]) -> Float[ndarray, " rows"]:
    """(value - median) / (1.4826 MAD), which is the z-score for a normal distribution; all 0 where
    more than half are equal."""
    away = values - np.median(values)
    spread = 1.4826 * np.median(np.abs(away))
    return away / spread if spread > 0 else np.zeros_like(away)
