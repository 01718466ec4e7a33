"""What the hand-written derivatives remember; names are those of :mod:`medfuncta.learning.siren_objective`."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

_FACTOR_ROWS = 256  # factors of the shift maps' gradients that gather before they are multiplied


@dataclass(eq=False)
class Sweep:
    """Activations of one forward and backward pass over one chunk of points; lists run over layers 1..K-1."""

    inputs: list[Tensor] = field(default_factory=list)  # h, what each layer reads; [batch | 1, points, width]
    cosines: list[Tensor] = field(default_factory=list)  # c
    sines: list[Tensor] = field(default_factory=list)  # sin a, dropped once q is known
    slopes: list[Tensor | None] = field(default_factory=list)  # e; None where no derivative is needed
    bends: list[Tensor | None] = field(default_factory=list)  # q
    features: Tensor = field(default_factory=lambda: torch.empty(0))  # h of the last layer
    error: Tensor = field(default_factory=lambda: torch.empty(0))  # dL/doutput; [batch, points, channels]


@dataclass(eq=False)
class Tape:
    """All chunks of one inner step, and the shift gradient there."""

    sweeps: list[Sweep]
    shift_gradient: Tensor


@dataclass(eq=False)
class SirenSums:
    """Gradients with respect to the folded weights. Those of the shift maps gather as factors, multiplied many at a time."""

    weights: list[Tensor]
    biases: list[Tensor]
    last_weight: Tensor
    last_bias: Tensor
    shift_map: Tensor
    shift_factors: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # dL/dt [batch, all shifts], phi [batch, latent]

    def add_shifts(self, gradient: Tensor, latents: Tensor) -> None:
        """Add ``gradient^T latents`` to the shift maps, now or with the next ones."""
        self.shift_factors.append((gradient, latents))
        if sum(len(rows) for rows, _ in self.shift_factors) >= _FACTOR_ROWS:
            self.multiply_factors()

    def multiply_factors(self) -> None:
        """Turn the factors that have gathered into their product."""
        gradients, latents = (torch.cat(rows) for rows in zip(*self.shift_factors, strict=True))
        self.shift_map.addmm_(gradients.T, latents)
        self.shift_factors.clear()
