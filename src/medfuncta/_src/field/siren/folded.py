"""A SIREN's parameters with the omegas folded into them, as its derivatives read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.omega import omegas
from medfuncta._src.types import Latents


@dataclass(frozen=True, eq=False)
class FoldedSiren:
    """Layers 1..K-1 are ``sin(W h + bias + w M phi)``.

    Args:
        config: Sizes and frequencies.
        weights: W = w_k W_k of layers 1..K-1, ``[width, inputs]``.
        biases: w_k (b_k + m_k), ``[layers 1..K-1, width]``.
        shift_maps: w_k and M_k ``[width, latent]`` of the shifted layers.
        last_weight: ``[channels, width]``.
        last_bias: ``[channels]``, the output's offset included.
        names: Of all parameters, in the order of the module.
    """

    config: SirenConfig
    weights: Sequence[Tensor]
    biases: Tensor
    shift_maps: Sequence[tuple[float, Tensor]]
    last_weight: Tensor
    last_bias: Tensor
    names: Sequence[str]

    @property
    def omegas(self) -> tuple[float, ...]:
        """w of layers 1..K-1."""
        return omegas(self.config)[:-1]

    @property
    def first_shifted(self) -> int:
        """The first layer, from 0, that a latent shifts."""
        return 0 if self.config.shift_first else 1

    def offsets(self, latents: Latents) -> list[Tensor]:
        """t = w (b + M phi + m) of layers 1..K-1, ``[batch, 1, width]``; ``[1, 1, width]`` of a
        layer that latents do not shift."""
        unshifted = [bias.reshape(1, 1, -1) for bias in self.biases[: self.first_shifted]]
        shifted = []
        for (omega, weight), bias in zip(
            self.shift_maps, self.biases[self.first_shifted :], strict=True
        ):
            shifted.append(torch.addmm(bias, latents, weight.T, alpha=omega).unsqueeze(1))
        return [*unshifted, *shifted]
