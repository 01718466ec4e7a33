"""How long the cells that are left will take, from those that are finished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from medfuncta._src.studies.cells import Cell

_MINUTE: Final = 60.0


class Forecast:
    """What cells have taken so far.

    A cell is expected to take as long as others of its kind, which differ from it in their seed
    only. Where none of them is finished, its declared weight counts, at the seconds that a weight
    of 1 has taken so far.
    """

    def __init__(self) -> None:
        self._seconds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self._all_seconds = 0.0
        self._all_weights = 0.0

    def learn(self, cell: Cell, seconds: float) -> None:
        """Note how long a cell took."""
        self._seconds[_kind(cell)].append(seconds)
        self._all_seconds += seconds
        self._all_weights += cell.weight

    def seconds(self, cells: Iterable[Cell], workers: int = 1) -> float | None:
        """How long these cells will take side by side; None while nothing is known of any."""
        expected = [self._expected(cell) for cell in cells]
        known = [seconds for seconds in expected if seconds is not None]
        if len(known) < len(expected):
            return None
        if not known:
            return 0.0
        return max(sum(known) / workers, *known)

    def _expected(self, cell: Cell) -> float | None:
        taken = self._seconds.get(_kind(cell))
        if taken:
            return sum(taken) / len(taken)
        if not self._all_weights:
            return None
        return cell.weight * self._all_seconds / self._all_weights


def _kind(cell: Cell) -> tuple[str, str]:
    return cell.measure, cell.kind or cell.name


class Progress:
    """Cells that are still to be measured, and what is expected of them.

    Args:
        todo: The cells, of one study or several.
        forecast: What is known of the time that they take; more is learned on the way.
    """

    def __init__(self, todo: Sequence[Cell], forecast: Forecast) -> None:
        self._left = {cell.digest: cell for cell in todo}
        self._forecast = forecast

    def done(self, cell: Cell, seconds: float) -> None:
        """One more is finished."""
        self._left.pop(cell.digest, None)
        self._forecast.learn(cell, seconds)

    def left(self, workers: int) -> str:
        """The time left, for a person."""
        seconds = self._forecast.seconds(self._left.values(), workers)
        return "an unknown time" if seconds is None else in_words(seconds)


def in_words(seconds: float) -> str:
    """A time for a person.

    >>> in_words(42.3), in_words(200), in_words(9000)
    ('42 s', '3 min', '2.5 h')
    """
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 120 * _MINUTE:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _MINUTE / 60:.1f} h"
