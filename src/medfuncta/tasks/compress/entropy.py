"""Entropy coding of whole numbers whose distribution was learned from training data; every size is
that of a real stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta.errors import missing_extra

_FAMILIES: Final = ("QuantizedLaplace", "QuantizedGaussian")
_LEAST_SCALE: Final = (
    0.1  # a group of zeros only: a hundredth of a bit a symbol, and room for a surprise
)
_NUMBER_BYTES: Final = 4  # of a stored location or scale


def constriction() -> Any:
    """The package that does the coding.

    Raises:
        MedFunctaError: If it is not installed.
    """
    try:
        import constriction
    except ImportError as error:
        raise missing_extra("constriction", "compress") from error
    return constriction


@dataclass(frozen=True, eq=False)
class EntropyCoder:
    """A range coder with one distribution a group of symbols, such as an entry of the latent or a
    wavelet band.

    Args:
        family: Of the distributions, by its name in ``constriction``.
        location, scale: Of each group.
        largest: Symbols lie in ``[-largest, largest]``; those beyond are clipped.
    """

    family: str
    location: Float[ndarray, " groups"]
    scale: Float[ndarray, " groups"]
    largest: int

    @classmethod
    def learn(
        cls, rows: Sequence[Int[ndarray, " _"]], groups: Sequence[Int[ndarray, " _"]]
    ) -> EntropyCoder:
        """The coder of the family that codes the training symbols shortest.

        Args:
            rows: Symbols of each training signal.
            groups: The group of each of them; every group must occur.
        """
        symbols, group = np.concatenate(rows), np.concatenate(groups)
        largest = 2 * int(np.abs(symbols).max(initial=0)) + 1  # unseen signals reach further
        count = np.bincount(group)
        mean = np.bincount(group, symbols) / count
        offsets = symbols - mean[group]
        spreads = (
            np.bincount(group, np.abs(offsets)) / count,
            np.sqrt(np.bincount(group, offsets**2) / count),
        )  # of maximum likelihood
        coders = [
            cls(f, mean, np.maximum(spread, _LEAST_SCALE), largest)
            for f, spread in zip(_FAMILIES, spreads, strict=True)
        ]
        return min(coders, key=lambda coder: len(coder.encode(symbols, group)))

    @property
    def bytes(self) -> int:
        """What a decoder must know besides the streams."""
        return _NUMBER_BYTES * (self.location.size + self.scale.size)

    def encode(self, symbols: Int[ndarray, " symbols"], groups: Int[ndarray, " symbols"]) -> bytes:
        """One signal as a stream of whole 32-bit words."""
        encoder = constriction().stream.queue.RangeEncoder()
        inside = np.clip(symbols, -self.largest, self.largest).astype(np.int32)
        encoder.encode(inside, self._model(), self.location[groups], self.scale[groups])
        return encoder.get_compressed().tobytes()

    def decode(self, data: bytes, groups: Int[ndarray, " symbols"]) -> Int[ndarray, " symbols"]:
        """The symbols of a stream."""
        decoder = constriction().stream.queue.RangeDecoder(np.frombuffer(data, np.uint32))
        return decoder.decode(self._model(), self.location[groups], self.scale[groups])

    def _model(self) -> Any:
        return getattr(constriction().stream.model, self.family)(-self.largest, self.largest)
