"""What the hand-written derivatives remember; names are those of
:mod:`medfuncta.learning.siren_objective`."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from medfuncta.field.layers import Ascent


@dataclass(eq=False)
class Sweep:
    """One forward and backward pass over one chunk of points."""

    ascent: Ascent  # with all states
    descents: list[Tensor]  # d of the shifted layers, [batch, points, width]
    error: Tensor  # dL/doutput; [batch, points, channels]


@dataclass(eq=False)
class Kept:
    """Of a sweep, what costs a matrix product: the rest follows from it."""

    products: list[
        Tensor
    ]  # W h of layers 1..K-1, [batch | 1, points, width]: 1 where signals share them
    descents: list[Tensor]
    error: Tensor


@dataclass(eq=False)
class Tape:
    """Of one inner step t of each layer, dL/dt, and the first chunks, as many as were to be
    kept."""

    offsets: list[Tensor]
    gradient: Tensor  # [batch, layers, width]
    chunks: list[Kept] = field(default_factory=list)


@dataclass(eq=False)
class SirenSums:
    """Gradients with respect to the folded weights.

    Those of the shift maps, the largest ones, are sums of dL/dt^T phi over signals and steps. The
    factors gather and are multiplied when they take more memory than their product.
    """

    weights: list[Tensor]
    biases: Tensor  # [layers 1..K-1, width]
    last_weight: Tensor
    last_bias: Tensor
    shift_map: Tensor | None = None  # [all shifts, latent]
    factors: list[tuple[Tensor, Tensor]] = field(
        default_factory=list
    )  # dL/dt [batch, all shifts], phi [batch, latent]

    def add_factors(self, gradient: Tensor, latents: Tensor) -> None:
        """Add ``gradient^T latents`` to the shift maps, now or with later ones."""
        self.factors.append((gradient, latents))
        (_, shifts), (_, latent) = gradient.shape, latents.shape
        if sum(len(rows) for rows, _ in self.factors) * (shifts + latent) > shifts * latent:
            self.multiply_factors()

    def multiply_factors(self) -> Tensor:
        """The gradient of the shift maps, with all factors multiplied that have gathered."""
        if self.factors:
            gradients, latents = (torch.cat(rows) for rows in zip(*self.factors, strict=True))
            self.factors.clear()
            self.shift_map = (
                gradients.T @ latents
                if self.shift_map is None
                else self.shift_map.addmm_(gradients.T, latents)
            )
        assert self.shift_map is not None  # every worker has at least one signal
        return self.shift_map

    def add(self, other: SirenSums) -> None:
        """Add another worker's sums."""
        for mine, theirs in zip(self.weights, other.weights, strict=True):
            mine += theirs
        self.biases += other.biases
        self.last_weight += other.last_weight
        self.last_bias += other.last_bias
        self.factors += other.factors
        if self.shift_map is None:
            self.shift_map = other.shift_map
        elif other.shift_map is not None:
            self.shift_map += other.shift_map
