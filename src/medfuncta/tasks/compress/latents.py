"""Latents as short streams of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from medfuncta.tasks.compress.entropy import EntropyCoder
from medfuncta.types import ArrayLatents

STEPS: Final = (2.0, 1.0, 0.5, 0.25, 0.125, 0.0625)
"""How finely latents are quantised, in units of the root mean square of their entries."""
_NUMBER_BYTES: Final = 4


@dataclass(frozen=True, eq=False)
class LatentCodec:
    """Principal components of latents, uniformly quantised with one step, and entropy coded.

    The components keep distances, so that an error of the components is as large an error of the
    latent; but few of them hold most of what latents differ in, and the others cost next to
    nothing.

    Args:
        mean: Of the training latents.
        components: One a column, orthonormal, those of large variance first.
        step: Of the quantisation.
        coder: With one distribution a component.
    """

    mean: Float[ndarray, " latent"]
    components: Float[ndarray, "latent latent"]
    step: float
    coder: EntropyCoder

    @classmethod
    def learn(cls, latents: ArrayLatents, fineness: float) -> LatentCodec:
        """The codec with a step of ``fineness`` times the root mean square of the entries of these
        training latents.

        Components are learned from one half of the latents and their distributions from the other:
            on its own half, a component fits
        better than it will on unseen latents.
        """
        mean = latents.mean(axis=0)
        centred = latents - mean
        step = fineness * float(np.sqrt(np.square(centred).mean())) or 1.0
        half = (len(latents) + 1) // 2
        components = np.linalg.eigh(centred[:half].T @ centred[:half])[1][:, ::-1]
        rows = list(np.rint(centred[-half:] @ components / step).astype(np.int64))
        return cls(
            mean, components, step, EntropyCoder.learn(rows, [np.arange(len(mean))] * len(rows))
        )

    @property
    def shared_bytes(self) -> int:
        """What a decoder must know besides the streams and the field."""
        return self.coder.bytes + _NUMBER_BYTES * (self.mean.size + self.components.size + 1)

    def encode(self, latent: Float[ndarray, " latent"]) -> bytes:
        """One latent as a stream of its own."""
        return self.coder.encode(
            np.rint((latent - self.mean) @ self.components / self.step).astype(np.int64),
            np.arange(latent.size),
        )

    def decode(self, data: bytes) -> Float[ndarray, " latent"]:
        """The quantised latent, float32."""
        symbols = self.coder.decode(data, np.arange(self.mean.size))
        return self.mean + self.components @ (symbols * self.step).astype(np.float32)
