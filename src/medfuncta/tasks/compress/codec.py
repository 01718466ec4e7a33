"""What a codec of signals is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from medfuncta.types import ArrayValues


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
