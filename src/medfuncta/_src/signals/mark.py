"""Whether signals are still those that an earlier session has seen, told by a few numbers.

A digest of all bits would call data changed when another version of a library rounds otherwise, so
means are compared: of each signal, times a weight of its place, summed. A signal that was added,
removed, moved or exchanged changes the sum; rounding does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

import numpy as np
from msgspec import Meta

from medfuncta._src.door.limits import Count
from medfuncta._src.signals.signal_set import SignalSet

_LOOKED_AT: Final = 4096
"""Points of a signal that its mean is of: a set on the disk may be larger than memory."""
_SPREAD: Final = 0.6180339887498949
"""The golden ratio less 1: its multiples without their whole part never come near each other."""
TOLERANCE: Final = 1e-3
"""Of the sum; a signal whose values lie in [0, 1] changes it by its mean, times 1 to 2."""
Sum: TypeAlias = Annotated[float, Meta(ge=-1e15, le=1e15)]


@dataclass(frozen=True)
class DataMark:
    """What is kept of signals to know them again.

    Args:
        signals: How many.
        points: Of all signals together.
        sum: Of their means, each times the weight of its place.
    """

    signals: Count
    points: Annotated[int, Meta(ge=0)]
    sum: Sum

    @classmethod
    def of(cls, signals: SignalSet, first: int = 0) -> DataMark:
        """The mark of a set, before whose first signal so many others stand."""
        points = 0
        total = 0.0
        for number, header in enumerate(signals.headers):
            count = header.domain.points
            start = int(signals.starts[number])
            values = signals.values[start : start + min(count, _LOOKED_AT)]
            total += weighted_mean(values, place=first + number)
            points += count
        return cls(len(signals), points, total)

    def difference(self, now: DataMark) -> str:
        """How signals differ from those that this is the mark of; ``""`` where they do not."""
        if now.signals != self.signals:
            return f"there were {self.signals:,} signals, now there are {now.signals:,}"
        if now.points != self.points:
            return f"they had {self.points:,} points, now they have {now.points:,}"
        if abs(now.sum - self.sum) > TOLERANCE:
            return "their values or their order are others"
        return ""


def weighted_mean(values: np.ndarray, *, place: int) -> float:
    """The part of one signal in the sum; 0 where its mean is not finite.

    Args:
        values: ``[points, channels]`` in [0, 1]; only the first points count.
        place: How many signals stand before it.
    """
    return mean_of(values) * place_weight(place)


def mean_of(values: np.ndarray) -> float:
    """The mean of the first points of a signal, ``[points, channels]``; 0 where it is not
    finite."""
    mean = float(values[:_LOOKED_AT].mean(dtype=np.float64))
    if not np.isfinite(mean):
        return 0.0
    return mean


def place_weight(place: int) -> float:
    """The weight of a signal before which so many others stand."""
    return 1 + place * _SPREAD % 1
