"""Segmentation on top of a fitted field: a small head reads the field's features at a point and the
latent, and says the class there.

The idea is MetaSeg's (Vyas et al. 2025): what a shared network computes on its way to a value tells
much about what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional

from medfuncta._src.config import Batch
from medfuncta._src.door.limits import DrawnPoints, Epochs, Seed, Units
from medfuncta._src.field.device import default_device
from medfuncta._src.latents.decode import CHUNK
from medfuncta._src.tasks.heads.masks import MaskedRow
from medfuncta._src.tasks.heads.preparation import Preparation
from medfuncta._src.tasks.heads.training import (
    Recipe,
    Training,
    Validation,
    seeded,
    train_network,
)
from medfuncta._src.tasks.segment.points import Reader, SampledPoints, sample_points

_TINY: Final = 1e-6


@dataclass(frozen=True)
class SegmentOptions(Recipe):
    """How a segmentation head is made and trained; what is not listed is of :class:`Recipe`.

    Args:
        seed: Of initial weights, dropout, sampled points and order of signals.
        points: Drawn of each training signal.
        hidden: Units of both hidden layers.
        latent_units: Numbers that the latent is projected on.
    """

    epochs: Epochs = 100
    batch: Batch = 8
    patience: Epochs | None = 20
    seed: Seed = 0
    points: DrawnPoints = 2048
    hidden: Units = 128
    latent_units: Units = 32


class _SegmentationHead(nn.Module):
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
        features, latent = sampled.features.shape[-1], sampled.latents.shape[-1]
        hidden = options.hidden
        spread, mean = torch.std_mean(sampled.features, dim=(0, 1))
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread.clamp(min=_TINY))
        self.project = nn.Sequential(nn.Dropout(0.3), nn.Linear(latent, options.latent_units))
        self.read = nn.Linear(features + options.latent_units, hidden)
        self.rest = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(
        self,
        features: Float[Tensor, "signals points features"],
        latents: Float[Tensor, "signals latent"],
    ) -> Float[Tensor, "signals points classes"]:
        """Logits of each class."""
        projected = self.project(latents).unsqueeze(1).expand(-1, features.shape[1], -1)
        standardised = (features - self.mean) / self.spread
        return self.rest(self.read(torch.cat([standardised, projected], dim=-1)))


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

    def fit(self, train: Sequence[MaskedRow], val: Sequence[MaskedRow]) -> Training:
        """Learn from ``train``, choosing weights by the mean Dice on sampled points of ``val``."""
        options = self._options
        generator = np.random.default_rng(options.seed)
        self._preparation.fit(_latents(train))
        sampled = self._sample(train, generator)
        held_out = self._sample(val, generator)
        with seeded(options.seed):
            self._head = _SegmentationHead(sampled, self._classes, options).to(self._device)
            return train_network(
                self._head,
                options,
                len(sampled),
                loss=lambda rows: self._loss(sampled.take(rows)),
                validate=lambda: Validation(self._score(held_out)),
                generator=generator,
            )

    @torch.no_grad()
    def segment(self, entry: MaskedRow) -> Int[ndarray, "*shape"]:
        """The class at every sample of a signal, ``[*shape]``."""
        latent = torch.from_numpy(entry.row.latent).to(self._device)
        prepared, grid = self._prepared([entry]), entry.grid
        parts = []
        for start in range(0, grid.points, CHUNK):
            index = np.arange(start, min(start + CHUNK, grid.points))
            features = self._reader(latent, grid.coordinates_of(index))
            logits = self._head(features[None], prepared)[0]
            parts.append(logits.argmax(dim=-1))
        return torch.cat(parts).cpu().numpy().reshape(grid.shape)

    def _sample(self, rows: Sequence[MaskedRow], generator: np.random.Generator) -> SampledPoints:
        prepared = self._prepared(rows)
        return sample_points(rows, prepared, self._reader, self._options.points, generator)

    def _prepared(self, rows: Sequence[MaskedRow]) -> Tensor:
        return torch.from_numpy(self._preparation(_latents(rows))).to(self._device)

    def _loss(self, points: SampledPoints) -> Float[Tensor, ""]:
        """Cross-entropy plus one minus the soft Dice of the structures, both as if of whole
        signals."""
        logits = self._head(points.features, points.latents)
        entropies = functional.cross_entropy(
            logits.transpose(1, 2), points.classes, reduction="none"
        )
        entropy = (points.weights * entropies).sum(dim=1).mean()
        return entropy + 1 - self._dice(logits.softmax(dim=-1), points).mean()

    def _score(self, points: SampledPoints) -> float:
        guess = self._head(points.features, points.latents).argmax(dim=-1)
        return self._dice(functional.one_hot(guess, self._classes).float(), points).mean().item()

    def _dice(
        self, probabilities: Float[Tensor, "signals points classes"], points: SampledPoints
    ) -> Float[Tensor, "signals structures"]:
        truth = functional.one_hot(points.classes, self._classes)
        weights = points.weights.unsqueeze(-1)
        both = (weights * (probabilities * truth)).sum(dim=1)[:, 1:]
        either = (weights * (probabilities + truth)).sum(dim=1)[:, 1:]
        return (2 * both + _TINY) / (either + _TINY)


def _latents(rows: Sequence[MaskedRow]) -> Float[ndarray, "signals latent"]:
    return np.stack([entry.row.latent for entry in rows])
