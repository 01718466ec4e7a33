"""Segmentation heads on unseen signals: one that reads the field and the latent, and one that knows
the place alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, Final

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from medfuncta.errors import DataError
from medfuncta.latents.latent_set import LatentSet
from medfuncta.run import default_device
from medfuncta.sources.source import SPLITS, Source
from medfuncta.tasks.heads.intervals import Interval
from medfuncta.tasks.heads.masks import MaskedRow, masked_rows, with_masks
from medfuncta.tasks.segment.head import Segmenter, SegmentOptions
from medfuncta.tasks.segment.points import Reader, field_features, place_alone

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
        defined = [value for value in self.dice if value is not None]
        return float(np.mean(defined)) if defined else 1.0


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What segmentation heads reached on unseen signals.

    Args:
        names: Of the structures, the background left out.
        signals: How many with a label map each split has.
        volumes: Of the test split, by head: :data:`FIELD`, and :data:`PLACE` to compare with.
        parameters: Numbers that the head on the field learned.
        epochs: Of each head.
        fit_seconds: Training of the head on the field, reading its features included.
    """

    names: tuple[str, ...]
    signals: Mapping[str, int]
    volumes: Mapping[str, Sequence[SegmentedVolume]]
    parameters: int
    epochs: Mapping[str, int]
    fit_seconds: float

    def dice(self, head: str) -> dict[str, Interval]:
        """Mean Dice of each structure over the signals where it is defined, and ``"mean"`` over
        structures."""
        columns = {
            name: [volume.dice[i] for volume in self.volumes[head]]
            for i, name in enumerate(self.names)
        }
        columns["mean"] = [volume.mean_dice for volume in self.volumes[head]]
        return {
            name: Interval.of(np.mean, np.array([value for value in column if value is not None]))
            for name, column in columns.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain data for strict JSON."""
        return {
            "structures": list(self.names),
            "signals": dict(self.signals),
            "dice": {
                head: {name: asdict(interval) for name, interval in self.dice(head).items()}
                for head in self.volumes
            },
            "volumes": [
                {"id": v.entry.row.id, "dice": dict(zip(self.names, v.dice, strict=True))}
                for v in self.volumes[FIELD]
            ],
            "parameters": self.parameters,
            "epochs": dict(self.epochs),
            "fit_seconds": self.fit_seconds,
        }


def segment(
    latents: LatentSet,
    source: Source,
    options: SegmentOptions | None = None,
    *,
    progress: Callable[[str], None] = lambda line: None,
) -> Segmentation:
    """Train a head on ``train``, choosing its weights on ``val``, and measure Dice on the whole
    signals of ``test``.

    Args:
        latents: Of a source with label maps.
        source: That source, with the options that it was fitted with.
        options: Sizes and training.
        progress: Told a line before each head.

    Raises:
        DataError: If there are no label maps, a split has none, or none shows a structure to learn.
        LatentSetError: If a split is missing.
    """
    options = options or SegmentOptions()
    masked = with_masks(source)
    rows = {split: list(masked_rows(latents, split, masked)) for split in SPLITS}
    for split, found in rows.items():
        if not found:
            raise DataError(
                f"no signal of split '{split}' has a label map; segmentation needs some in "
                f"{', '.join(SPLITS)}"
            )
    classes = 1 + max(int(entry.mask.max()) for split in ("train", "val") for entry in rows[split])
    if classes < 2:
        raise DataError(
            "the label maps of train and val hold background only; expected at least one structure"
        )
    # The comparison reads no latent: a field-free head would tell signals apart by it.
    blind = {split: [_without_latent(entry) for entry in found] for split, found in rows.items()}
    heads: dict[str, tuple[Reader, Mapping[str, Sequence[MaskedRow]]]] = {
        FIELD: (field_features(latents.run.network.to(default_device())), rows),
        PLACE: (place_alone, blind),
    }
    volumes, epochs, seconds, parameters = {}, {}, {}, {}
    for name, (reader, seen) in heads.items():
        progress(f"{name}: {len(rows['train']):,} signals to learn from")
        started = perf_counter()
        segmenter = Segmenter(reader, classes, options)
        epochs[name] = len(segmenter.fit(seen["train"], seen["val"]))
        seconds[name] = perf_counter() - started
        parameters[name] = sum(p.numel() for p in segmenter.head.parameters())
        volumes[name] = [
            _measured(entry, segmenter.segment(entry), classes) for entry in seen["test"]
        ]
    names = tuple(masked.mask_names.get(number, f"class {number}") for number in range(1, classes))
    return Segmentation(
        names,
        {s: len(r) for s, r in rows.items()},
        volumes,
        parameters[FIELD],
        epochs,
        seconds[FIELD],
    )


def dice_of(
    truth: Int[ndarray, "*shape"], guess: Int[ndarray, "*shape"], number: int
) -> float | None:
    """Twice the common samples of a class over the samples of both; None where neither map has the
    class."""
    both, either = (
        ((truth == number) & (guess == number)).sum(),
        (truth == number).sum() + (guess == number).sum(),
    )
    return float(2 * both / either) if either else None


def _measured(entry: MaskedRow, guess: Int[ndarray, "*shape"], classes: int) -> SegmentedVolume:
    return SegmentedVolume(
        entry, guess, tuple(dice_of(entry.mask, guess, number) for number in range(1, classes))
    )


def _without_latent(entry: MaskedRow) -> MaskedRow:
    return replace(entry, row=replace(entry.row, latent=np.zeros_like(entry.row.latent)))
