"""Signals as a few numbers with no network: the lowest cosines, and principal components of
training signals.

Both are read off a signal's orthonormal cosine coefficients on its own grid (DCT-II), which are
those of continuous functions on its box. So signals of different shapes share their components:
these are of the block of coefficients that every signal has. On one shared grid that is all of
them, and the components are exactly those of the samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.fft import dctn, idctn

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal

MOST_COMPONENTS: Final = 2048
_MOST_NUMBERS: Final = 2**26
"""Of the training signals that components are taken from: a quarter of a gigabyte. Where there are
more, fewer signals are used, evenly spread."""
_MOST_SIGNALS: Final = 4096
"""Training signals with more coefficients than this: a larger matrix takes minutes."""
_BATCH: Final = 64

NormalisedValues = Float[ndarray, "signals *shape channels"]
Coefficients = Float[ndarray, "signals *shape channels"]
Numbers = Float[ndarray, "signals numbers"]


class LinearCode(ABC):
    """So many numbers a signal, and the values that they stand for."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def count(self) -> int:
        """Numbers a signal."""

    @property
    @abstractmethod
    def shared_numbers(self) -> int:
        """What is known of all signals, once."""

    @abstractmethod
    def numbers(self, values: NormalisedValues) -> Numbers:
        """Those of signals of one shape."""

    @abstractmethod
    def values(self, numbers: Numbers, shape: tuple[int, ...]) -> NormalisedValues:
        """Of signals of one shape, the channels included; not clamped."""


class LowestCosines(LinearCode):
    """The coefficients of the lowest frequencies a side, channels in turn; those that a small
    signal does not have are 0.

    Args:
        count: Numbers a signal.
    """

    name: ClassVar[str] = "lowest cosines"

    def __init__(self, count: int) -> None:
        self._count = count

    @property
    def count(self) -> int:
        return self._count

    @property
    def shared_numbers(self) -> int:
        return 0

    def numbers(self, values: NormalisedValues) -> Numbers:
        coefficients = cosine_coefficients(values)
        scale = _scale(coefficients.shape)
        flat = coefficients.reshape(len(values), -1)
        found = np.zeros((len(values), self.count), np.float32)
        lowest = lowest_first(values.shape[1:])[: self.count]
        found[:, : len(lowest)] = flat[:, lowest] / scale
        return found

    def values(self, numbers: Numbers, shape: tuple[int, ...]) -> NormalisedValues:
        whole = np.zeros((len(numbers), prod(shape)), np.float32)
        lowest = lowest_first(shape)[: self.count]
        whole[:, lowest] = numbers[:, : len(lowest)]
        coefficients = whole.reshape(len(numbers), *shape)
        return values_of(coefficients * _scale(coefficients.shape))


@dataclass(frozen=True, eq=False)
class PrincipalComponents(LinearCode):
    """Principal components of coefficients. The mean signal, and what the components are, are
    shared by all signals.

    Args:
        block: The coefficients that all signals have, along each axis and the channels.
        mean: ``[numbers]`` of the training signals.
        directions: ``[components, numbers]``, the strongest first.
        training_signals: How many they are of.
    """

    name: ClassVar[str] = "principal components"
    block: tuple[int, ...]
    mean: Float[ndarray, " numbers"]
    directions: Float[ndarray, "components numbers"]
    training_signals: int

    @classmethod
    def none(cls, common: tuple[int, ...], channels: int) -> PrincipalComponents:
        """No components, where there are no training signals."""
        block = (*common, channels)
        nothing = np.zeros((0, prod(block)), np.float32)
        return cls(block, np.zeros(prod(block), np.float32), nothing, 0)

    @classmethod
    def of(cls, training: Iterable[ndarray], common: tuple[int, ...]) -> PrincipalComponents:
        """Those of training signals, as many as there are directions in them.

        Args:
            training: Batches of signals, ``[signals, *shape, channels]``, each of one shape.
            common: The smallest number of samples along each axis, of all signals to come too.
        """
        rows, block = [], common
        for values in training:
            block = (*common, values.shape[-1])
            rows.append(_cut(cosine_coefficients(values), block).reshape(len(values), -1))
        table = np.concatenate(rows)
        mean = table.mean(axis=0)
        return cls(block, mean, _directions(table - mean), len(table))

    def first(self, count: int) -> PrincipalComponents:
        """The strongest ones, so many at the most."""
        kept = self.directions[:count]
        return PrincipalComponents(self.block, self.mean, kept, self.training_signals)

    @property
    def count(self) -> int:
        return len(self.directions)

    @property
    def shared_numbers(self) -> int:
        return self.mean.size + self.directions.size

    def numbers(self, values: NormalisedValues) -> Numbers:
        return self.parts(cosine_coefficients(values))

    def values(self, numbers: Numbers, shape: tuple[int, ...]) -> NormalisedValues:
        return values_of(self.whole(numbers, self.count, (len(numbers), *shape)))

    def parts(self, coefficients: Coefficients) -> Numbers:
        """What a signal has of each component."""
        rows = _cut(coefficients, self.block).reshape(len(coefficients), -1)
        return (rows - self.mean) @ self.directions.T

    def whole(self, parts: Numbers, count: int, shape: tuple[int, ...]) -> Coefficients:
        """Coefficients of the first so many components."""
        rows = self.mean + parts[:, :count] @ self.directions[:count]
        whole = np.zeros(shape, np.float32)
        places = tuple(slice(0, size) for size in self.block)
        whole[(slice(None), *places)] = rows.reshape(-1, *self.block) * _scale(shape)
        return whole


def _directions(rows: Numbers) -> Float[ndarray, "components numbers"]:
    """Orthonormal principal directions of centred rows, from the smaller of the two products."""
    signals, numbers = rows.shape
    most = min(signals - 1, numbers, MOST_COMPONENTS)
    if most < 1:  # one signal is its own mean
        return np.zeros((0, numbers), np.float32)
    if numbers <= signals:
        _, vectors = np.linalg.eigh((rows.T @ rows).astype(np.float64))
        return vectors[:, ::-1][:, :most].T.astype(np.float32)
    strengths, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    strongest = slice(None, -most - 1, -1)
    strengths, vectors = strengths[strongest], vectors[:, strongest]
    kept = strengths > 1e-10 * strengths[0]
    scaled = (vectors[:, kept] / np.sqrt(strengths[kept])).astype(np.float32)
    return scaled.T @ rows


def most_training(block: tuple[int, ...]) -> int:
    """How many training signals of so many numbers there is room for."""
    numbers = prod(block)
    most = max(2, _MOST_NUMBERS // numbers)
    if numbers > _MOST_SIGNALS:
        most = min(most, _MOST_SIGNALS)
    return most


def evenly_spread(training: Iterable[Signal], numbers: int) -> Iterator[Signal]:
    """As many training signals of so many numbers as there is room for: every one, or every second,
    fourth, ... of them."""
    most = most_training((numbers,))
    held: list[Signal] = []
    stride = 1
    for index, signal in enumerate(training):
        if index % stride == 0:
            held.append(signal)
        if len(held) > most:
            held = held[::2]
            stride *= 2
    yield from held


def batches_of_one_shape(signals: Iterable[Signal]) -> Iterator[NormalisedValues]:
    """Values in [0, 1] of neighbours of one shape.

    Raises:
        DataError: If a signal is scattered or has missing points.
    """
    held: list[Signal] = []
    for signal in signals:
        if held and (len(held) == _BATCH or shape_on_grid(held[0]) != shape_on_grid(signal)):
            yield _stacked(held)
            held = []
        held.append(signal)
    if held:
        yield _stacked(held)


def _stacked(signals: Sequence[Signal]) -> NormalisedValues:
    shape = (*shape_on_grid(signals[0]), signals[0].channels)
    return np.stack([signal.normalised().reshape(shape) for signal in signals])


def cosine_coefficients(values: NormalisedValues) -> Coefficients:
    """Orthonormal ones, on the signals' own grid."""
    return np.asarray(dctn(values, axes=_axes(values), norm="ortho"), np.float32)


def values_of(coefficients: Coefficients) -> NormalisedValues:
    """The inverse of :func:`cosine_coefficients`."""
    return np.asarray(idctn(coefficients, axes=_axes(coefficients), norm="ortho"))


def _scale(shape: tuple[int, ...]) -> float:
    """From coefficients of functions of unit mean square on the box, whatever the number of
    samples, to orthonormal ones of ``[signals, *shape, channels]``."""
    return float(np.sqrt(prod(shape[1:-1])))


def _cut(coefficients: Coefficients, block: tuple[int, ...]) -> ndarray:
    """The block of lowest coefficients, of functions of unit mean square on the box."""
    places = tuple(slice(0, size) for size in block)
    return coefficients[(slice(None), *places)] / _scale(coefficients.shape)


def lowest_first(shape: tuple[int, ...]) -> ndarray:
    """Flat indices of ``[*shape, channels]``, the lowest frequency a side first, channels in
    turn."""
    *sides, channels = shape
    steps = [np.arange(side) * max(sides) / side for side in sides]
    squares = sum(np.square(axis) for axis in np.meshgrid(*steps, indexing="ij"))
    order = np.argsort(np.asarray(squares).reshape(-1), kind="stable")
    return (order[:, None] * channels + np.arange(channels)).reshape(-1)


def _axes(values: ndarray) -> tuple[int, ...]:
    return tuple(range(1, values.ndim - 1))


def shape_on_grid(signal: Signal) -> tuple[int, ...]:
    """Samples along each axis of a whole signal on a grid.

    Raises:
        DataError: If it is scattered or has missing points.
    """
    if not isinstance(signal.domain, Grid) or signal.mask is not None:
        raise DataError(
            f"signal '{signal.id}' is scattered or has missing points; cosines and principal "
            "components need signals that are whole and on grids"
        )
    return signal.domain.shape
