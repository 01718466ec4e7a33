"""The field f(x; theta, phi): coordinates and latents in, values out."""

from __future__ import annotations

import math
from typing import TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from medfuncta.config import FieldConfig
from medfuncta.field.omega import omegas
from medfuncta.types import Coordinates, Latents, Values

Shift: TypeAlias = Float[Tensor, "batch #points outputs"]
"""What a layer adds: the same at every point, or one at each."""


class SirenLayer(nn.Module):
    """``sin(w (W x + b + M phi + m))``; without a shift map ``sin(w (W x + b))``.

    Initialised as in Sitzmann et al. 2020: W and b uniform within 1/n for the first layer and
        sqrt(6/n)/w for others (n = fan-in); the
    shift map M, m within 1/sqrt(P), PyTorch's default for a linear map.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        omega: float,
        latent_size: int | None,
        *,
        first: bool = False,
    ) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(inputs, outputs)
        self.shift = None if latent_size is None else nn.Linear(latent_size, outputs)
        self._bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega

    def reset(self, generator: torch.Generator) -> None:
        """Draw the initial parameters."""
        for parameter in self.linear.parameters():
            nn.init.uniform_(parameter, -self._bound, self._bound, generator=generator)
        if self.shift is not None:
            bound = 1 / math.sqrt(self.shift.in_features)
            for parameter in self.shift.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def shift_of(self, latents: Latents) -> Shift | None:
        """M phi + m, one shift for all points: ``[batch, 1, outputs]``; None without a shift
        map."""
        return None if self.shift is None else self.shift(latents).unsqueeze(1)

    def forward(
        self, inputs: Float[Tensor, "#batch points inputs"], shift: Shift | None
    ) -> Float[Tensor, "#batch points outputs"]:
        preactivation = self.linear(inputs)
        if shift is not None:
            preactivation = preactivation + shift
        return torch.sin(self.omega * preactivation)


class LatentField(nn.Module):
    """The shared network. Layer 1 is a SIREN layer, layers 2..K-1 are shifted by the latent, layer
    K is linear (paper, section 3.1).

    Args:
        config: Sizes and frequencies.
        generator: Where the initial parameters are drawn from; seed 0 when not given.
    """

    def __init__(self, config: FieldConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        schedule = omegas(config)
        latent_size = config.latent_size
        first = SirenLayer(
            config.dim,
            config.width,
            schedule[0],
            latent_size if config.shift_first else None,
            first=True,
        )
        hidden = [
            SirenLayer(config.width, config.width, omega, latent_size) for omega in schedule[1:-1]
        ]
        self.layers = nn.ModuleList([first, *hidden])
        self.last = nn.Linear(config.width, config.channels)
        self.reset(generator or torch.Generator().manual_seed(0))

    @property
    def siren_layers(self) -> list[SirenLayer]:
        """Layers 1..K-1."""
        return [cast(SirenLayer, layer) for layer in self.layers]

    @property
    def first_shifted(self) -> int:
        """The first layer, from 0, that a latent shifts."""
        return 0 if self.config.shift_first else 1

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw all initial parameters anew."""
        for layer in self.siren_layers:
            layer.reset(generator)
        bound = math.sqrt(6 / self.config.width) / omegas(self.config)[-1]
        for parameter in self.last.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)

    @torch.no_grad()
    def orthogonalise_shifts(self, generator: torch.Generator) -> None:
        """Draw the shift maps anew, each orthogonal and of the size it has: entries of a latent
        then move the shifts of a layer equally far and independently of each other (Saxe et al.
        2014)."""
        for layer in self.siren_layers:
            if layer.shift is not None:
                weight, size = layer.shift.weight, layer.shift.weight.norm()
                nn.init.orthogonal_(weight, generator=generator)
                weight *= size / weight.norm()

    def folded_weights(self) -> list[Tensor]:
        """w W of layers 1..K-1, a copy: what they read, times this, is what the sine is taken of,
        but for :meth:`folded_offsets`."""
        return [layer.omega * layer.linear.weight for layer in self.siren_layers]

    def folded_offsets(self, latents: Latents) -> list[Tensor]:
        """w (b + M phi + m) of layers 1..K-1, ``[batch, 1, width]``; ``[1, 1, width]`` of a layer
        that latents do not shift."""
        offsets = []
        for layer in self.siren_layers:
            shift, bias = layer.shift_of(latents), layer.linear.bias.reshape(1, 1, -1)
            offsets.append(layer.omega * (bias if shift is None else bias + shift))
        return offsets

    def features(
        self, coordinates: Coordinates, latents: Latents
    ) -> Float[Tensor, "batch points width"]:
        """What the last layer reads: the output of layer K-1."""
        first, *hidden = self.siren_layers
        outputs = first(coordinates, first.shift_of(latents))
        for layer in hidden:
            shifted = layer(outputs, layer.shift_of(latents))
            outputs = outputs + shifted if self.config.residual else shifted
        return outputs

    def forward(self, coordinates: Coordinates, latents: Latents) -> Values:
        """Values at coordinates.

        Args:
            coordinates: ``[batch, points, dim]``, or ``[1, points, dim]`` for a grid that all
                latents share.
            latents: ``[batch, latent]``.

        Returns:
            ``[batch, points, channels]``, near [0, 1] for a trained field.
        """
        return self.last(self.features(coordinates, latents)) + self.config.output_offset

    def zero_latents(self, batch: int) -> Latents:
        """phi_0 = 0 for ``batch`` signals, with the field's device and floating type: one row in
        memory, seen ``batch`` times."""
        return self.last.weight.new_zeros(1, self.config.latent_size).expand(batch, -1)
