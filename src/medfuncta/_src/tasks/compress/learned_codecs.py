"""Codecs whose entropy coder is learned from training signals: of latents, and beside them of
values by wavelets, by linear prediction, and by as many cosines or principal components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta._src.errors import missing_extra
from medfuncta._src.tasks.compress.codec import NUMBER_BYTES, Codec, EntropyCoder
from medfuncta._src.tasks.evaluate.linear import LinearCode, LowestCosines, PrincipalComponents
from medfuncta._src.types import ArrayLatents, ArrayValues

LATENT_STEPS: Final = (2.0, 1.0, 0.5, 0.25, 0.125, 0.0625)
"""How finely latents are quantised, in units of the root mean square of their entries."""
_WAVELET: Final = "bior4.4"
"""The 9/7 wavelet of JPEG 2000."""
_EXPONENTS: Final = (1, 2, 3, 4, 5, 6, 7, 8)
_INTEGER_BITS: Final = (3, 4, 5, 6, 7, 8, 10)
_ORDERS: Final = (0, 1, 2, 3)
_ROUNDING: Final = 1 / 3  # less than 1/2: small coefficients cost more bits than they are worth


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
        on its own half, a component fits better than it will on unseen latents.
        """
        mean = latents.mean(axis=0)
        centred = latents - mean
        step = fineness * float(np.sqrt(np.square(centred).mean())) or 1.0
        half = (len(latents) + 1) // 2
        components = np.linalg.eigh(centred[:half].T @ centred[:half])[1][:, ::-1]
        rows = list(np.rint(centred[-half:] @ components / step).astype(np.int64))
        coder = EntropyCoder.learn(rows, [np.arange(len(mean))] * len(rows))
        return cls(mean, components, step, coder)

    @property
    def shared_bytes(self) -> int:
        """What a decoder must know besides the streams and the field."""
        return self.coder.bytes + NUMBER_BYTES * (self.mean.size + self.components.size + 1)

    def encode(self, latent: Float[ndarray, " latent"]) -> bytes:
        """One latent as a stream of its own."""
        steps = (latent - self.mean) @ self.components / self.step
        return self.coder.encode(np.rint(steps).astype(np.int64), np.arange(latent.size))

    def decode(self, data: bytes) -> Float[ndarray, " latent"]:
        """The quantised latent, float32."""
        symbols = self.coder.decode(data, np.arange(self.mean.size))
        return self.mean + self.components @ (symbols * self.step).astype(np.float32)


class LinearCodec(Codec):
    """As many numbers as a latent has that ask for no network, coded as latents are.

    Args:
        code: Cosines or principal components.
        fineness: As for :meth:`LatentCodec.learn`.
        training: The numbers of training signals.
    """

    def __init__(self, code: LinearCode, fineness: float, training: ArrayLatents) -> None:
        super().__init__(step_setting(fineness))
        self._code = code
        self._of_numbers = LatentCodec.learn(training, fineness)

    @property
    def shared_bytes(self) -> int:
        return self._of_numbers.shared_bytes + NUMBER_BYTES * self._code.shared_numbers

    def encode(self, values: ArrayValues) -> bytes:
        return self._of_numbers.encode(self._code.numbers(values[None])[0])

    def decode(self, data: bytes, shape: tuple[int, ...]) -> ArrayValues:
        numbers = self._of_numbers.decode(data)
        return self._code.values(numbers[None], shape)[0]


class CosineCodec(LinearCodec):
    """The lowest cosines."""

    name: ClassVar[str] = LowestCosines.name


class ComponentCodec(LinearCodec):
    """Principal components."""

    name: ClassVar[str] = PrincipalComponents.name


def linear_codecs(
    codes: Sequence[LinearCode], training: Sequence[ArrayValues], fineness: Sequence[float]
) -> list[Codec]:
    """Cosines and principal components at all settings."""
    codecs: list[Codec] = []
    for code in codes:
        kind = ComponentCodec if isinstance(code, PrincipalComponents) else CosineCodec
        numbers = np.concatenate([code.numbers(values[None]) for values in training])
        codecs += [kind(code, step, numbers) for step in fineness]
    return codecs


def step_setting(fineness: float) -> str:
    """How finely numbers are quantised, in words."""
    return f"step {fineness:g} rms"


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
        symbols, groups = zip(*map(self._symbols, training), strict=True)
        self._coder = EntropyCoder.learn(symbols, groups)

    @property
    def shared_bytes(self) -> int:
        return self._coder.bytes

    def encode(self, values: ArrayValues) -> bytes:
        return self._coder.encode(*self._symbols(values))

    def decode(self, data: bytes, shape: tuple[int, ...]) -> ArrayValues:
        _, groups, slices, shapes = self._transform(np.zeros(shape, np.float32))
        symbols = self._coder.decode(data, groups).reshape(shape[-1], -1)
        part = tuple(slice(n) for n in shape[:-1])
        pywt = _pywt()
        channels = []
        for row in symbols:
            bands = pywt.unravel_coeffs(row * self._step, slices, shapes, "wavedecn")
            channels.append(pywt.waverecn(bands, _WAVELET, "symmetric")[part])
        return np.stack(channels, axis=-1).astype(np.float32)

    def _symbols(
        self, values: ArrayValues
    ) -> tuple[Int[ndarray, " symbols"], Int[ndarray, " symbols"]]:
        coefficients, groups, _, _ = self._transform(values)
        steps = np.floor(np.abs(coefficients) / self._step + _ROUNDING)
        return (np.sign(coefficients) * steps).astype(np.int64), groups

    def _transform(self, values: ArrayValues) -> tuple[ndarray, ndarray, Any, Any]:
        """Coefficients channel after channel, the band of each, and where the bands of one channel
        lie."""
        pywt = _pywt()
        flat, slices, shapes = [], [], []
        for channel in np.moveaxis(values.astype(np.float64), -1, 0):
            coefficients = pywt.wavedecn(channel, _WAVELET, "symmetric", self._levels)
            array, slices, shapes = pywt.ravel_coeffs(coefficients)
            flat.append(array)
        stops = [slices[0].stop]
        for level in slices[1:]:
            stops += [part.stop for part in level.values()]
        band = np.repeat(np.arange(len(stops)), np.diff(stops, prepend=0))
        groups = band + len(stops) * np.arange(values.shape[-1])[:, None]
        return np.concatenate(flat), groups.ravel(), slices, shapes


def _levels(shape: tuple[int, ...]) -> int:
    return _pywt().dwtn_max_level(shape[:-1], _WAVELET)


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
        least: int | None = None
        for order in _ORDERS:
            residuals = [self._residuals(values, order) for values in training]
            groups = [_starts(values.shape, order) for values in training]
            coder = EntropyCoder.learn(residuals, groups)
            size = len(coder.encode(np.concatenate(residuals), np.concatenate(groups)))
            if least is None or size < least:
                least, self._order, self._coder = size, order, coder

    @property
    def shared_bytes(self) -> int:
        return self._coder.bytes

    def encode(self, values: ArrayValues) -> bytes:
        residuals = self._residuals(values, self._order)
        return self._coder.encode(residuals, _starts(values.shape, self._order))

    def decode(self, data: bytes, shape: tuple[int, ...]) -> ArrayValues:
        residuals = self._coder.decode(data, _starts(shape, self._order))
        numbers = residuals.reshape(shape).astype(np.int64)
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
    return [Wavelet(exponent, training) for exponent in _EXPONENTS]


def trace_codecs(training: Sequence[ArrayValues]) -> list[Codec]:
    """The codecs of traces at all settings."""
    return [LinearPrediction(bits, training) for bits in _INTEGER_BITS]


def _pywt() -> Any:
    try:
        import pywt
    except ImportError as error:
        raise missing_extra("PyWavelets", "compress") from error
    return pywt
