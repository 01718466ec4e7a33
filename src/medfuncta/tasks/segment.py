"""Segmentation on top of a fitted field: a small head reads the field's features at a point and the latent, and says the class there.

The idea is MetaSeg's (Vyas et al. 2025): what a shared network computes on its way to a value tells much about what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional

from medfuncta.errors import DataError
from medfuncta.field.run import default_device
from medfuncta.latents.decode import CHUNK
from medfuncta.latents.latent_set import LatentSet
from medfuncta.sources.source import SPLITS, Source
from medfuncta.tasks.classify.preparation import Preparation
from medfuncta.tasks.intervals import Interval
from medfuncta.tasks.masks import MaskedRow, masked_rows, with_masks
from medfuncta.tasks.segment_points import Reader, SampledPoints, field_features, place_alone, sample_points
from medfuncta.tasks.training import HeadTraining, train_head

FIELD: Final = "field and latent"
PLACE: Final = "place alone"
_TINY: Final = 1e-6


@dataclass(frozen=True)
class SegmentOptions(HeadTraining):
    """How a segmentation head is made and trained; what is not listed is of :class:`HeadTraining`.

    Args:
        points: Drawn of each training signal.
        hidden: Units of both hidden layers.
        latent_units: Numbers that the latent is projected on.
    """

    points: int = 2048
    hidden: int = 128
    latent_units: int = 32


class SegmentationHead(nn.Module):
    """Two hidden layers on the features of a point and a projection of the latent.

    Args:
        sampled: The training points; features are standardised as theirs are.
        classes: Background included.
        options: Sizes.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, sampled: SampledPoints, classes: int, options: SegmentOptions) -> None:
        super().__init__()
        features, latent, hidden = sampled.features.shape[-1], sampled.latents.shape[-1], options.hidden
        spread, mean = torch.std_mean(sampled.features, dim=(0, 1))
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread.clamp(min=_TINY))
        self.project = nn.Sequential(nn.Dropout(0.3), nn.Linear(latent, options.latent_units))
        self.read = nn.Linear(features + options.latent_units, hidden)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(
        self, features: Float[Tensor, "signals points features"], latents: Float[Tensor, "signals latent"]
    ) -> Float[Tensor, "signals points classes"]:
        """Logits of each class."""
        projected = self.project(latents).unsqueeze(1).expand(-1, features.shape[1], -1)
        return self.rest(self.read(torch.cat([(features - self.mean) / self.spread, projected], dim=-1)))


class Segmenter:
    """A trained head with all that is needed to segment a signal of the same field.

    Args:
        reader: What is read at a point.
        classes: Background included.
        options: Sizes and training.
    """

    def __init__(self, reader: Reader, classes: int, options: SegmentOptions) -> None:
        self._reader, self._classes, self._options = reader, classes, options
        self._preparation = Preparation()
        self._device = default_device()

    def fit(self, train: Sequence[MaskedRow], val: Sequence[MaskedRow]) -> list[float]:
        """Learn from ``train``, choosing weights by ``val``; gives the mean Dice on sampled validation points after each epoch."""
        options, generator = self._options, np.random.default_rng(self._options.seed)
        self._preparation.fit(_latents(train))
        sampled, held_out = (sample_points(rows, self._prepared(rows), self._reader, options.points, generator) for rows in (train, val))
        with torch.random.fork_rng():  # modules draw weights and dropout from the global generator
            torch.manual_seed(options.seed)
            self.head = SegmentationHead(sampled, self._classes, options).to(self._device)

            def losses() -> Iterator[Tensor]:
                for rows in np.array_split(generator.permutation(len(sampled)), -(-len(sampled) // options.batch)):
                    yield self._loss(sampled.take(rows))

            return train_head(self.head, losses, lambda: self._score(held_out), options)

    @torch.no_grad()
    def segment(self, entry: MaskedRow) -> Int[ndarray, "*shape"]:
        """The class at every sample of a signal, ``[*shape]``."""
        latent = torch.from_numpy(entry.row.latent).to(self._device)
        prepared, grid = self._prepared([entry]), entry.grid
        parts = [
            self.head(self._reader(latent, grid.coordinates_of(np.arange(start, min(start + CHUNK, grid.points))))[None], prepared)[0]
            for start in range(0, grid.points, CHUNK)
        ]
        return torch.cat([part.argmax(dim=-1) for part in parts]).cpu().numpy().reshape(grid.shape)

    def _prepared(self, rows: Sequence[MaskedRow]) -> Tensor:
        return torch.from_numpy(self._preparation(_latents(rows))).to(self._device)

    def _loss(self, points: SampledPoints) -> Float[Tensor, ""]:
        """Cross-entropy plus one minus the soft Dice of the structures, both as if of whole signals."""
        logits = self.head(points.features, points.latents)
        entropies = functional.cross_entropy(logits.transpose(1, 2), points.classes, reduction="none")
        return (points.weights * entropies).sum(dim=1).mean() + 1 - self._dice(logits.softmax(dim=-1), points).mean()

    def _score(self, points: SampledPoints) -> float:
        guess = self.head(points.features, points.latents).argmax(dim=-1)
        return self._dice(functional.one_hot(guess, self._classes).float(), points).mean().item()

    def _dice(self, probabilities: Float[Tensor, "signals points classes"], points: SampledPoints) -> Float[Tensor, "signals structures"]:
        truth = functional.one_hot(points.classes, self._classes)
        weights = points.weights.unsqueeze(-1)
        both, either = ((weights * numbers).sum(dim=1)[:, 1:] for numbers in (probabilities * truth, probabilities + truth))
        return (2 * both + _TINY) / (either + _TINY)


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
        """Mean Dice of each structure over the signals where it is defined, and ``"mean"`` over structures."""
        columns = {name: [volume.dice[i] for volume in self.volumes[head]] for i, name in enumerate(self.names)}
        columns["mean"] = [volume.mean_dice for volume in self.volumes[head]]
        return {name: Interval.of(np.mean, np.array([value for value in column if value is not None])) for name, column in columns.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for strict JSON."""
        return {
            "structures": list(self.names),
            "signals": dict(self.signals),
            "dice": {head: {name: asdict(interval) for name, interval in self.dice(head).items()} for head in self.volumes},
            "volumes": [{"id": v.entry.row.id, "dice": dict(zip(self.names, v.dice, strict=True))} for v in self.volumes[FIELD]],
            "parameters": self.parameters,
            "epochs": dict(self.epochs),
            "fit_seconds": self.fit_seconds,
        }


def segment(
    latents: LatentSet, source: Source, options: SegmentOptions | None = None, *, progress: Callable[[str], None] = lambda line: None
) -> Segmentation:
    """Train a head on ``train``, choosing its weights on ``val``, and measure Dice on the whole signals of ``test``.

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
            raise DataError(f"no signal of split '{split}' has a label map; segmentation needs some in {', '.join(SPLITS)}")
    classes = 1 + max(int(entry.mask.max()) for split in ("train", "val") for entry in rows[split])
    if classes < 2:
        raise DataError("the label maps of train and val hold background only; expected at least one structure")
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
        volumes[name] = [_measured(entry, segmenter.segment(entry), classes) for entry in seen["test"]]
    names = tuple(masked.mask_names.get(number, f"class {number}") for number in range(1, classes))
    return Segmentation(names, {s: len(r) for s, r in rows.items()}, volumes, parameters[FIELD], epochs, seconds[FIELD])


def dice_of(truth: Int[ndarray, "*shape"], guess: Int[ndarray, "*shape"], number: int) -> float | None:
    """Twice the common samples of a class over the samples of both; None where neither map has the class."""
    both, either = ((truth == number) & (guess == number)).sum(), (truth == number).sum() + (guess == number).sum()
    return float(2 * both / either) if either else None


def _measured(entry: MaskedRow, guess: Int[ndarray, "*shape"], classes: int) -> SegmentedVolume:
    return SegmentedVolume(entry, guess, tuple(dice_of(entry.mask, guess, number) for number in range(1, classes)))


def _without_latent(entry: MaskedRow) -> MaskedRow:
    return replace(entry, row=replace(entry.row, latent=np.zeros_like(entry.row.latent)))


def _latents(rows: Sequence[MaskedRow]) -> Float[ndarray, "signals latent"]:
    return np.stack([entry.row.latent for entry in rows])
