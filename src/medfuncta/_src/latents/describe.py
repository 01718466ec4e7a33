"""A latent set in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np

from medfuncta._src.errors import LatentSetError, MedFunctaError
from medfuncta._src.field.table import box_of
from medfuncta._src.latents.info import FIELD_FOLDER
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.likeness import Likeness
from medfuncta._src.latents.shards import Note
from medfuncta._src.latents.split import Split
from medfuncta._src.run import RunDescription
from medfuncta._src.signals.data_facts import FactsTally

_LOOKED_AT: Final = 1024
"""Rows of a split that tell what its signals are like."""
_HEADER: Final = (
    *("id", "label", "shape", "spacing", "spacing_unit", "affine"),
    *("value_low", "value_high", "unit", "dtype", "metadata"),
)
"""The columns of a signal's header."""


@dataclass(frozen=True)
class SplitFigures:
    """One split.

    Args:
        signals: Rows.
        left_out: Files and signals without a row.
        labels: Rows of each class by name; a multi-label row counts for each of its classes, one
            without a label for none.
    """

    signals: int
    left_out: int
    labels: Mapping[str, int]


@dataclass(frozen=True)
class Figures:
    """All of it.

    Args:
        splits: By name.
        latent_size: P.
        dtype: How latents are stored.
        bytes: Of the shards on disk.
        psnr_mean, psnr_median, psnr_worst: Decibels, over all rows whose PSNR is known; None where
            none is.
        storage_cost: Decibels of mean PSNR lost by storing latents in fewer bits, or None where the
            fit did not note it.
        histogram: Rows by PSNR in bins of equal width, with each bin's lower edge in decibels.
        likeness: The signals beside those that the field was trained on.
    """

    splits: Mapping[str, SplitFigures]
    latent_size: int
    dtype: str
    bytes: int
    psnr_mean: float | None
    psnr_median: float | None
    psnr_worst: float | None
    storage_cost: float | None
    histogram: Mapping[float, int]
    likeness: Likeness


def describe(latent_set: LatentSet) -> Figures:
    """Read the labels and the PSNR of every row, but no latent.

    Raises:
        LatentSetError: If a shard is damaged.
    """
    splits = [latent_set.split(name) for name in latent_set.splits]
    shards = [shard for split in splits for shard in split.shards]
    psnr = np.concatenate([split.psnr for split in splits]).astype(np.float64)
    known = psnr[np.isfinite(psnr)]
    fitted = Note.join([shard.note for shard in shards]).fitted_psnr
    return Figures(
        splits={
            split.name: _split_figures(split, len(latent_set.info.splits[split.name].left_out))
            for split in splits
        },
        latent_size=latent_set.info.latent_size,
        dtype=latent_set.info.dtype,
        bytes=sum(shard.path.stat().st_size for shard in shards),
        psnr_mean=float(known.mean()) if len(known) else None,
        psnr_median=float(np.median(known)) if len(known) else None,
        psnr_worst=float(known.min()) if len(known) else None,
        storage_cost=None if fitted is None else float(fitted / len(psnr) - psnr.mean()),
        histogram=_histogram(known) if len(known) else {},
        likeness=_likeness(latent_set, splits),
    )


def _likeness(latent_set: LatentSet, splits: Sequence[Split]) -> Likeness:
    """What the field says of its training, beside the first rows of each split."""
    training: Mapping[str, Any] = {}
    box = None
    with suppress(MedFunctaError):  # a damaged field is told by whoever needs it
        described = RunDescription.load(latent_set.folder / FIELD_FOLDER)
        training = described.training
        box = box_of(described.config.field)
    tally = FactsTally(box)
    for split in splits:
        for rows in islice(split.batches(rows=_LOOKED_AT, columns=_HEADER), 1):
            for header in rows.headers:
                tally.add_header(header)
    info = latent_set.info
    return Likeness.of(info.spec, training, info.source.name, tally.facts(), tally.reach)


def _histogram(psnr: np.ndarray) -> dict[float, int]:
    """About ten bins with edges that a person would choose, in whole decibels."""
    low, high = np.floor(psnr.min()), np.floor(psnr.max()) + 1
    width = max(1, int(np.ceil((high - low) / 10)))
    counts, edges = np.histogram(psnr, bins=np.arange(low, high + width, width))
    return {float(edge): int(count) for edge, count in zip(edges, counts, strict=False)}


def _split_figures(split: Split, left_out: int) -> SplitFigures:
    counts: Counter[int] = Counter()
    for rows in split.batches(columns=["label"]):
        for label in rows.table["label"].to_pylist():
            counts.update(label if isinstance(label, list) else () if label is None else (label,))
    names = dict(enumerate(split.info.spec.label_names))
    unnamed = counts.keys() - names.keys()
    if names and unnamed:
        raise LatentSetError(
            f"split '{split.name}' has the label {min(unnamed)}, and the set {len(names)} names of "
            "classes (label_names); copy the whole folder again or fit it anew"
        )
    return SplitFigures(
        len(split),
        left_out,
        {names.get(number, str(number)): counts[number] for number in sorted(counts)},
    )
