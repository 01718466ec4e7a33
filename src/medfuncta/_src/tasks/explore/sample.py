"""Some signals of a latent set, for what would take too long on all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Some
from medfuncta._src.errors import DataError
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.rows import Rows
from medfuncta._src.types import ArrayLatents


@dataclass(frozen=True, eq=False)
class Sample:
    """Some signals of a latent set, evenly spread over it.

    Args:
        ids: Their names.
        splits: Where each lies.
        latents: ``[rows, latent]``.
        classes: The class numbers of each, none without a label.
        psnr: Decibels; NaN where it is not known (an imported set).
        left_out: Signals with a latent that is not finite.
    """

    ids: Sequence[str]
    splits: Sequence[str]
    latents: ArrayLatents
    classes: Sequence[tuple[int, ...]]
    psnr: Float[ndarray, " rows"]
    left_out: int


@expecting
def take_sample(latents: LatentSet, limit: Some, split: str | None = None) -> Sample:
    """At most ``limit`` signals of one split or all; never more than these and one block in memory.

    Raises:
        DataError: If no latent is finite.
        LatentSetError: If there is no such split.
    """
    columns = _Columns()
    for chosen in chosen_rows(latents, limit, split):
        columns.take(chosen.block, chosen.split, chosen.rows)
    return columns.sample()


@dataclass(frozen=True, eq=False)
class ChosenRows:
    """Some rows of a block.

    Args:
        split: Where it lies.
        block: The block.
        rows: Which of its rows.
    """

    split: str
    block: Rows
    rows: Int[ndarray, " chosen"]


def chosen_rows(latents: LatentSet, limit: int, split: str | None = None) -> Iterator[ChosenRows]:
    """At most ``limit`` rows of one split or all, evenly spread, block by block: always the same
    ones, and never more than one block in memory.

    Raises:
        LatentSetError: If there is no such split, or a shard is damaged.
    """
    names = latents.splits if split is None else (split,)
    total = sum(len(latents.split(name)) for name in names)
    wanted = np.linspace(0, total, min(limit, total), endpoint=False).astype(np.int64)
    start = 0
    for name in names:
        for block in latents.split(name).batches():
            stop = start + len(block)
            chosen = wanted[(wanted >= start) & (wanted < stop)] - start
            start = stop
            yield ChosenRows(name, block, chosen)


class _Columns:
    """What was taken of each block so far."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._splits: list[str] = []
        self._classes: list[tuple[int, ...]] = []
        self._latents: list[ndarray] = []
        self._psnr: list[ndarray] = []

    def take(self, block: Rows, split: str, chosen: Int[ndarray, " chosen"]) -> None:
        """Keep these rows of a block."""
        self._ids += block.table["id"].take(pa.array(chosen)).to_pylist()
        self._splits += [split] * len(chosen)
        self._classes += map(_classes, block.labels[chosen])
        self._latents.append(block.latents[chosen])
        self._psnr.append(block.psnr[chosen])

    def sample(self) -> Sample:
        """All of them whose latent is finite."""
        latents, psnr = np.concatenate(self._latents), np.concatenate(self._psnr)
        sound = np.flatnonzero(np.isfinite(latents.sum(axis=1)))
        if not sound.size:
            raise DataError("no latent of this set is finite; fit it again")
        return Sample(
            ids=[self._ids[row] for row in sound],
            splits=[self._splits[row] for row in sound],
            latents=latents[sound],
            classes=[self._classes[row] for row in sound],
            psnr=psnr[sound],
            left_out=len(latents) - len(sound),
        )


def _classes(label: Any) -> tuple[int, ...]:
    """Class numbers of one entry of ``Rows.labels``."""
    if np.ndim(label):
        return tuple(np.flatnonzero(label).tolist())
    if label < 0:
        return ()
    return (int(label),)
