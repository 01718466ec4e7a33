"""Signals laid over each other: which of them are alike once one is shifted, or cut out of the
other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from medfuncta._src.tasks.search.neighbours import nearest

_COARSE: Final = 768
"""Numbers of the pictures that signals are compared by before they are laid over each other."""
_COMPONENTS: Final = 48
"""Of these pictures that are compared."""
_SAMPLED: Final = 4000
"""Pictures that the components are taken from."""
_BLOCK: Final = 1024
_SHIFTS: Final = {
    1: tuple(round(0.02 * step, 2) for step in range(-10, 11)),
    2: (-0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15),
    3: (-0.1, 0.0, 0.1),
}
"""Of half a side, tried along each axis, by dimension."""
_CUTS: Final = {1: (0.75, 0.8, 0.85, 0.9, 0.95), 2: (0.75, 0.85, 0.92), 3: (0.8, 0.9)}
"""Sides of a cut-out that are tried, relative to the whole."""
_PLACES: Final = {1: (-1, -0.5, 0, 0.5, 1), 2: (-1, 0, 1), 3: (-1, 1)}
"""Where a cut-out lies along each axis: from one end to the other."""
_A_SIGNAL: Final = 2
"""Signals that each is laid over, at the most."""
_FEWEST_REFINED: Final = 300
_REFINED: Final = 0.5
"""Pairs that are laid over each other, for each signal."""
_LEAST_OVERLAP: Final = 0.4
_LEAST_VARIED: Final = 0.3
"""Of a signal's variance, in what is compared."""
_SMALLEST: Final = 0.6
"""The smallest side of a cut-out."""
_ROUGH: Final = (0.03,)
_FINE: Final = (0.04, 0.02, 0.01, 0.005)
"""Steps of the search for shift and size: of all pairs, then of those that came nearest."""
_ROUNDS: Final = 4
"""Times that all numbers are changed by one step, at the most."""
_WORTH: Final = 3
"""How far above the threshold a roughly found difference may be for a finer search."""

Way: TypeAlias = tuple[float, ...]
"""How a signal is laid over another one: the side of the cut-out, then the shift along each axis,
in half sides. What lies at ``u`` of the second is looked for at ``side * u + shift`` of the
first."""


def _ways(dim: int) -> list[Way]:
    """The ways that are tried for every signal: as it is, shifted, and cut out."""
    ways: list[Way] = [(1.0, *(0.0,) * dim)]
    for shifts in itertools.product(_SHIFTS[dim], repeat=dim):
        if any(shifts):
            ways.append((1.0, *shifts))
    for side in _CUTS[dim]:
        for place in itertools.product(_PLACES[dim], repeat=dim):
            ways.append((side, *((1 - side) * share for share in place)))
    return ways


@dataclass(frozen=True, eq=False)
class Signals:
    """Signals on one grid of their boxes, and what keeps them apart.

    Args:
        groups: Of each.
        values: ``[signals, *sides, channels]``, normalised; all sides are equal.
    """

    groups: list[str]
    values: Float[ndarray, "signals *sides channels"]

    @property
    def dim(self) -> int:
        return self.values.ndim - 2


def nearest_pairs(signals: Signals, threshold: float) -> list[Overlay]:
    """The pairs of two groups that are most alike, each once, the most alike first; with those
    below the threshold there are others above it.

    Args:
        signals: Of two groups or more.
        threshold: The difference that is of interest.
    """
    samples = signals.values.shape[1]
    rough, fine = Lens(samples, max(4, samples // 2)), Lens(samples, samples)
    roughly = [_laid_over(rough, signals, pair, _ROUGH) for pair in _candidates(signals)]
    near = [pair for pair in sorted(roughly) if pair.difference < _WORTH * threshold]
    near = near[: max(_FEWEST_REFINED, int(_REFINED * len(signals.groups)))]
    return _best_of_each([_laid_over(fine, signals, pair, _FINE) for pair in near])


class Lens:
    """Signals on one grid of their boxes, as they look laid over others.

    Args:
        samples: Along an axis of the grid that the signals are given on.
        seen: Along an axis of the grid that they are looked at on.
    """

    def __init__(self, samples: int, seen: int) -> None:
        self._samples = samples
        self._axis = (2 * np.arange(seen) + 1) / seen - 1

    def look(self, values: ndarray, way: Way) -> ndarray:
        """Signals ``[..., *sides, channels]`` on the other grid, linearly between samples; the
        outermost samples go on beyond the box."""
        side, *shifts = way
        dim = len(shifts)
        for number, shift in enumerate(shifts):
            matrix = self._matrix(side * self._axis + shift)
            axis = values.ndim - 1 - dim + number
            values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
        return values

    def inside(self, way: Way) -> ndarray:
        """Which places of the other grid lie in the box of the signal, ``[*sides]``."""
        side, *shifts = way
        inside = np.ones((), bool)
        for shift in shifts:
            inside = np.logical_and.outer(inside, np.abs(side * self._axis + shift) <= 1)
        return inside

    def _matrix(self, places: ndarray) -> ndarray:
        """Shares of samples in what lies at places of an axis, ``[places, samples]``."""
        index = np.clip(((places + 1) * self._samples - 1) / 2, 0, self._samples - 1)
        below = np.minimum(index.astype(int), self._samples - 2)
        share = index - below
        rows = np.arange(len(places))
        matrix = np.zeros((len(places), self._samples), np.float32)
        matrix[rows, below] = 1 - share
        matrix[rows, below + 1] = share
        return matrix


@dataclass(frozen=True, order=True)
class Overlay:
    """Two signals that may be alike.

    Args:
        difference: Between them, relative to how much they vary: as coarse pictures, or laid over
            each other.
        first, second: Their places in the decoded ones.
        way: How the first is laid over the second.
    """

    difference: float
    first: int
    second: int
    way: Way


def _candidates(decoded: Signals) -> list[Overlay]:
    """For each signal the nearest ones of other groups, laid over it in any of the ways."""
    count, dim = len(decoded.groups), decoded.dim
    channels = decoded.values.shape[-1]
    samples = decoded.values.shape[1]
    side = max(4, min(samples, int((_COARSE / channels) ** (1 / dim) + 1e-9)))
    lens = Lens(samples, side)
    ways = _ways(dim)
    pictures = lens.look(decoded.values, ways[0]).reshape(count, -1)
    centre, components = _components(pictures)
    still = (pictures - centre) @ components
    spread = np.maximum(np.linalg.norm(still, axis=1), 1e-12)
    groups = np.array(decoded.groups)
    nearest_ones: list[list[Overlay]] = [[] for _ in range(count)]
    for way in ways:
        moved = (lens.look(decoded.values, way).reshape(count, -1) - centre) @ components
        for rows, second, distances in _nearest_of_others(moved, still, groups):
            for row, other, distance in zip(rows, second, distances, strict=True):
                apart = float(distance / np.sqrt(spread[row] * spread[other]))
                nearest_ones[row].append(Overlay(apart, int(row), int(other), way))
    return list(itertools.chain.from_iterable(map(_few_of, nearest_ones)))


def _components(pictures: ndarray) -> tuple[ndarray, ndarray]:
    """The mean of pictures, and their first principal components, ``[numbers, components]``."""
    centre = pictures.mean(axis=0)
    some = pictures[:: max(1, len(pictures) // _SAMPLED)] - centre
    _, _, rows = np.linalg.svd(some, full_matrices=False)
    return centre, rows[:_COMPONENTS].T


def _nearest_of_others(
    moved: ndarray, still: ndarray, groups: ndarray
) -> Iterator[tuple[ndarray, ndarray, ndarray]]:
    """Rows, the nearest row of another group for each, and how far that is."""
    for group in np.unique(groups):
        own, others = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        blocks = np.array_split(still[others], -(-len(others) // _BLOCK))
        for rows in np.array_split(own, -(-len(own) // _BLOCK)):
            near = nearest(moved[rows], blocks, 1, "euclidean")
            yield rows, others[near.rows[:, 0]], near.distances[:, 0]


def _few_of(candidates: Sequence[Overlay]) -> list[Overlay]:
    """Of one signal's candidates the nearest, each other signal once."""
    best: dict[int, Overlay] = {}
    for candidate in sorted(candidates):
        best.setdefault(candidate.second, candidate)
    return list(best.values())[:_A_SIGNAL]


def _laid_over(lens: Lens, decoded: Signals, candidate: Overlay, steps: Sequence[float]) -> Overlay:
    """Lay one signal over another as well as can be: shift and size are changed one at a time for
    as long as the difference shrinks, by smaller and smaller steps."""
    moving = decoded.values[candidate.first]
    still = lens.look(decoded.values[candidate.second], (1.0, *(0.0,) * decoded.dim))
    least_varied = _LEAST_VARIED * _variance(still.reshape(-1, still.shape[-1]))
    best = candidate.way
    least = _difference(lens, moving, still, best, least_varied)
    for step in steps:
        for _ in range(_ROUNDS):
            before = least
            for tried in _around(best, step):
                difference = _difference(lens, moving, still, tried, least_varied)
                if difference < least:
                    best, least = tried, difference
            if least >= before:
                break
    return Overlay(least, candidate.first, candidate.second, best)


def _around(way: Way, step: float) -> Iterator[Way]:
    """A way with one of its numbers changed."""
    for place, value in enumerate(way):
        for changed in (value - step, value + step):
            if place > 0 or _SMALLEST <= changed <= 1 / _SMALLEST:
                yield (*way[:place], changed, *way[place + 1 :])


def _variance(values: ndarray) -> float:
    """Of ``[points, channels]``, the sum over channels."""
    return float((values * values).mean(axis=0).sum() - (values.mean(axis=0) ** 2).sum())


def _difference(
    lens: Lens, moving: ndarray, still: ndarray, way: Way, least_varied: float
) -> float:
    """The root of the mean squared difference where both are, relative to how much they vary
    there; infinite where that is too little to tell signals apart by."""
    inside = lens.inside(way)
    if inside.mean() < _LEAST_OVERLAP:
        return np.inf
    first, second = lens.look(moving, way)[inside], still[inside]
    varied = 0.5 * (_variance(first) + _variance(second))
    if varied <= least_varied:
        return np.inf
    apart = first - second
    return float(np.sqrt((apart * apart).mean(axis=0).sum() / varied))


def _best_of_each(found: Sequence[Overlay]) -> list[Overlay]:
    """Each pair once, the way in which it is most alike; the most alike first."""
    best: dict[tuple[int, int], Overlay] = {}
    for laid in sorted(found, key=lambda laid: laid.difference):
        best.setdefault((min(laid.first, laid.second), max(laid.first, laid.second)), laid)
    return list(best.values())
