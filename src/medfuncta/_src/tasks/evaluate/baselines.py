"""What needs no network, at the same number of stored numbers: the lowest cosines, and the
principal components of the training split (:mod:`medfuncta._src.tasks.evaluate.linear`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np
from numpy import ndarray

from medfuncta._src.result import Result
from medfuncta._src.signals.psnr import psnr_of_one
from medfuncta._src.sources.source import ALL, Source
from medfuncta._src.tasks.evaluate.linear import (
    MOST_COMPONENTS,
    Coefficients,
    NormalisedValues,
    PrincipalComponents,
    batches_of_one_shape,
    cosine_coefficients,
    evenly_spread,
    lowest_first,
    shape_on_grid,
    values_of,
)

COUNTS: Final = (8, 16, 32, 64, 128, 256, 512, 1024, MOST_COMPONENTS)
"""Numbers stored a signal along the curve."""


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

    def gap(self, numbers: Iterable[int]) -> str:
        """Why points with so many numbers have no principal components, as a sentence; ``""`` where
        all have."""
        points = [self.at(count) for count in numbers]
        if all(point is None or point.components is not None for point in points):
            return ""
        if not self.training_signals:
            return (
                "no principal components: they are those of a training split, of which these "
                "signals are no part, and there is none here"
            )
        return (
            f"no principal components with more numbers than the {self.training_signals:,} "
            "training signals tell apart"
        )

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
    components = PrincipalComponents.none(common, source.spec.channels)
    if split != ALL and "train" in source.splits:  # components are of other signals
        numbers = prod(common) * source.spec.channels
        training = evenly_spread(source.signals("train"), numbers)
        components = PrincipalComponents.of(batches_of_one_shape(training), common)
    largest = max(prod(shape) for shape in shapes) * source.spec.channels
    counts = sorted({*(count for count in COUNTS if count <= largest), latent_size, *also})
    totals = {count: [0.0, 0.0] for count in counts}
    signals = 0
    for values in batches_of_one_shape(source.signals(split)):
        coefficients = cosine_coefficients(values)
        signals += len(values)
        order = lowest_first(coefficients.shape[1:])
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
    needed = {split}
    if split != ALL and "train" in source.splits:
        needed.add("train")
    for name in needed:
        for signal in source.signals(name):
            shapes.add(shape_on_grid(signal))
    return shapes


def _only(coefficients: Coefficients, order: ndarray, count: int) -> Coefficients:
    """The first so many coefficients, the others 0."""
    flat = coefficients.reshape(len(coefficients), -1)
    kept = np.zeros_like(flat)
    kept[:, order[:count]] = flat[:, order[:count]]
    return kept.reshape(coefficients.shape)


def _psnr_sum(values: NormalisedValues, coefficients: Coefficients) -> float:
    """The PSNRs of what coefficients give back, summed over signals."""
    back = values_of(coefficients)
    errors = np.square(np.clip(back, 0, 1) - np.clip(values, 0, 1), dtype=np.float64)
    return sum(psnr_of_one(float(error)) for error in errors.reshape(len(values), -1).mean(axis=1))
