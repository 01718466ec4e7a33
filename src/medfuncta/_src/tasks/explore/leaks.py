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
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import torch
from numpy import ndarray

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Share, Some
from medfuncta._src.errors import ConfigError, DataError, suggest
from medfuncta._src.latents.decode import decode_at, reconstruct
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import Metadata
from medfuncta._src.result import Result
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import SignalHeader
from medfuncta._src.tasks.drawing.sheet import contact_sheet
from medfuncta._src.tasks.explore.overlay import Overlay, Signals, nearest_pairs
from medfuncta._src.tasks.explore.sample import chosen_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BY_SPLIT: Final = "split"
ALIKE: Final = 0.2
"""The difference below which two signals are suspected: 4 % of their variance."""
_NUMBERS: Final = 4096
"""Of a decoded signal, at the most."""
_FINEST: Final = 128
"""Samples along an axis, at the most."""
_BLOCK: Final = 512
"""Signals decoded at a time."""


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
        ids, splits: Of each.
        signals: Their values and groups.
    """

    ids: list[str]
    splits: list[str]
    signals: Signals


@expecting
def find_leaks(
    latents: LatentSet,
    *,
    between: str = BY_SPLIT,
    limit: Some = 10_000,
    threshold: Share = ALIKE,
    listed: Some = 50,
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
    groups = check_groups(latents, between, limit)
    decoded = _decoded(latents, groups, limit)
    best = nearest_pairs(decoded.signals, threshold)
    pairs = [_pair(decoded, entry, threshold) for entry in best]
    suspected = sum(pair.suspected for pair in pairs)
    return Leaks(
        between,
        signals=len(decoded.ids),
        left_out=len(groups) - len(decoded.ids),
        threshold=threshold,
        suspected=suspected,
        pairs=pairs[:listed],
    )


def check_groups(latents: LatentSet, between: str, limit: int) -> list[str | None]:
    """What each signal should be kept apart by, None where it does not say; quick beside the search
    itself.

    Raises:
        ConfigError, DataError: As :func:`find_leaks`.
    """
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
    known = [group for group in groups if group is not None]
    if len(set(known)) < 2:
        raise DataError(
            f"all {len(known)} signals are of one {between}; leaks need two or more to lie between"
        )
    return groups


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
    whole = np.stack(values).reshape(shape) if values else np.empty(shape)
    return _Decoded(ids, splits, Signals(kept, whole))


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


def _pair(decoded: _Decoded, laid: Overlay, threshold: float) -> LeakPair:
    first, second = laid.first, laid.second
    return LeakPair(
        decoded.ids[first],
        decoded.splits[first],
        decoded.ids[second],
        decoded.splits[second],
        decoded.signals.groups[first],
        decoded.signals.groups[second],
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
