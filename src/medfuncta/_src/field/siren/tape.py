"""What the hand-written derivatives remember; words are those of
:mod:`medfuncta._src.field.siren.layers`."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from medfuncta._src.field.siren.layers import Activations


@dataclass(eq=False)
class ChunkPass:
    """One forward and backward pass over one chunk of points.

    Args:
        activations: With all states.
        cotangents: d of the shifted layers, ``[batch, points, width]``.
        error: dL/doutput, ``[batch, points, channels]``.
    """

    activations: Activations
    cotangents: list[Tensor]
    error: Tensor


@dataclass(eq=False)
class ChunkTape:
    """Of such a pass, what costs a matrix product: the rest follows from it.

    Args:
        products: W h of layers 1..K-1, ``[batch | 1, points, width]``: 1 where signals share them.
        cotangents: d of the shifted layers.
        error: dL/doutput.
    """

    products: list[Tensor]
    cotangents: list[Tensor]
    error: Tensor


@dataclass(eq=False)
class Tape:
    """What is kept of one inner step.

    Args:
        offsets: t of each layer.
        gradient: dL/dt, ``[batch, layers, width]``.
        chunks: The first chunks of points, as many as were to be kept.
    """

    offsets: list[Tensor]
    gradient: Tensor
    chunks: list[ChunkTape] = field(default_factory=list)


@dataclass(eq=False)
class SirenSums:
    """Gradients with respect to the folded weights.

    Those of the shift maps, the largest ones, are sums of dL/dt^T phi over signals and steps. The
    factors gather and are multiplied when they take more memory than their product.

    Args:
        weights: Of each layer's W.
        biases: ``[layers 1..K-1, width]``.
        last_weight, last_bias: Of the last layer.
        shift_map: Of all shift maps, ``[all shifts, latent]``, as far as factors are multiplied.
        factors: dL/dt ``[batch, all shifts]`` and phi ``[batch, latent]``, not multiplied yet.
    """

    weights: list[Tensor]
    biases: Tensor
    last_weight: Tensor
    last_bias: Tensor
    shift_map: Tensor | None = None
    factors: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def add_factors(self, gradient: Tensor, latents: Tensor) -> None:
        """Add ``gradient^T latents`` to the shift maps, now or with later ones."""
        self.factors.append((gradient, latents))
        shifts, latent = gradient.shape[1], latents.shape[1]
        rows = sum(len(factor) for factor, _ in self.factors)
        if rows * (shifts + latent) > shifts * latent:
            self.multiply_factors()

    def multiply_factors(self) -> Tensor:
        """The gradient of the shift maps, with all factors multiplied that have gathered."""
        if self.factors:
            gradients, latents = (torch.cat(rows) for rows in zip(*self.factors, strict=True))
            self.factors.clear()
            if self.shift_map is None:
                self.shift_map = gradients.T @ latents
            else:
                self.shift_map.addmm_(gradients.T, latents)
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
