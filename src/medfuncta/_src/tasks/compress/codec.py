"""What codecs are made of: what a codec of signals is, and entropy coding of whole numbers whose
distribution was learned from training data; every size is that of a real stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta._src.errors import missing_extra
from medfuncta._src.types import ArrayValues

_LEAST_SCALE: Final = 0.1
"""Of a group of zeros only: a hundredth of a bit a symbol, and room for a surprise."""
NUMBER_BYTES: Final = 4
"""Of a stored number that a decoder must know."""


class Codec(ABC):
    """Codes normalised values on a grid at one setting of quality.

    Args:
        setting: The quality in words, for the report.
    """

    name: ClassVar[str]

    def __init__(self, setting: str) -> None:
        self.setting = setting

    @property
    def shared_bytes(self) -> int:
        """What a decoder must know besides the streams."""
        return 0

    def container_bytes(self, shape: tuple[int, ...]) -> int:
        """How much of every stream of values ``[*shape]`` is file format, and could be shared by
        all."""
        return 0

    @abstractmethod
    def encode(self, values: ArrayValues) -> bytes:
        """Values in [0, 1], ``[*grid.shape, channels]``, as a stream of their own."""

    @abstractmethod
    def decode(self, data: bytes, shape: tuple[int, ...]) -> ArrayValues:
        """About these values ``[*grid.shape, channels]`` again, float32; ``shape`` includes the
        channels."""


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
        # Scales of maximum likelihood.
        scales = {
            "QuantizedLaplace": np.bincount(group, np.abs(offsets)) / count,
            "QuantizedGaussian": np.sqrt(np.bincount(group, offsets**2) / count),
        }
        coders = []
        for family, scale in scales.items():
            coders.append(cls(family, mean, np.maximum(scale, _LEAST_SCALE), largest))
        return min(coders, key=lambda coder: len(coder.encode(symbols, group)))

    @property
    def bytes(self) -> int:
        """What a decoder must know besides the streams."""
        return NUMBER_BYTES * (self.location.size + self.scale.size)

    def encode(self, symbols: Int[ndarray, " symbols"], groups: Int[ndarray, " symbols"]) -> bytes:
        """One signal as a stream of whole 32-bit words."""
        encoder = _constriction().stream.queue.RangeEncoder()
        inside = np.clip(symbols, -self.largest, self.largest).astype(np.int32)
        encoder.encode(inside, self._model(), self.location[groups], self.scale[groups])
        return encoder.get_compressed().tobytes()

    def decode(self, data: bytes, groups: Int[ndarray, " symbols"]) -> Int[ndarray, " symbols"]:
        """The symbols of a stream."""
        decoder = _constriction().stream.queue.RangeDecoder(np.frombuffer(data, np.uint32))
        return decoder.decode(self._model(), self.location[groups], self.scale[groups])

    def _model(self) -> Any:
        return getattr(_constriction().stream.model, self.family)(-self.largest, self.largest)


def _constriction() -> Any:
    """The package that does the coding.

    Raises:
        MedFunctaError: If it is not installed.
    """
    try:
        import constriction
    except ImportError as error:
        raise missing_extra("constriction", "compress") from error
    return constriction
