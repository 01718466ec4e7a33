"""A field of one's own: Gabor wavelets whose centres the latent moves (after WIRE, Saragadam 2023).

In a package of yours, say in pyproject.toml which row it is:

    [project.entry-points."medfuncta.fields"]
    gabor = "gabor_field:KIND"

and train it with ``medfuncta train --data ... --out run --set field.kind=gabor``. It needs no
derivatives of its own: training, fitting, decoding and export work for any module.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import medfuncta


@dataclass(frozen=True, kw_only=True)
class GaborConfig(medfuncta.FieldConfig):
    """Sizes and frequencies.

    Args:
        width: Wavelets of a layer.
        omega: Their frequency.
        scale: One over their width.
    """

    kind: str = "gabor"
    width: int = 64
    omega: float = 20.0
    scale: float = 5.0


class GaborField(medfuncta.Field[GaborConfig]):
    """Two layers ``cos(w z) exp(-(s z)^2)`` of what the latent shifts, and a linear one."""

    def __init__(self, config: GaborConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.first = nn.Linear(config.dim, config.width)
        self.second = nn.Linear(config.width, config.width)
        self.shift = nn.Linear(config.latent_size, config.width, bias=False)
        self.last = nn.Linear(config.width, config.channels)
        for parameter in self.parameters():
            size = parameter.shape[-1] ** -0.5
            nn.init.uniform_(parameter, -size, size, generator=generator)

    def forward(self, coordinates: Tensor, latents: Tensor) -> Tensor:
        state = self._wavelet(self.first(coordinates))
        state = self._wavelet(self.second(state) + self.shift(latents).unsqueeze(1))
        return self.last(state)

    def _wavelet(self, z: Tensor) -> Tensor:
        return torch.cos(self.config.omega * z) * torch.exp(-((self.config.scale * z) ** 2))


KIND = medfuncta.FieldKind(GaborConfig, GaborField)
