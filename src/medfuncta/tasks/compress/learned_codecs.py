"""Codecs whose entropy coder is learned from training signals, as that of latents is: wavelets, and
linear prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from medfuncta.errors import missing_extra
from medfuncta.tasks.compress.codec import Codec
from medfuncta.tasks.compress.entropy import EntropyCoder
from medfuncta.types import ArrayValues

WAVELET: Final = "bior4.4"
"""The 9/7 wavelet of JPEG 2000."""
_STEPS: Final = (1, 2, 3, 4, 5, 6, 7, 8)
_INTEGER_BITS: Final = (3, 4, 5, 6, 7, 8, 10)
_ORDERS: Final = (0, 1, 2, 3)
_ROUNDING: Final = 1 / 3  # less than 1/2: small coefficients cost more bits than they are worth


def _pywt() -> Any:
    try:
        import pywt
    except ImportError as error:
        raise missing_extra("PyWavelets", "compress") from error
    return pywt


class Wavelet(Codec):
    """Wavelet coefficients of any dimension, thresholded and quantised by one step, with one
    distribution a band and channel.

    Args:
        exponent: The step is ``2**-exponent`` of the value range.
        training: Values of training signals, all of the dimension of those to come.
    """

    name: ClassVar[str] = "wavelet"

    def __init__(self, exponent: int, training: Sequence[ArrayValues]) -> None:
        super().__init__(f"step 2^-{exponent}")
        self._step = 2.0**-exponent
        self._levels = min(_levels(values.shape) for values in training)
        coded = [self._symbols(values) for values in training]
        self._coder = EntropyCoder.learn(
            [symbols for symbols, _ in coded], [groups for _, groups in coded]
        )

    @property
    def shared_bytes(self) -> int:
        return self._coder.bytes

    def encode(self, values: ArrayValues) -> bytes:
        return self._coder.encode(*self._symbols(values))

    def decode(self, data: bytes, shape: tuple[int, ...]) -> ArrayValues:
        _, groups, slices, shapes = self._transform(np.zeros(shape, np.float32))
        symbols = self._coder.decode(data, groups).reshape(shape[-1], -1)
        part = tuple(slice(n) for n in shape[:-1])
        channels = [
            _pywt().waverecn(
                _pywt().unravel_coeffs(row * self._step, slices, shapes, "wavedecn"),
                WAVELET,
                "symmetric",
            )[part]
            for row in symbols
        ]
        return np.stack(channels, axis=-1).astype(np.float32)

    def _symbols(
        self, values: ArrayValues
    ) -> tuple[Int[ndarray, " symbols"], Int[ndarray, " symbols"]]:
        coefficients, groups, _, _ = self._transform(values)
        steps = np.abs(coefficients) / self._step
        return (np.sign(coefficients) * np.floor(steps + _ROUNDING)).astype(np.int64), groups

    def _transform(self, values: ArrayValues) -> tuple[ndarray, ndarray, Any, Any]:
        """Coefficients channel after channel, the band of each, and where the bands of one channel
        lie."""
        pywt = _pywt()
        flat, slices, shapes = [], [], []
        for channel in np.moveaxis(values.astype(np.float64), -1, 0):
            coefficients = pywt.wavedecn(channel, WAVELET, "symmetric", self._levels)
            array, slices, shapes = pywt.ravel_coeffs(coefficients)
            flat.append(array)
        stops = [slices[0].stop, *(part.stop for level in slices[1:] for part in level.values())]
        band = np.repeat(np.arange(len(stops)), np.diff(stops, prepend=0))
        groups = band + len(stops) * np.arange(values.shape[-1])[:, None]
        return np.concatenate(flat), groups.ravel(), slices, shapes


def _levels(shape: tuple[int, ...]) -> int:
    return _pywt().dwtn_max_level(shape[:-1], WAVELET)


class LinearPrediction(Codec):
    """Whole numbers of some bits, of which the difference from FLAC's fixed predictors is coded;
    exact where the data has no more bits.

    Args:
        bits: Of the whole numbers.
        training: Values ``[samples, channels]`` of training signals, by which the order of the
            predictor is chosen.
    """

    name: ClassVar[str] = "linear prediction"

    def __init__(self, bits: int, training: Sequence[ArrayValues]) -> None:
        super().__init__(f"{bits} bits")
        self._largest = 2**bits - 1
        coders = []
        for order in _ORDERS:
            residuals, groups = (
                [self._residuals(v, order) for v in training],
                [_starts(v.shape, order) for v in training],
            )
            coder = EntropyCoder.learn(residuals, groups)
            coders.append(
                (len(coder.encode(np.concatenate(residuals), np.concatenate(groups))), order, coder)
            )
        _, self._order, self._coder = min(coders, key=lambda entry: entry[:2])

    @property
    def shared_bytes(self) -> int:
        return self._coder.bytes

    def encode(self, values: ArrayValues) -> bytes:
        return self._coder.encode(
            self._residuals(values, self._order), _starts(values.shape, self._order)
        )

    def decode(self, data: bytes, shape: tuple[int, ...]) -> ArrayValues:
        numbers = (
            self._coder.decode(data, _starts(shape, self._order)).reshape(shape).astype(np.int64)
        )
        for _ in range(self._order):
            numbers = np.cumsum(numbers, axis=0)
        return (numbers / self._largest).astype(np.float32)

    def _residuals(self, values: ArrayValues, order: int) -> Int[ndarray, " samples"]:
        numbers = np.rint(np.clip(values, 0, 1) * self._largest).astype(np.int64)
        for _ in range(order):
            numbers = np.diff(numbers, axis=0, prepend=0)
        return numbers.ravel()


def _starts(shape: tuple[int, ...], order: int) -> Int[ndarray, " samples"]:
    """Groups of residuals: each of the first samples, which nothing predicts, then all others;
    channel by channel."""
    place = np.minimum(np.arange(shape[0]), order)[:, None]
    return (place + (order + 1) * np.arange(shape[1])).ravel()


def wavelet_codecs(training: Sequence[ArrayValues]) -> list[Codec]:
    """Wavelets at all settings."""
    return [Wavelet(exponent, training) for exponent in _STEPS]


def trace_codecs(training: Sequence[ArrayValues]) -> list[Codec]:
    """The codecs of traces at all settings."""
    return [LinearPrediction(bits, training) for bits in _INTEGER_BITS]
