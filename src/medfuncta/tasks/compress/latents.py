"""Latents as short streams of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from medfuncta.tasks.compress.entropy import EntropyCoder
from medfuncta.types import ArrayLatents

BIT_DEPTHS: Final = (3, 4, 5, 6, 7, 8, 10)
"""How finely latents are quantised."""
_NUMBER_BYTES: Final = 4


@dataclass(frozen=True, eq=False)
class LatentCodec:
    """Uniform quantisation, one step an entry of the latent, and entropy coding.

    Args:
        steps: The quantisation step of each entry.
        coder: With one distribution an entry.
    """

    steps: Float[ndarray, " latent"]
    coder: EntropyCoder

    @classmethod
    def learn(cls, latents: ArrayLatents, bits: int) -> LatentCodec:
        """The codec whose ``2**bits - 1`` levels, symmetric about 0, span each entry of these training latents."""
        reach = np.abs(latents).max(axis=0)
        steps = np.where(reach > 0, reach, 1).astype(np.float32) / (2 ** (bits - 1) - 1)
        rows = list(np.rint(latents / steps).astype(np.int64))
        return cls(steps, EntropyCoder.learn(rows, [np.arange(latents.shape[1])] * len(rows)))

    @property
    def shared_bytes(self) -> int:
        """What a decoder must know besides the streams and the field."""
        return self.coder.bytes + _NUMBER_BYTES * self.steps.size

    def encode(self, latent: Float[ndarray, " latent"]) -> bytes:
        """One latent as a stream of its own."""
        return self.coder.encode(np.rint(latent / self.steps).astype(np.int64), np.arange(latent.size))

    def decode(self, data: bytes) -> Float[ndarray, " latent"]:
        """The quantised latent, float32."""
        return self.coder.decode(data, np.arange(self.steps.size)).astype(np.float32) * self.steps
