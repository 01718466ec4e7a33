"""Steps that change values: intensity window, quantiles, colour to grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.preprocess.step import Step
from medfuncta._src.signals.signal import Signal, ValueRange

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in luminance (ITU-R BT.601), as Pillow has them."""


@dataclass(frozen=True)
class Window(Step):
    """Clip values to a window of physical values, which becomes the value range.

    Args:
        low, high: Physical values that become 0 and 1.
    """

    name: ClassVar[str] = "window"
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(
                f"a window from {self.low} to {self.high}; expected the lower value first"
            )

    def apply(self, signal: Signal) -> Signal:
        return _clipped(signal, ValueRange(self.low, self.high))


@dataclass(frozen=True)
class Quantiles(Step):
    """Clip values to quantiles of the observed ones, which become the value range.

    A signal whose quantiles coincide (one that is nearly all background) keeps its full range.

    Args:
        low, high: Quantiles, from 0 to 1.
        floor: When given, the lowest physical value there is: values below it are raised to it
            first.
    """

    name: ClassVar[str] = "quantiles"
    low: float
    high: float
    floor: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ConfigError(
                f"quantiles {self.low} and {self.high}; expected two numbers from 0 to 1, the "
                "lower one first"
            )

    def apply(self, signal: Signal) -> Signal:
        if self.floor is not None:
            signal = signal.with_values(
                np.maximum(signal.values, np.float32(self.floor)), signal.mask
            )
        observed = signal.observed_values()
        low, high = np.quantile(observed, [self.low, self.high])
        if low < high:
            return _clipped(signal, ValueRange(float(low), float(high)))
        return _clipped(signal, ValueRange.of(observed))


@dataclass(frozen=True)
class Grey(Step):
    """Red, green and blue to luminance; a grey signal stays as it is."""

    name: ClassVar[str] = "grey"

    def apply(self, signal: Signal) -> Signal:
        if signal.channels == 1:
            return signal
        if signal.channels != 3:
            raise DataError(
                f"signal '{signal.id}' has {counted(signal.channels, 'channel')}; expected 3 (red, "
                "green, "
                "blue) to make it grey"
            )
        return signal.with_values((signal.values @ _LUMA)[..., None], signal.mask)


def _clipped(signal: Signal, to: ValueRange) -> Signal:
    values = np.clip(signal.values, np.float32(to.low), np.float32(to.high))
    return signal.with_values(values, signal.mask).with_header(range=to)
