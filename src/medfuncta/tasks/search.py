"""The signals nearest to a signal, by their latents: exact, whatever the size of the set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta.errors import ConfigError, DataError
from medfuncta.latents.decode import reconstruct
from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.rows import LatentRow
from medfuncta.signals.signal import Signal
from medfuncta.tasks.drawing.labels import class_names
from medfuncta.tasks.drawing.sheet import contact_sheet
from medfuncta.types import ArrayLatents

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Metric = Literal["cosine", "euclidean"]
_BLOCK = 4096
"""Latents compared with all queries at a time."""


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
    queries: Float[ndarray, "queries latent"], blocks: Iterable[Float[ndarray, "_ latent"]], k: int, metric: Metric = "cosine"
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
    queries = unit(queries) if metric == "cosine" else queries
    rows = np.zeros((len(queries), 0), np.int64)
    distances = np.zeros((len(queries), 0), np.float32)
    start = 0
    for block in blocks:
        new = np.broadcast_to(np.arange(start, start + len(block)), (len(queries), len(block)))
        rows = np.hstack([rows, new])
        distances = np.hstack([distances, _distances(queries, block, metric)])
        best = np.argsort(distances, axis=1, kind="stable")[:, :k] if distances.shape[1] <= k else _smallest(distances, k)
        rows, distances = np.take_along_axis(rows, best, axis=1), np.take_along_axis(distances, best, axis=1)
        start += len(block)
    return Neighbours(rows, np.sqrt(distances) if metric == "euclidean" else distances)


def _smallest(distances: Float[ndarray, "queries rows"], k: int) -> Int[ndarray, "queries k"]:
    """Columns of the k smallest distances of each row in order."""
    some = np.sort(np.argpartition(distances, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(np.take_along_axis(distances, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _distances(queries: Float[ndarray, "queries latent"], block: ArrayLatents, metric: Metric) -> Float[ndarray, "queries rows"]:
    """Cosine distances of queries of length 1, or squared Euclidean ones; Inf for latents that are not finite."""
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


@dataclass(frozen=True, eq=False)
class Hit:
    """A signal that was found.

    Args:
        row: The signal.
        distance: From the query.
    """

    row: LatentRow
    distance: float


def search_set(
    latents: LatentSet,
    query: Float[ndarray, " latent"],
    k: int = 10,
    metric: Metric = "cosine",
    *,
    leave_out: LatentRow | None = None,
    index: Index | None = None,
) -> list[Hit]:
    """The signals of a latent set nearest to a latent, the nearest first.

    Args:
        latents: All splits are searched.
        query: ``[latent]``.
        k: How many.
        metric: What near means.
        leave_out: A signal that is not to be found, such as the query itself.
        index: Of the rows of all splits one after the other; searched exactly without one.
    """
    wanted = k + (leave_out is not None)
    queries = query[None]
    found = nearest(queries, all_blocks(latents), wanted, metric) if index is None else index.search(queries, wanted)
    hits = [Hit(row_of(latents, int(row)), float(distance)) for row, distance in zip(found.rows[0], found.distances[0], strict=True)]
    if leave_out is not None:
        hits = [hit for hit in hits if (hit.row.split, hit.row.id) != (leave_out.split, leave_out.id)]
    return hits[:k]


def all_blocks(latents: LatentSet) -> Iterable[ArrayLatents]:
    """The latents of all splits, one split after the other."""
    columns = ["latent", "latent_scale"] if latents.info.dtype == "int8" else ["latent"]
    batches = (latents.split(name).batches(_BLOCK, columns) for name in latents.splits)
    return (rows.latents for rows in chain.from_iterable(batches))


def row_of(latents: LatentSet, number: int) -> LatentRow:
    """The signal with this number, counted through all splits."""
    for name in latents.splits:
        split = latents.split(name)
        if number < len(split):
            return split.row(number)
        number -= len(split)
    raise IndexError(f"row {number} beyond the {len(latents)} signals")


def search_picture(latents: LatentSet, query: Signal, title: str, hits: list[Hit], columns: int = 6) -> Figure:
    """The query, then its neighbours as their latents decode them."""
    found = [reconstruct(latents.run, torch.tensor(hit.row.latent), hit.row.header) for hit in hits]
    names = latents.info.spec.label_names
    titles = [", ".join((f"{hit.distance:.3f}", *class_names(hit.row.label, names))) for hit in hits]
    return contact_sheet([query, *found], [title, *titles], columns)
