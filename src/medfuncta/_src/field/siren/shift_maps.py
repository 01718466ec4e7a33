"""Between latents and the shifts of all layers: products with the shift maps, the largest matrices
of a field."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import torch
from torch import Tensor

from medfuncta._src.types import Latents

_SMALL: Final = 2**20


class ShiftMaps:
    """t of the shifted layers, side by side, as a linear function of the latent, ``t = w M phi``,
    and its transpose.

    Large maps are read where they are, one after the other; small ones are copied into one, with w
    folded into it.

    Args:
        maps: w and M ``[width, latent]`` of each shifted layer.
        small: Maps of at most so many numbers are copied into one: a call costs more than they do.
    """

    def __init__(self, maps: Sequence[tuple[float, Tensor]], *, small: int = _SMALL) -> None:
        self._maps = list(maps)
        shifts = sum(len(weight) for _, weight in self._maps)
        latent = self._maps[0][1].shape[1]
        self.shape = shifts, latent
        """Shifts of all layers, entries of a latent."""
        if shifts * latent <= small:
            self._maps = [(1.0, self.matrix())]
        ends = accumulate(len(weight) for _, weight in self._maps)
        self._spans = []
        for end, (_, weight) in zip(ends, self._maps, strict=True):
            self._spans.append(slice(end - len(weight), end))

    def matrix(self) -> Tensor:
        """w M of all layers, ``[all shifts, latent]``."""
        return torch.cat([omega * weight for omega, weight in self._maps])

    def shifts(self, latents: Latents) -> Tensor:
        """``[batch, all shifts]`` of latents."""
        shifts = latents.new_empty(len(latents), self.shape[0])
        for span, (omega, weight) in reversed(list(zip(self._spans, self._maps, strict=True))):
            torch.mul(latents @ weight.T, omega, out=shifts[:, span])
        return shifts

    def to_latents(self, shifts: Tensor) -> Latents:
        """dL/dphi, ``[batch, latent]``, of dL/dt, ``[batch, all shifts]``.

        Goes through the maps the other way round than :meth:`shifts`, which an inner step calls
        next: the last ones are still in cache.
        """
        latents = shifts.new_zeros(len(shifts), self.shape[1])
        for span, (omega, weight) in zip(self._spans, self._maps, strict=True):
            latents.addmm_(shifts[:, span], weight, alpha=omega)
        return latents
