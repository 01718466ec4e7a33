"""Pairs of signals that are nearly the same, across what should be kept apart: splits, or what the
source says of each signal, such as its patient.

A copy may be exact, noisy, shifted, or cut out of the other. Signals are decoded on one coarse grid
of their boxes and compared there, each one shifted and cut in several ways; the nearest pairs are
then laid over each other by a search for the shift and the size of the cut-out. What is left of
the difference, relative to how much the signals vary, is their distance.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from medfuncta.errors import ConfigError, DataError, suggest
from medfuncta.latents.decode import decode_at, reconstruct
from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.schema import Metadata
from medfuncta.result import Result
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import SignalHeader
from medfuncta.tasks.drawing.sheet import contact_sheet
from medfuncta.tasks.explore.sample import chosen_rows
from medfuncta.tasks.search.neighbours import nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BY_SPLIT: Final = "split"
ALIKE: Final = 0.2
"""The difference below which two signals are suspected: 4 % of their variance."""
_NUMBERS: Final = 4096
"""Of a decoded signal, at the most."""
_FINEST: Final = 128
"""Samples along an axis, at the most."""
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


@dataclass(frozen=True)
class LeakPair(Result):
    """Two signals that look alike.

    Args:
        first, second: Their ids.
        first_split, second_split: Where they lie.
        first_group, second_group: What they should be kept apart by.
        difference: Of one laid over the other, relative to their variation: 0 for a copy, about 1.4
            for two that have nothing in common.
        share: The side of what is compared, relative to the first signal's: below 1 where the
            second is a cut-out.
        suspected: Whether that is below the threshold.
    """

    first: str
    first_split: str
    second: str
    second_split: str
    first_group: str
    second_group: str
    difference: float
    share: float
    suspected: bool


@dataclass(frozen=True, eq=False)
class Leaks(Result):
    """The pairs that are most alike, the most alike first.

    Args:
        between: What the signals of a pair differ in.
        signals: How many were compared.
        left_out: Signals that do not say what they should be kept apart by.
        threshold: The difference below which a pair is suspected.
        suspected: How many pairs are.
        pairs: Those, and the nearest others up to the number asked for.
    """

    json_keys: ClassVar = (
        *("view", "between", "signals", "left_out", "threshold", "suspected", "pairs"),
    )
    view: ClassVar = "leaks"

    between: str
    signals: int
    left_out: int
    threshold: float
    suspected: int
    pairs: Sequence[LeakPair]


@dataclass(frozen=True, eq=False)
class _Decoded:
    """Signals on one grid of their boxes.

    Args:
        ids, splits, groups: Of each.
        values: ``[signals, *sides, channels]``, normalised.
    """

    ids: list[str]
    splits: list[str]
    groups: list[str]
    values: Float[ndarray, "signals *sides channels"]

    @property
    def dim(self) -> int:
        return self.values.ndim - 2


def find_leaks(
    latents: LatentSet,
    *,
    between: str = BY_SPLIT,
    limit: int = 10_000,
    threshold: float = ALIKE,
    listed: int = 50,
) -> Leaks:
    """Look for signals that are in a set twice.

    Args:
        latents: The set.
        between: ``"split"``, or the name of an entry of the signals' metadata, such as a patient's
            number: pairs within one value of it are not looked for.
        limit: Signals compared, evenly spread over the set.
        threshold: The difference below which a pair is suspected.
        listed: Pairs that are listed at the most, the most alike first.

    Raises:
        ConfigError: If no signal has such an entry.
        DataError: If all signals are of one group.
    """
    groups, known = _groups(latents, between, limit)
    decoded = _decoded(latents, groups, limit)
    if len(set(decoded.groups)) < 2:
        raise DataError(
            f"all {len(decoded.ids)} signals are of one {between}; leaks need two or more to lie "
            "between"
        )
    candidates = _candidates(decoded)
    samples = decoded.values.shape[1]
    rough, fine = _Lens(samples, max(4, samples // 2)), _Lens(samples, samples)
    roughly = [_laid_over(rough, decoded, pair, _ROUGH) for pair in candidates]
    near = [pair for pair in sorted(roughly) if pair.difference < _WORTH * threshold]
    near = near[: max(_FEWEST_REFINED, int(_REFINED * len(decoded.ids)))]
    best = _best_of_each([_laid_over(fine, decoded, pair, _FINE) for pair in near])
    pairs = [_pair(decoded, entry, threshold) for entry in best]
    suspected = sum(pair.suspected for pair in pairs)
    return Leaks(
        between,
        signals=len(decoded.ids),
        left_out=known - len(decoded.ids),
        threshold=threshold,
        suspected=suspected,
        pairs=pairs[:listed],
    )


def _groups(latents: LatentSet, between: str, limit: int) -> tuple[list[str | None], int]:
    """What each signal should be kept apart by, None where it does not say; and how many there
    are."""
    groups: list[str | None] = []
    names: set[str] = set()
    for chosen in chosen_rows(latents, limit):
        if between == BY_SPLIT:
            groups += [chosen.split] * len(chosen.rows)
            continue
        own = chosen.block.metadata
        for row in chosen.rows:
            names |= own[row].keys()
            groups.append(_text(own[row], between))
    if all(group is None for group in groups):
        raise ConfigError(f"no signal says its '{between}'; {suggest(between, {BY_SPLIT, *names})}")
    return groups, len(groups)


def _text(metadata: Metadata, name: str) -> str | None:
    value = metadata.get(name)
    return None if value is None else str(value)


def _decoded(latents: LatentSet, groups: Sequence[str | None], limit: int) -> _Decoded:
    """The signals whose group is known, on one grid of their boxes."""
    spec = latents.info.spec
    side = int((_NUMBERS / spec.channels) ** (1 / spec.dim) + 1e-9)
    side = max(4, min(_FINEST, side))
    axis = (2 * np.arange(side) + 1) / side - 1
    box = np.stack(np.meshgrid(*[axis] * spec.dim, indexing="ij"), axis=-1).reshape(-1, spec.dim)
    ids: list[str] = []
    splits: list[str] = []
    kept: list[str] = []
    values: list[ndarray] = []
    start = 0
    for chosen in chosen_rows(latents, limit):
        own = groups[start : start + len(chosen.rows)]
        start += len(chosen.rows)
        headers, rows = chosen.block.headers, chosen.block.latents
        taken = [int(row) for row, group in zip(chosen.rows, own, strict=True) if group is not None]
        kept += [group for group in own if group is not None]
        ids += [headers[row].id for row in taken]
        splits += [chosen.split] * len(taken)
        values += _on_the_box(latents, [headers[row] for row in taken], rows[taken], box)
    shape = (len(ids), *(side,) * spec.dim, spec.channels)
    return _Decoded(
        ids, splits, kept, np.stack(values).reshape(shape) if values else np.empty(shape)
    )


def _on_the_box(
    latents: LatentSet, headers: Sequence[SignalHeader], rows: ndarray, box: ndarray
) -> Iterator[ndarray]:
    """Each signal decoded at the same places of its box, ``[points, channels]``."""
    start = 0
    for sides, run in itertools.groupby(headers, _half_sides):
        stop = start + len(list(run))
        while start < stop:
            part = slice(start, min(stop, start + _BLOCK))
            where = (box * np.array(sides)).astype(np.float32)
            yield from decode_at(latents.run.network, torch.from_numpy(rows[part]), where)
            start = part.stop


def _half_sides(header: SignalHeader) -> tuple[float, ...]:
    """Half the sides of a signal's box in coordinates."""
    domain = header.domain
    if isinstance(domain, Grid):
        return domain.half_sides
    sides = np.subtract(domain.high, domain.low)
    return tuple((sides / sides.max()).tolist())


_Way: TypeAlias = tuple[float, ...]
"""How a signal is laid over another one: the side of the cut-out, then the shift along each axis,
in half sides. What lies at ``u`` of the second is looked for at ``side * u + shift`` of the
first."""


def _ways(dim: int) -> list[_Way]:
    """The ways that are tried for every signal: as it is, shifted, and cut out."""
    ways: list[_Way] = [(1.0, *(0.0,) * dim)]
    for shifts in itertools.product(_SHIFTS[dim], repeat=dim):
        if any(shifts):
            ways.append((1.0, *shifts))
    for side in _CUTS[dim]:
        for place in itertools.product(_PLACES[dim], repeat=dim):
            ways.append((side, *((1 - side) * share for share in place)))
    return ways


class _Lens:
    """Signals on one grid of their boxes, as they look laid over others.

    Args:
        samples: Along an axis of the grid that the signals are given on.
        seen: Along an axis of the grid that they are looked at on.
    """

    def __init__(self, samples: int, seen: int) -> None:
        self._samples = samples
        self._axis = (2 * np.arange(seen) + 1) / seen - 1

    def look(self, values: ndarray, way: _Way) -> ndarray:
        """Signals ``[..., *sides, channels]`` on the other grid, linearly between samples; the
        outermost samples go on beyond the box."""
        side, *shifts = way
        dim = len(shifts)
        for number, shift in enumerate(shifts):
            matrix = self._matrix(side * self._axis + shift)
            axis = values.ndim - 1 - dim + number
            values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
        return values

    def inside(self, way: _Way) -> ndarray:
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
class _Pair:
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
    way: _Way


def _candidates(decoded: _Decoded) -> list[_Pair]:
    """For each signal the nearest ones of other groups, laid over it in any of the ways."""
    count, dim = len(decoded.ids), decoded.dim
    channels = decoded.values.shape[-1]
    samples = decoded.values.shape[1]
    side = max(4, min(samples, int((_COARSE / channels) ** (1 / dim) + 1e-9)))
    lens = _Lens(samples, side)
    ways = _ways(dim)
    pictures = lens.look(decoded.values, ways[0]).reshape(count, -1)
    centre, components = _components(pictures)
    still = (pictures - centre) @ components
    spread = np.maximum(np.linalg.norm(still, axis=1), 1e-12)
    groups = np.array(decoded.groups)
    nearest_ones: list[list[_Pair]] = [[] for _ in range(count)]
    for way in ways:
        moved = (lens.look(decoded.values, way).reshape(count, -1) - centre) @ components
        for rows, second, distances in _nearest_of_others(moved, still, groups):
            for row, other, distance in zip(rows, second, distances, strict=True):
                apart = float(distance / np.sqrt(spread[row] * spread[other]))
                nearest_ones[row].append(_Pair(apart, int(row), int(other), way))
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


def _few_of(candidates: Sequence[_Pair]) -> list[_Pair]:
    """Of one signal's candidates the nearest, each other signal once."""
    best: dict[int, _Pair] = {}
    for candidate in sorted(candidates):
        best.setdefault(candidate.second, candidate)
    return list(best.values())[:_A_SIGNAL]


def _laid_over(lens: _Lens, decoded: _Decoded, candidate: _Pair, steps: Sequence[float]) -> _Pair:
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
    return _Pair(least, candidate.first, candidate.second, best)


def _around(way: _Way, step: float) -> Iterator[_Way]:
    """A way with one of its numbers changed."""
    for place, value in enumerate(way):
        for changed in (value - step, value + step):
            if place > 0 or _SMALLEST <= changed <= 1 / _SMALLEST:
                yield (*way[:place], changed, *way[place + 1 :])


def _variance(values: ndarray) -> float:
    """Of ``[points, channels]``, the sum over channels."""
    return float((values * values).mean(axis=0).sum() - (values.mean(axis=0) ** 2).sum())


def _difference(
    lens: _Lens, moving: ndarray, still: ndarray, way: _Way, least_varied: float
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


def _best_of_each(found: Sequence[_Pair]) -> list[_Pair]:
    """Each pair once, the way in which it is most alike; the most alike first."""
    best: dict[tuple[int, int], _Pair] = {}
    for laid in sorted(found, key=lambda laid: laid.difference):
        best.setdefault((min(laid.first, laid.second), max(laid.first, laid.second)), laid)
    return list(best.values())


def _pair(decoded: _Decoded, laid: _Pair, threshold: float) -> LeakPair:
    first, second = laid.first, laid.second
    return LeakPair(
        decoded.ids[first],
        decoded.splits[first],
        decoded.ids[second],
        decoded.splits[second],
        decoded.groups[first],
        decoded.groups[second],
        difference=laid.difference,
        share=laid.way[0],
        suspected=laid.difference < threshold,
    )


def leaks_picture(latents: LatentSet, leaks: Leaks, most: int = 12) -> Figure:
    """The pairs that are most alike, as their latents decode them, side by side.

    Raises:
        DataError: If there is no pair.
    """
    if not leaks.pairs:
        raise DataError("no two signals are alike enough to be shown")
    signals, titles = [], []
    for pair in leaks.pairs[:most]:
        ends = ((pair.first, pair.first_split), (pair.second, pair.second_split))
        for id, split in ends:
            row = latents.row(id, split)
            signals.append(reconstruct(latents.run, torch.tensor(row.latent), row.header))
            titles.append(f"{id} ({split}), {pair.difference:.3f}")
    return contact_sheet(signals, titles, columns=4)
