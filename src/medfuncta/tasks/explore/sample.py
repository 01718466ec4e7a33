"""Some signals of a latent set, for what would take too long on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from medfuncta.errors import DataError
from medfuncta.latents.latent_set import LatentSet
from medfuncta.types import ArrayLatents


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
    return Sample(
        pick[0], pick[1], matrix[sound], pick[2], decibels[sound], len(matrix) - len(sound)
    )


def _classes(label: Any) -> tuple[int, ...]:
    """Class numbers of one entry of ``Rows.labels``."""
    if np.ndim(label):
        return tuple(np.flatnonzero(label).tolist())
    return () if label < 0 else (int(label),)
