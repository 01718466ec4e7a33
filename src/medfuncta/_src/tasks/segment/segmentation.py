"""Segmentation heads on unseen signals: one that reads the field and the latent, and one that knows
the place alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.field.device import default_device
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.result import Result
from medfuncta._src.sources.source import Source
from medfuncta._src.status import counted_on_line, doing
from medfuncta._src.tasks.heads.intervals import Interval
from medfuncta._src.tasks.heads.left_out import LeftOut
from medfuncta._src.tasks.heads.masks import MaskedRow, masked_splits, with_masks
from medfuncta._src.tasks.heads.training import Training
from medfuncta._src.tasks.segment.head import Segmenter, SegmentOptions
from medfuncta._src.tasks.segment.points import Reader, field_features, place_alone

FIELD: Final = "field and latent"
PLACE: Final = "place alone"


@dataclass(frozen=True, eq=False)
class SegmentedVolume:
    """One unseen signal.

    Args:
        entry: The signal with its true label map.
        predicted: Class numbers, ``[*shape]``.
        dice: Of each structure; None where neither map has it.
    """

    entry: MaskedRow
    predicted: Int[ndarray, "*shape"]
    dice: tuple[float | None, ...]

    @property
    def mean_dice(self) -> float:
        """Over structures; 1 where there is none and none was found."""
        defined = _defined(self.dice)
        return float(defined.mean()) if defined.size else 1.0


@dataclass(frozen=True, eq=False)
class VolumeDice(Result):
    """One unseen signal in the report.

    Args:
        id: Of the signal.
        dice: By structure; None where neither map has it.
    """

    id: str
    dice: Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class Segmentation(Result):
    """What segmentation heads reached on unseen signals.

    Args:
        structures: Their names, the background left out.
        signals: How many with a label map each split has.
        segmented: The test split by head: :data:`FIELD`, and :data:`PLACE` to compare with.
        parameters: Numbers that the head on the field learned.
        epochs: Of each head.
        fit_seconds: Training of the head on the field, reading its features included.
        left_out: How many signals were left out, by reason.
        unseen: Structures of the test split that training never shows, so that no head knows them.
    """

    json_keys: ClassVar = (
        *("structures", "signals", "left_out", "unseen", "dice", "volumes", "parameters"),
        *("epochs", "fit_seconds"),
    )

    structures: tuple[str, ...]
    signals: Mapping[str, int]
    segmented: Mapping[str, Sequence[SegmentedVolume]]
    parameters: int
    epochs: Mapping[str, int]
    fit_seconds: float
    left_out: Mapping[str, int]
    unseen: tuple[str, ...]

    @cached_property
    def dice(self) -> dict[str, dict[str, Interval]]:
        """By head the mean Dice of each structure over the signals where it is defined, and
        ``"mean"`` over structures."""
        return {head: self._dice_of(volumes) for head, volumes in self.segmented.items()}

    @property
    def volumes(self) -> list[VolumeDice]:
        """The test signals as the head on the field segments them."""
        volumes = []
        for volume in self.segmented[FIELD]:
            dice = dict(zip(self.structures, volume.dice, strict=True))
            volumes.append(VolumeDice(volume.entry.row.id, dice))
        return volumes

    def _dice_of(self, volumes: Sequence[SegmentedVolume]) -> dict[str, Interval]:
        found = {}
        for number, name in enumerate(self.structures):
            column = _defined([volume.dice[number] for volume in volumes])
            found[name] = Interval.of(np.mean, column)
        means = np.array([volume.mean_dice for volume in volumes])
        found["mean"] = Interval.of(np.mean, means)
        return found


def segment(
    latents: LatentSet,
    source: Source,
    options: SegmentOptions | None = None,
    *,
    strict: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> Segmentation:
    """Train a head on ``train``, choosing its weights on ``val``, and measure Dice on the whole
    signals of ``test``.

    Args:
        latents: Of a source with label maps.
        source: That source, with the options that it was fitted with.
        options: Sizes and training.
        strict: Refuse signals without a label map, and structures that training never shows,
            instead of leaving them out.
        progress: Told a line before each head.

    Raises:
        DataError: If there are no label maps, a split has none, none shows a structure to learn, or
            there is something that may not be left out.
        LatentSetError: If a split is missing.
    """
    options = options or SegmentOptions()
    masked = with_masks(source)
    left_out = LeftOut(strict=strict)
    rows = masked_splits(latents, masked, left_out)
    classes = 1 + max(int(entry.mask.max()) for entry in (*rows["train"], *rows["val"]))
    if classes < 2:
        raise DataError(
            "the label maps of train and val hold background only; expected at least one structure"
        )
    unseen = _unseen(rows["test"], masked, classes)
    if unseen and strict:
        raise DataError(
            f"the test split shows {', '.join(unseen)}, which training never does; without "
            "--strict nothing is measured on it"
        )
    # The comparison reads no latent: a field-free head would tell signals apart by it.
    blind = {split: list(map(_without_latent, entries)) for split, entries in rows.items()}
    reader = field_features(latents.run.network.on(default_device()))
    progress(f"{FIELD}: {counted(len(rows['train']), 'signal')} to learn from")
    field = _trained(reader, rows, classes, options)
    progress(f"{PLACE}: {counted(len(rows['train']), 'signal')} to learn from")
    place = _trained(place_alone, blind, classes, options)
    return Segmentation(
        structures=tuple(_structure(masked, number) for number in range(1, classes)),
        signals={split: len(entries) for split, entries in rows.items()},
        segmented={FIELD: field.volumes, PLACE: place.volumes},
        parameters=field.training.parameters,
        epochs={FIELD: len(field.training.curve), PLACE: len(place.training.curve)},
        fit_seconds=field.seconds,
        left_out=left_out.counts,
        unseen=unseen,
    )


def _structure(source: Source, number: int) -> str:
    return source.mask_names.get(number, f"class {number}")


def _unseen(test: Sequence[MaskedRow], source: Source, classes: int) -> tuple[str, ...]:
    """Structures of the test split beyond the classes that are learned."""
    numbers: set[int] = set()
    for entry in test:
        numbers.update(np.unique(entry.mask).tolist())
    return tuple(_structure(source, number) for number in sorted(numbers) if number >= classes)


@dataclass(frozen=True, eq=False)
class _HeadRun:
    """One head: its training, how long that took, and what it makes of the test split."""

    training: Training
    seconds: float
    volumes: list[SegmentedVolume]


def _trained(
    reader: Reader,
    rows: Mapping[str, Sequence[MaskedRow]],
    classes: int,
    options: SegmentOptions,
) -> _HeadRun:
    started = perf_counter()
    segmenter = Segmenter(reader, classes, options)
    with doing("learning to segment"):
        training = segmenter.fit(rows["train"], rows["val"])
    seconds = perf_counter() - started
    volumes = []
    for entry in counted_on_line(rows["test"], "segmenting signals"):
        volumes.append(_measured(entry, segmenter.segment(entry), classes))
    return _HeadRun(training, seconds, volumes)


def dice_of(
    truth: Int[ndarray, "*shape"], guess: Int[ndarray, "*shape"], number: int
) -> float | None:
    """Twice the common samples of a class over the samples of both; None where neither map has the
    class."""
    true, guessed = truth == number, guess == number
    either = true.sum() + guessed.sum()
    if not either:
        return None
    return float(2 * (true & guessed).sum() / either)


def _measured(entry: MaskedRow, guess: Int[ndarray, "*shape"], classes: int) -> SegmentedVolume:
    dice = tuple(dice_of(entry.mask, guess, number) for number in range(1, classes))
    return SegmentedVolume(entry, guess, dice)


def _defined(values: Sequence[float | None]) -> Float[ndarray, " defined"]:
    numbers = np.array(values, np.float64)  # None becomes NaN
    return numbers[~np.isnan(numbers)]


def _without_latent(entry: MaskedRow) -> MaskedRow:
    return replace(entry, row=replace(entry.row, latent=np.zeros_like(entry.row.latent)))
