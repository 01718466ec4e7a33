"""The latents nearest to a latent: exact, however many there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.types import ArrayLatents

Metric = Literal["cosine", "euclidean"]


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
