"""Values with their 95 % bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_LEVEL: Final = 0.95
"""How likely an interval holds the true value."""


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % percentile bootstrap interval; None where undefined.

    An interval has no width where nothing that was drawn differs, as where no test signal is wrong:
    no resample can hold an error that the test split does not.
    """

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(
        cls,
        statistic: Callable[..., float],
        *columns: ndarray,
        resamples: int = 1000,
        seed: int = 0,
    ) -> Interval:
        """Of a function of one or more columns of equal length, resampled together, so that rows
        count as independent; where it is not finite, it is left out."""
        generator = np.random.default_rng(seed)
        rows = len(columns[0])
        if not rows:
            return cls(None, None, None)
        values = np.empty(resamples)
        for number, draw in enumerate(generator.integers(rows, size=(resamples, rows))):
            values[number] = statistic(*(column[draw] for column in columns))
        low, high = percentiles(values)
        value = float(statistic(*columns))
        if not math.isfinite(value) or low is None:
            return cls(None, None, None)
        return cls(value, low, high)


@dataclass(frozen=True)
class SeededInterval(Interval):
    """The mean over seeds, and the interval of a single training.

    Args:
        seeds: The value of each seed.
    """

    seeds: tuple[float | None, ...]

    @classmethod
    def of_seeds(
        cls, seeds: Sequence[float], ends: tuple[float | None, float | None]
    ) -> SeededInterval:
        """From the value of each seed, in which NaN means undefined, and the interval's ends."""
        mean = float(np.mean(seeds))
        return cls(finite(mean), *ends, tuple(map(finite, seeds)))


def percentiles(
    values: Float[ndarray, " resamples"],
) -> tuple[float, float] | tuple[None, None]:
    """The ends between which 95 % of the finite values lie; None where there is none."""
    defined = values[np.isfinite(values)]
    if not defined.size:
        return None, None
    low, high = np.quantile(defined, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def finite(value: float) -> float | None:
    """The number, or None where it is NaN or infinite and thus says nothing."""
    if math.isfinite(value):
        return float(value)
    return None
