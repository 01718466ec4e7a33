"""The signals of a latent set nearest to a latent, by their rows in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from jaxtyping import Float
from numpy import ndarray

from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.rows import LatentRow
from medfuncta.tasks.search.neighbours import Index, Metric, nearest
from medfuncta.types import ArrayLatents

_BLOCK = 4096
"""Latents compared with all queries at a time."""


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
    found = (
        nearest(queries, all_blocks(latents), wanted, metric)
        if index is None
        else index.search(queries, wanted)
    )
    hits = [
        Hit(row_of(latents, int(row)), float(distance))
        for row, distance in zip(found.rows[0], found.distances[0], strict=True)
    ]
    if leave_out is not None:
        hits = [
            hit for hit in hits if (hit.row.split, hit.row.id) != (leave_out.split, leave_out.id)
        ]
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
