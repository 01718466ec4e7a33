"""The latents nearest to a latent: exact, however many there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.types import ArrayLatents

Metric = Literal["cosine", "euclidean"]
_SCORES: Final = 2**24
"""Scores in memory at a time."""
_GROUP: Final = 32
"""Latents of a group, of which the nearest is found first."""
_SPARE: Final = 4
"""Candidates beyond those asked for, since products are rounded."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest latents of each query, the nearest first; of equal ones the earlier row.

    Args:
        rows: Where they are in the searched latents, ``[queries, k]``.
        distances: 1 - cosine similarity in [0, 2], or Euclidean distance; ``[queries, k]``.
    """

    rows: Int[ndarray, "queries k"]
    distances: Float[ndarray, "queries k"]


def nearest(
    queries: Float[ndarray, "queries latent"],
    blocks: Iterable[Float[ndarray, "_ latent"]],
    k: int,
    metric: Metric = "cosine",
) -> Neighbours:
    """Exact search by matrix products, one block of latents in memory at a time.

    A latent with NaN is never near. Distances are exact to float32 rounding.

    Args:
        queries: ``[queries, latent]``.
        blocks: The latents to search, in pieces.
        k: Neighbours of each query; fewer when there are not so many.
        metric: What near means.

    Raises:
        ConfigError: If k is not positive.
        DataError: If a query holds NaN or Inf.
    """
    if k < 1:
        raise ConfigError(f"{k} neighbours; expected at least 1")
    if not np.isfinite(queries).all():
        raise DataError("the latent to search for holds NaN or Inf; fit the signal again")
    if metric == "cosine":
        queries = unit(queries)
    rows = np.zeros((len(queries), 0), np.int64)
    distances = np.zeros((len(queries), 0), np.float32)
    start = 0
    for block in blocks:
        new = np.broadcast_to(np.arange(start, start + len(block)), (len(queries), len(block)))
        rows = np.hstack([rows, new])
        distances = np.hstack([distances, _distances(queries, block, metric)])
        best = _smallest(distances, k)
        rows = np.take_along_axis(rows, best, axis=1)
        distances = np.take_along_axis(distances, best, axis=1)
        start += len(block)
    if metric == "euclidean":
        distances = np.sqrt(distances)
    return Neighbours(rows, distances)


def neighbours_of_all(latents: ArrayLatents, k: int, metric: Metric = "cosine") -> Neighbours:
    """The nearest other latents of each one, exact; a small part of the time that :func:`nearest`
    takes for as many queries.

    Matrix products in float32 say which latents are candidates; the differences to these are then
    taken one by one, so that small distances are as exact as large ones.

    Args:
        latents: ``[latents, latent]``, finite.
        k: Neighbours of each; fewer when there are not so many.
        metric: What near means.
    """
    count = len(latents)
    k = min(k, count - 1)
    if k < 1:
        return Neighbours(np.zeros((count, 0), np.int64), np.zeros((count, 0), np.float32))
    places = unit(latents) if metric == "cosine" else latents - latents.mean(axis=0)
    table = _Table(np.ascontiguousarray(places, np.float32))
    rows = np.empty((count, k), np.int64)
    distances = np.empty((count, k), np.float32)
    step = max(1, _SCORES // table.columns)
    for start in range(0, count, step):
        own = slice(start, min(count, start + step))
        candidates = np.sort(table.highest(own, min(k + _SPARE, count - 1)), axis=1)
        squared = table.squared_distances(own, candidates)
        order = np.argsort(squared, axis=1, kind="stable")[:, :k]
        rows[own] = np.take_along_axis(candidates, order, axis=1)
        distances[own] = np.take_along_axis(squared, order, axis=1)
    if metric == "euclidean":
        return Neighbours(rows, np.sqrt(distances))
    distances /= 2  # of vectors of length 1
    zero = (places == 0).all(axis=1)
    distances[zero] = 1
    distances[zero[rows]] = 1
    return Neighbours(rows, distances)


class _Table:
    """Latents that all of them are compared with.

    The score of a pair, ``x y - y y / 2``, grows as their distance shrinks. To find the highest
    scores of a row without sorting it, columns are put into groups: the k highest ones lie in the k
    groups whose own highest are the highest.

    Args:
        places: ``[latents, latent]``.
    """

    def __init__(self, places: Float[ndarray, "latents latent"]) -> None:
        self._places = places
        self._groups = -(-len(places) // _GROUP)
        self.columns = self._groups * _GROUP
        count, size = places.shape
        self._queries = np.ones((count, size + 1), np.float32)
        self._queries[:, :size] = places
        self._columns = np.zeros((size + 1, self.columns), np.float32)
        self._columns[:size, :count] = places.T
        self._columns[size] = -np.inf  # of what fills up the last groups
        self._columns[size, :count] = -0.5 * np.einsum("lp,lp->l", places, places)

    def highest(self, own: slice, k: int) -> Int[ndarray, "queries k"]:
        """The columns of the k highest scores of some latents, in no order; never the latent
        itself."""
        scores = self._queries[own] @ self._columns
        queries = np.arange(len(scores))
        scores[queries, queries + own.start] = -np.inf
        of_groups = scores.reshape(len(scores), _GROUP, self._groups).max(axis=1)
        groups = _highest(of_groups, k)
        inside = groups[:, None, :] + self._groups * np.arange(_GROUP)[:, None]
        columns = inside.reshape(len(scores), -1)
        best = _highest(np.take_along_axis(scores, columns, axis=1), k)
        return np.take_along_axis(columns, best, axis=1)

    def squared_distances(
        self, own: slice, rows: Int[ndarray, "queries k"]
    ) -> Float[ndarray, "queries k"]:
        """From some latents to the rows that are named for each."""
        apart = self._places[rows] - self._places[own, None]
        return np.einsum("qkp,qkp->qk", apart, apart)


def _highest(scores: Float[ndarray, "queries columns"], k: int) -> Int[ndarray, "queries _"]:
    """Columns of the k highest scores of each row, in no order; all where there are no more."""
    columns = scores.shape[1]
    if columns <= k:
        return np.broadcast_to(np.arange(columns), scores.shape)
    return np.argpartition(scores, columns - k, axis=1)[:, columns - k :]


def _smallest(distances: Float[ndarray, "queries rows"], k: int) -> Int[ndarray, "queries k"]:
    """Columns of the k smallest distances of each row in order; all where there are no more."""
    if distances.shape[1] <= k:
        return np.argsort(distances, axis=1, kind="stable")
    some = np.sort(np.argpartition(distances, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(np.take_along_axis(distances, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _distances(
    queries: Float[ndarray, "queries latent"], block: ArrayLatents, metric: Metric
) -> Float[ndarray, "queries rows"]:
    """Cosine distances of queries of length 1, or squared Euclidean ones; Inf for latents that are
    not finite."""
    products = queries @ block.T
    lengths = np.einsum("np,np->n", block, block)  # squared
    if metric == "cosine":
        distances = 1 - products / np.sqrt(np.where(lengths > 0, lengths, 1))
    else:
        distances = np.einsum("np,np->n", queries, queries)[:, None] + lengths - 2 * products
    return np.nan_to_num(np.maximum(distances, 0), nan=np.inf, posinf=np.inf)


def unit(latents: ArrayLatents) -> ArrayLatents:
    """Scaled to length 1; a latent of zeros stays, at distance 1 of every other."""
    lengths = np.linalg.norm(latents, axis=1, keepdims=True)
    return latents / np.where(lengths > 0, lengths, 1)


class Index(ABC):
    """Something that answers faster than :func:`nearest`, and nearly as well."""

    @abstractmethod
    def search(self, queries: ArrayLatents, k: int) -> Neighbours:
        """What :func:`nearest` would give, or nearly."""
