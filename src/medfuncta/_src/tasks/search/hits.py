"""The signals of a latent set nearest to a latent, by their rows in it, and the picture of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from jaxtyping import Float
from numpy import ndarray

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Some
from medfuncta._src.door.wording import counted
from medfuncta._src.latents.decode import reconstruct
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.rows import LatentRow
from medfuncta._src.result import Result
from medfuncta._src.signals.signal import Signal
from medfuncta._src.tasks.drawing.figure import class_names
from medfuncta._src.tasks.drawing.sheet import contact_sheet
from medfuncta._src.tasks.search.neighbours import Index, Metric, nearest
from medfuncta._src.types import ArrayLatents

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLOCK = 4096
"""Latents compared with all queries at a time."""


@dataclass(frozen=True, eq=False)
class Hit(Result):
    """A signal that was found.

    Args:
        row: The signal.
        distance: From the query.
        classes: Of the signal, by name.
    """

    json_keys: ClassVar = ("id", "split", "distance", "classes")

    row: LatentRow
    distance: float
    classes: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def split(self) -> str:
        return self.row.split


@dataclass(frozen=True)
class Query(Result):
    """The signal that was searched for.

    Args:
        id: Of the signal.
        classes: By name.
        in_set: Whether it is of the set, and thus not among its own neighbours.
    """

    id: str
    classes: tuple[str, ...]
    in_set: bool


@dataclass(frozen=True, eq=False)
class Search(Result):
    """A signal and those found for it.

    Args:
        query: What was searched for.
        metric: What near means.
        exact: Whether no index may have missed a neighbour.
        neighbours: The nearest first.
    """

    query: Query
    metric: Metric
    exact: bool
    neighbours: Sequence[Hit]


@expecting
def search_set(
    latents: LatentSet,
    query: Float[ndarray, " latent"],
    k: Some = 10,
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
    wanted = k
    if leave_out is not None:
        wanted += 1
    if index is None:
        found = nearest(query[None], all_blocks(latents), wanted, metric)
    else:
        found = index.search(query[None], wanted)
    names = latents.info.spec.label_names
    hits = []
    for number, distance in zip(found.rows[0].tolist(), found.distances[0].tolist(), strict=True):
        row = row_of(latents, number)
        if leave_out is None or (row.split, row.id) != (leave_out.split, leave_out.id):
            hits.append(Hit(row, distance, class_names(row.label, names)))
    return hits[:k]


def all_blocks(latents: LatentSet) -> Iterator[ArrayLatents]:
    """The latents of all splits, one split after the other."""
    columns = ["latent"]
    if latents.info.dtype == "int8":
        columns.append("latent_scale")
    for name in latents.splits:
        for rows in latents.split(name).batches(_BLOCK, columns):
            yield rows.latents


def row_of(latents: LatentSet, number: int) -> LatentRow:
    """The signal with this number, counted through all splits."""
    for name in latents.splits:
        split = latents.split(name)
        if number < len(split):
            return split.row(number)
        number -= len(split)
    raise IndexError(f"row {number} beyond the {counted(len(latents), 'signal')}")


def search_picture(
    latents: LatentSet, query: Signal, title: str, hits: Sequence[Hit], columns: int = 6
) -> Figure:
    """The query, then its neighbours as their latents decode them."""
    signals, titles = [query], [title]
    for hit in hits:
        signals.append(reconstruct(latents.run, torch.tensor(hit.row.latent), hit.row.header))
        titles.append(", ".join((f"{hit.distance:.3f}", *hit.classes)))
    return contact_sheet(signals, titles, columns)
