"""What a segmentation head reads at a point, and the sampled points that it learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from medfuncta._src.field.field import Field
from medfuncta._src.tasks.heads.masks import MaskedRow
from medfuncta._src.types import ArrayCoordinates

Reader = Callable[[Tensor, ArrayCoordinates], Tensor]
"""A latent ``[latent]`` and coordinates ``[points, dim]`` to what the head reads there,
``[points, features]``."""


def field_features(network: Field) -> Reader:
    """What the last layer of the field reads, for it has learned to tell points apart; and the
    coordinates themselves."""

    def read(latent: Tensor, coordinates: ArrayCoordinates) -> Tensor:
        where = torch.from_numpy(coordinates).to(network.device, network.dtype)
        phi = latent.to(network.device, network.dtype)
        with torch.no_grad():
            features = network.features(where[None], phi[None])[0]
        return torch.cat([features, where], dim=-1).float()

    return read


def place_alone(latent: Tensor, coordinates: ArrayCoordinates) -> Tensor:
    """The coordinates themselves: a head that knows nothing of the signal, to compare with."""
    return torch.from_numpy(coordinates).to(latent.device)


@dataclass(frozen=True, eq=False)
class SampledPoints:
    """Points of several signals with the class of each.

    Every class of a signal has the same number of points, however small it is; the weight of a
    point is the share of the signal's samples that it stands for, so that weighted sums estimate
    those over whole signals.

    Args:
        features: ``[signals, points, features]``.
        latents: ``[signals, latent]``.
        classes: ``[signals, points]``.
        weights: ``[signals, points]``, of sum 1 a signal.
    """

    features: Float[Tensor, "signals points features"]
    latents: Float[Tensor, "signals latent"]
    classes: Int[Tensor, "signals points"]
    weights: Float[Tensor, "signals points"]

    def __len__(self) -> int:
        return len(self.latents)

    def take(self, rows: ndarray) -> SampledPoints:
        """Those of these signals."""
        which = torch.from_numpy(rows)
        return SampledPoints(
            self.features[which], self.latents[which], self.classes[which], self.weights[which]
        )


def sample_points(
    rows: Sequence[MaskedRow],
    latents: Float[Tensor, "signals latent"],
    reader: Reader,
    points: int,
    generator: np.random.Generator,
) -> SampledPoints:
    """Draw points of every signal.

    Args:
        rows: The signals.
        latents: What the head sees of their latents, beside them.
        reader: What it sees of a point.
        points: Drawn a signal; memory is ``signals x points x features`` numbers.
        generator: Where they are drawn from.
    """
    device = latents.device
    features, classes, weights = [], [], []
    for entry in rows:
        mask = entry.mask.ravel()
        index, weight = _draw(mask, points, generator)
        latent = torch.from_numpy(entry.row.latent).to(device)
        features.append(reader(latent, entry.grid.coordinates_of(index)))
        classes.append(mask[index].astype(np.int64))
        weights.append(weight)
    return SampledPoints(
        torch.stack(features),
        latents,
        torch.from_numpy(np.stack(classes)).to(device),
        torch.from_numpy(np.stack(weights)).to(device),
    )


def _draw(
    mask: Int[ndarray, " samples"], points: int, generator: np.random.Generator
) -> tuple[ndarray, Float[ndarray, " points"]]:
    """Flat indices of points, as many in each class, and their weights."""
    present = np.unique(mask)
    shares = np.array_split(np.arange(points), len(present))
    indices, weights = [], []
    for number, share in zip(present, shares, strict=True):
        places, count = np.flatnonzero(mask == number), len(share)
        indices.append(generator.choice(places, count))
        weight = len(places) / (count * mask.size) if count else 0.0
        weights.append(np.full(count, weight, np.float32))
    return np.concatenate(indices), np.concatenate(weights)
