"""What latents show by themselves: a map, the way between two signals, the mean of a class, and signals unlike the others."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta.errors import ConfigError, DataError, missing_extra, suggest
from medfuncta.latents.decode import reconstruct
from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.rows import LatentRow
from medfuncta.signals.signal import Signal, ValueRange
from medfuncta.signals.signal_set import SignalHeader
from medfuncta.tasks.search import nearest
from medfuncta.types import ArrayLatents

MapMethod = Literal["pca", "umap"]
DistanceMethod = Literal["neighbours", "mahalanobis"]
_BLOCK = 1024
_NEIGHBOURS = 10
"""Of a latent, to whose mean distance it is judged."""
_COMPONENTS = 20
"""Principal components that the Mahalanobis distance sees; a covariance of more would need more signals."""
_FEWEST = 20
UNUSUAL = 3.5
"""Robust z-score from which on a signal is called an outlier (Iglewicz and Hoaglin 1993)."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Some signals of a latent set, evenly spread over it.

    Args:
        ids: Their names.
        splits: Where each lies.
        latents: ``[rows, latent]``.
        classes: The class numbers of each, none without a label.
        psnr: Decibels; not finite where it is not known (an imported set) or the reconstruction is exact.
        left_out: Signals with a latent that is not finite.
    """

    ids: Sequence[str]
    splits: Sequence[str]
    latents: ArrayLatents
    classes: Sequence[tuple[int, ...]]
    psnr: Float[ndarray, " rows"]
    left_out: int


def take_sample(latents: LatentSet, limit: int, split: str | None = None) -> Sample:
    """At most ``limit`` signals of one split or all; never more than these and one block in memory.

    Raises:
        DataError: If no latent is finite.
        LatentSetError: If there is no such split.
    """
    names = latents.splits if split is None else (split,)
    total = sum(len(latents.split(name)) for name in names)
    wanted = np.linspace(0, total, min(limit, total), endpoint=False).astype(np.int64)
    ids, splits, classes, kept, psnr = [], [], [], [], []
    start = 0
    for name in names:
        for block in latents.split(name).batches():
            stop = start + len(block)
            chosen = wanted[(wanted >= start) & (wanted < stop)] - start
            start = stop
            ids += [block.ids[row] for row in chosen]
            splits += [name] * len(chosen)
            classes += [_classes(label) for label in block.labels[chosen]]
            kept.append(block.latents[chosen])
            psnr.append(block.psnr[chosen])
    matrix, decibels = np.concatenate(kept), np.concatenate(psnr)
    sound = np.flatnonzero(np.isfinite(matrix.sum(axis=1)))
    if not sound.size:
        raise DataError("no latent of this set is finite; fit it again")
    pick = [[column[row] for row in sound] for column in (ids, splits, classes)]
    return Sample(pick[0], pick[1], matrix[sound], pick[2], decibels[sound], len(matrix) - len(sound))


def _classes(label: Any) -> tuple[int, ...]:
    """Class numbers of one entry of ``Rows.labels``."""
    if np.ndim(label):
        return tuple(np.flatnonzero(label).tolist())
    return () if label < 0 else (int(label),)


@dataclass(frozen=True, eq=False)
class Map:
    """Signals in a plane.

    Args:
        places: ``[rows, 2]``.
        axes: What the two axes are called.
    """

    places: Float[ndarray, "rows 2"]
    axes: tuple[str, str]


def make_map(latents: ArrayLatents, method: MapMethod = "pca") -> Map:
    """The two principal components, or UMAP's neighbourhood map (McInnes et al. 2018).

    Raises:
        DataError: If there are fewer than 3 latents.
        MedFunctaError: If UMAP is asked for and not installed.
    """
    if len(latents) < 3:
        raise DataError(f"{len(latents)} latents; a map needs at least 3")
    if method == "umap":
        return Map(_umap(latents), ("UMAP 1", "UMAP 2"))
    from sklearn.decomposition import PCA

    pca = PCA(2, random_state=0)
    places = pca.fit_transform(latents)
    shares = [f"component {n + 1} ({100 * share:.1f} % of the variance)" for n, share in enumerate(pca.explained_variance_ratio_)]
    return Map(places, (shares[0], shares[1]))


def _umap(latents: ArrayLatents) -> Float[ndarray, "rows 2"]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it mentions TensorFlow, which this does not use
            import umap
    except ImportError as error:
        raise missing_extra("umap-learn", "umap") from error
    return umap.UMAP(n_neighbors=min(15, len(latents) - 1), random_state=0, n_jobs=1).fit_transform(latents)


def interpolate(latents: LatentSet, first: LatentRow, second: LatentRow, steps: int = 7) -> list[Signal]:
    """The signals that lie on the straight line between two latents, both ends included, on the first one's samples.

    Raises:
        ConfigError: If there are fewer than two steps.
    """
    if steps < 2:
        raise ConfigError(f"{steps} steps from one signal to another; expected at least 2, the ends")
    signals = []
    for t in np.linspace(0, 1, steps):
        latent = (1 - t) * first.latent + t * second.latent
        ranges = [row.header.template.range for row in (first, second)]
        low, high = ((1 - t) * a + t * b for a, b in zip(*((r.low, r.high) for r in ranges), strict=True))
        header = SignalHeader(replace(first.header.template, range=ValueRange(float(low), float(high))))
        signals.append(reconstruct(latents.run, torch.tensor(latent, dtype=torch.float32), header))
    return signals


@dataclass(frozen=True, eq=False)
class ClassMean:
    """The mean latent of a class.

    Args:
        name: Of the class.
        signals: How many it is the mean of.
        latent: ``[latent]``.
        typical: The signal of the class nearest to it.
    """

    name: str
    signals: int
    latent: Float[ndarray, " latent"]
    typical: LatentRow


def class_means(latents: LatentSet, sample: Sample, name: str | None = None) -> list[ClassMean]:
    """The means of all classes that occur, or of one.

    Raises:
        DataError: If no signal has a label, or none is of the class asked for.
    """
    occurring = sorted({number for classes in sample.classes for number in classes})
    names = latents.info.spec.label_names
    known = {(names[number] if number < len(names) else str(number)): number for number in occurring}
    if not known:
        raise DataError("no signal has a label; the mean of a class needs a latent set with labels")
    if name is not None and name not in known:
        raise DataError(f"no signal of a class '{name}'; {suggest(name, known)}")
    means = []
    for each, number in known.items():
        if name in (None, each):
            rows = np.array([row for row, classes in enumerate(sample.classes) if number in classes])
            mean = sample.latents[rows].mean(axis=0)
            best = rows[nearest(mean[None], [sample.latents[rows]], 1, "euclidean").rows[0, 0]]
            means.append(ClassMean(each, len(rows), mean, latents.row(sample.ids[int(best)], sample.splits[int(best)])))
    return means


@dataclass(frozen=True, eq=False)
class Outliers:
    """How unlike the others signals are. Robust z-scores: distance from the median in units of the median absolute deviation.

    Args:
        distances: From the other latents.
        distance_scores: z of these; large for a signal far from the others.
        error_scores: z of the negative PSNR; large for a signal that is reconstructed badly, 0 where PSNR is not finite.
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
    """Signals by reconstruction error and by distance: the mean distance to the ten nearest latents, or the robust Mahalanobis distance
    (minimum covariance determinant, Rousseeuw 1984) of the first principal components.

    Raises:
        DataError: If there are too few signals to say what is usual.
    """
    if len(sample.latents) < _FEWEST:
        raise DataError(f"{len(sample.latents)} signals; at least {_FEWEST} are needed to say which are unusual")
    distances = _neighbour_distances(sample.latents) if method == "neighbours" else _mahalanobis(sample.latents)
    by_distance, by_error = _robust_scores(distances), np.zeros(len(distances))
    known = np.isfinite(sample.psnr)
    if known.any():
        by_error[known] = _robust_scores(-sample.psnr[known].astype(np.float64))
    return Outliers(distances, by_distance, by_error, np.argsort(-np.maximum(by_distance, by_error), kind="stable"))


def _neighbour_distances(latents: ArrayLatents) -> Float[ndarray, " rows"]:
    blocks = np.array_split(latents, math.ceil(len(latents) / _BLOCK))
    found = [nearest(queries, blocks, _NEIGHBOURS + 1, "euclidean").distances for queries in blocks]
    return np.concatenate(found)[:, 1:].mean(axis=1).astype(np.float64)  # the first neighbour is the latent itself


def _mahalanobis(latents: ArrayLatents) -> Float[ndarray, " rows"]:
    from sklearn.covariance import MinCovDet
    from sklearn.decomposition import PCA

    components = min(_COMPONENTS, latents.shape[1], len(latents) // 10)
    whitened = PCA(components, whiten=True, random_state=0).fit_transform(latents.astype(np.float64))
    return np.sqrt(MinCovDet(random_state=0).fit(whitened).mahalanobis(whitened))


def _robust_scores(values: Float[ndarray, " rows"]) -> Float[ndarray, " rows"]:
    """(value - median) / (1.4826 MAD), which is the z-score for a normal distribution; all 0 where more than half are equal."""
    away = values - np.median(values)
    spread = 1.4826 * np.median(np.abs(away))
    return away / spread if spread > 0 else np.zeros_like(away)
