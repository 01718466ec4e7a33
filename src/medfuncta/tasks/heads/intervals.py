"""Bootstrap intervals of any statistic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy import ndarray

LEVEL: Final = 0.95
"""How likely an interval holds the true value."""


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % percentile bootstrap interval, over signals that count as independent;
    None where undefined."""

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
        """Of a function of one or more columns of equal length, resampled together; where it is not
        finite, it is left out."""
        generator = np.random.default_rng(seed)
        rows = len(columns[0])
        if not rows:
            return cls(None, None, None)
        draws = generator.integers(rows, size=(resamples, rows))
        values = np.array([statistic(*(column[draw] for column in columns)) for draw in draws])
        values = values[np.isfinite(values)]
        value = float(statistic(*columns))
        if not np.isfinite(value) or not values.size:
            return cls(None, None, None)
        low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return cls(value, float(low), float(high))
