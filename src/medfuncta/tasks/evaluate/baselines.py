"""What needs no network, at the same number of stored numbers: the lowest cosines, and the
principal components of the training split.

Both are read off a signal's orthonormal cosine coefficients on its own grid (DCT-II), which are
those of continuous functions on its box. So signals of different shapes share their components:
these are of the block of coefficients that every signal has. On one shared grid that is all of
them, and the components are exactly those of the samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.fft import dctn, idctn

from medfuncta.errors import DataError
from medfuncta.result import Result
from medfuncta.signals.domain import Grid
from medfuncta.signals.psnr import psnr_of_one
from medfuncta.signals.signal import Signal
from medfuncta.sources.source import ALL, Source

COUNTS: Final = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
"""Numbers stored a signal along the curve."""
_MOST_NUMBERS: Final = 2**26
"""Of the training signals that components are taken from: a quarter of a gigabyte. Where there are
more, fewer signals are used, evenly spread."""
_MOST_SIGNALS: Final = 4096
"""Training signals with more coefficients than this: a larger matrix takes minutes."""
_BATCH: Final = 64

_Coefficients = Float[ndarray, "signals *shape channels"]


@dataclass(frozen=True)
class BaselinePoint(Result):
    """Both baselines with so many numbers a signal.

    Args:
        numbers: Stored a signal.
        cosines: Mean PSNR of the lowest cosines, in dB.
        components: Mean PSNR of the principal components, in dB; None with more numbers than
            training signals can tell components apart, or without training signals.
    """

    numbers: int
    cosines: float
    components: float | None


@dataclass(frozen=True)
class Baselines(Result):
    """What needs no network, on the signals that a field was evaluated on.

    Args:
        at_latent_size: With as many numbers as a latent has.
        curve: Over the numbers stored, those of every field that was evaluated among them.
        training_signals: How many the components were taken from.
    """

    at_latent_size: BaselinePoint
    curve: Sequence[BaselinePoint]
    training_signals: int

    def at(self, numbers: int) -> BaselinePoint | None:
        """The point of the curve with so many numbers; None where there is none."""
        for point in self.curve:
            if point.numbers == numbers:
                return point
        return None


def measure_baselines(
    source: Source, split: str, latent_size: int, also: Iterable[int] = ()
) -> Baselines:
    """Mean PSNR of both baselines on a split, values clamped to [0, 1].

    Args:
        source: The data.
        split: Whose signals are measured.
        latent_size: How many numbers a latent has.
        also: Further numbers that the curve is to have a point at.

    The components are of the training split only; of each of them a signal stores one number. The
    mean signal, and what the components are, are shared by all and stored once.

    Raises:
        DataError: If a signal is scattered or has missing points.
    """
    shapes = _shapes(source, split)
    common = tuple(min(sizes) for sizes in zip(*shapes, strict=True))
    components = _Components.none(common, source.spec.channels)
    if "train" in source.splits and split != ALL:  # components are of other signals
        components = _Components.of(source.signals("train"), common, source.spec.channels)
    largest = max(prod(shape) for shape in shapes) * source.spec.channels
    counts = sorted({*(count for count in COUNTS if count <= largest), latent_size, *also})
    totals = {count: [0.0, 0.0] for count in counts}
    signals = 0
    for values, coefficients in _batches(source.signals(split)):
        signals += len(values)
        order = _lowest_first(coefficients.shape[1:])
        parts = components.parts(coefficients)
        for count, total in totals.items():
            total[0] += _psnr_sum(values, _only(coefficients, order, count))
            total[1] += _psnr_sum(values, components.whole(parts, count, coefficients.shape))
    points = {}
    for count, (cosines, known) in totals.items():
        of_components = known / signals if count <= components.count else None
        points[count] = BaselinePoint(count, cosines / signals, of_components)
    curve = [points[count] for count in counts]
    return Baselines(points[latent_size], curve, components.training_signals)


def _shapes(source: Source, split: str) -> set[tuple[int, ...]]:
    """The shapes of all signals that play a part."""
    if source.spec.shape is not None:
        return {source.spec.shape}
    shapes = set()
    for name in {"train", split} & {*source.splits, ALL}:
        for signal in source.signals(name):
            shapes.add(_shape(signal))
    return shapes


@dataclass(frozen=True, eq=False)
class _Components:
    """Principal components of coefficients.

    Args:
        block: The coefficients that all signals have, along each axis and the channels.
        mean: ``[numbers]`` of the training signals.
        directions: ``[components, numbers]``, the strongest first.
        training_signals: How many they are of.
    """

    block: tuple[int, ...]
    mean: Float[ndarray, " numbers"]
    directions: Float[ndarray, "components numbers"]
    training_signals: int

    @classmethod
    def none(cls, common: tuple[int, ...], channels: int) -> _Components:
        block = (*common, channels)
        nothing = np.zeros((0, prod(block)), np.float32)
        return cls(block, np.zeros(prod(block), np.float32), nothing, 0)

    @classmethod
    def of(cls, training: Iterable[Signal], common: tuple[int, ...], channels: int) -> _Components:
        block = (*common, channels)
        numbers = prod(block)
        rows = [
            _cut(coefficients, block).reshape(-1, numbers)
            for _, coefficients in _batches(_some(training, numbers))
        ]
        table = np.concatenate(rows)
        mean = table.mean(axis=0)
        return cls(block, mean, _directions(table - mean), len(table))

    @property
    def count(self) -> int:
        return len(self.directions)

    def parts(self, coefficients: _Coefficients) -> Float[ndarray, "signals components"]:
        """What a signal has of each component."""
        rows = _cut(coefficients, self.block).reshape(len(coefficients), -1)
        return (rows - self.mean) @ self.directions.T

    def whole(
        self, parts: Float[ndarray, "signals components"], count: int, shape: tuple[int, ...]
    ) -> _Coefficients:
        """Coefficients of the first so many components."""
        rows = self.mean + parts[:, :count] @ self.directions[:count]
        whole = np.zeros(shape, np.float32)
        places = tuple(slice(0, size) for size in self.block)
        scale = np.sqrt(prod(shape[1:-1]))
        whole[(slice(None), *places)] = rows.reshape(-1, *self.block) * scale
        return whole


def _directions(rows: Float[ndarray, "signals numbers"]) -> Float[ndarray, "components numbers"]:
    """Orthonormal principal directions of centred rows, from the smaller of the two products."""
    signals, numbers = rows.shape
    most = min(signals - 1, numbers, max(COUNTS))
    if numbers <= signals:
        _, vectors = np.linalg.eigh((rows.T @ rows).astype(np.float64))
        return vectors[:, ::-1][:, :most].T.astype(np.float32)
    strengths, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    strongest = slice(None, -most - 1, -1)
    strengths, vectors = strengths[strongest], vectors[:, strongest]
    kept = strengths > 1e-10 * strengths[0]
    scaled = (vectors[:, kept] / np.sqrt(strengths[kept])).astype(np.float32)
    return scaled.T @ rows


def _some(training: Iterable[Signal], numbers: int) -> Iterator[Signal]:
    """As many training signals as there is room for, evenly spread: every one, or every second,
    fourth, ... of them."""
    most = max(2, _MOST_NUMBERS // numbers)
    if numbers > _MOST_SIGNALS:
        most = min(most, _MOST_SIGNALS)
    held: list[Signal] = []
    stride = 1
    for index, signal in enumerate(training):
        if index % stride == 0:
            held.append(signal)
        if len(held) > most:
            held = held[::2]
            stride *= 2
    yield from held


def _batches(signals: Iterable[Signal]) -> Iterator[tuple[_Coefficients, _Coefficients]]:
    """Values in [0, 1] of neighbours of one shape, and their orthonormal cosine coefficients."""
    held: list[Signal] = []
    for signal in signals:
        if held and (len(held) == _BATCH or _shape(held[0]) != _shape(signal)):
            yield _transformed(held)
            held = []
        held.append(signal)
    if held:
        yield _transformed(held)


def _transformed(signals: Sequence[Signal]) -> tuple[_Coefficients, _Coefficients]:
    shape = (*_shape(signals[0]), signals[0].channels)
    values = np.stack([signal.normalised().reshape(shape) for signal in signals])
    coefficients = np.asarray(dctn(values, axes=_axes(values), norm="ortho"), np.float32)
    return values, coefficients


def _axes(values: ndarray) -> tuple[int, ...]:
    return tuple(range(1, values.ndim - 1))


def _cut(coefficients: _Coefficients, block: tuple[int, ...]) -> ndarray:
    """The block of lowest coefficients, of functions of unit mean square on the box, whatever the
    number of samples."""
    places = tuple(slice(0, size) for size in block)
    return coefficients[(slice(None), *places)] / np.sqrt(prod(coefficients.shape[1:-1]))


def _lowest_first(shape: tuple[int, ...]) -> ndarray:
    """Flat indices of ``[*shape, channels]``, the lowest frequency a side first, channels in
    turn."""
    *sides, channels = shape
    steps = [np.arange(side) * max(sides) / side for side in sides]
    squares = sum(np.square(axis) for axis in np.meshgrid(*steps, indexing="ij"))
    order = np.argsort(np.asarray(squares).reshape(-1), kind="stable")
    return (order[:, None] * channels + np.arange(channels)).reshape(-1)


def _only(coefficients: _Coefficients, order: ndarray, count: int) -> _Coefficients:
    """The first so many coefficients, the others 0."""
    flat = coefficients.reshape(len(coefficients), -1)
    kept = np.zeros_like(flat)
    kept[:, order[:count]] = flat[:, order[:count]]
    return kept.reshape(coefficients.shape)


def _psnr_sum(values: _Coefficients, coefficients: _Coefficients) -> float:
    """The PSNRs of what coefficients give back, summed over signals."""
    back = np.asarray(idctn(coefficients, axes=_axes(coefficients), norm="ortho"))
    errors = np.square(np.clip(back, 0, 1) - np.clip(values, 0, 1), dtype=np.float64)
    return sum(psnr_of_one(float(error)) for error in errors.reshape(len(values), -1).mean(axis=1))


def _shape(signal: Signal) -> tuple[int, ...]:
    if not isinstance(signal.domain, Grid) or signal.mask is not None:
        raise DataError(
            f"signal '{signal.id}' is scattered or has missing points; --baselines needs signals "
            "that are whole and on grids"
        )
    return signal.domain.shape
