"""The signals of a source, counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.result import Result, to_json
from medfuncta._src.signals.data_facts import DataFacts, FactsTally, RangeUse, range_remark
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec
from medfuncta._src.sources.source import Skipped, Source, SourceInfo
from medfuncta._src.tasks.drawing.figure import class_names

_MOST: Final = 12
"""Shapes, spacings and ids that are listed by themselves."""
_EVEN: Final = 0.05
"""How far from its even place a sample may lie, in steps: files cut off decimals."""


@dataclass
class SplitTally(Result):
    """Counts over the signals of one split.

    Args:
        signals, points: How many; points that were not observed count.
        labels: How many signals have which.
        low, high: The smallest and the largest observed value, in the source's unit; None before
            the first signal.
        missing: Points that were not observed.
        clamped: Observed points outside the range that is mapped to [0, 1], where a reconstruction
            cannot follow.
        constant: Ids of signals with a single value.
        doubled: Ids that came twice.
        copies: Signals with the same values as one of an earlier split.
    """

    json_keys: ClassVar = (
        *("signals", "points", "low", "high", "missing", "clamped", "constant", "doubled"),
        *("shapes", "spacings", "different_shapes", "extent", "labels"),
    )

    signals: int = 0
    points: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    low: float | None = None
    high: float | None = None
    missing: int = 0
    clamped: int = 0
    constant: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    copies: int = 0
    _tally: FactsTally = field(default_factory=FactsTally)
    _use: RangeUse = field(default_factory=RangeUse)
    _shapes: Counter[str] = field(default_factory=Counter)
    _spacings: Counter[str] = field(default_factory=Counter)
    _sizes: set[tuple[int, ...]] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    def add(self, signal: Signal, label_names: Sequence[str]) -> None:
        """Count one signal."""
        observed = signal.values
        if signal.mask is not None:
            observed = observed[signal.mask]
        low, high = float(observed.min()), float(observed.max())
        if self.low is None or low < self.low:
            self.low = low
        if self.high is None or high > self.high:
            self.high = high
        self._tally.add_header(signal.header)
        self._use.add(signal.normalised(), signal.observed())
        outside = (observed < signal.range.low) | (observed > signal.range.high)
        self.signals += 1
        self.points += signal.domain.points
        self.missing += signal.domain.points - observed.size // signal.channels
        self.clamped += int(outside.any(axis=-1).sum())
        self._shapes[_shape(signal)] += 1
        self._sizes.add(signal.values.shape[:-1])
        self._spacings[_spacing(signal)] += 1
        self.labels.update(class_names(signal.label, label_names))
        if low == high:
            self.constant.append(signal.id)
        if signal.id in self._seen:
            self.doubled.append(signal.id)
        self._seen.add(signal.id)

    @property
    def facts(self) -> DataFacts | None:
        """Unit, range and spacing of the signals; None before the first one."""
        return self._tally.facts(self._use) if self.signals else None

    @property
    def shapes(self) -> dict[str, int]:
        """How many signals have the most frequent shapes."""
        return dict(self._shapes.most_common(_MOST))

    @property
    def spacings(self) -> dict[str, int]:
        """How many signals have the most frequent spacings."""
        return dict(self._spacings.most_common(_MOST))

    @property
    def different_shapes(self) -> int:
        """How many shapes there are."""
        return len(self._shapes)

    @property
    def extent(self) -> list[tuple[int, int]]:
        """The smallest and the largest number of samples along each axis."""
        return [(min(axis), max(axis)) for axis in zip(*self._sizes, strict=False)]

    def to_json(self) -> dict[str, Any]:
        """Plain data; classes in the order of their names."""
        return {**super().to_json(), "labels": dict(sorted(self.labels.items()))}


@dataclass(frozen=True, eq=False)
class SourceReport(Result):
    """What a source holds.

    Args:
        info, spec: What it says of itself.
        splits: What was counted, by split.
        skipped: Files and signals that could not be read.
        pictured: Signals drawn at random from all splits, for a contact sheet.
        remarks: What the source says of how its files were understood and split.
    """

    info: SourceInfo
    spec: SignalSpec
    splits: Mapping[str, SplitTally]
    skipped: Sequence[Skipped]
    pictured: Sequence[Signal]
    remarks: Sequence[str] = ()

    kind: ClassVar = "source"

    @property
    def labels(self) -> list[str]:
        """The classes that occur in any split."""
        known: set[str] = set()
        for tally in self.splits.values():
            known.update(tally.labels)
        return sorted(known)

    @property
    def odd(self) -> list[str]:
        """What a user should know before training, one sentence each."""
        odd = list(self.remarks)
        if self.skipped:
            names = _some([entry.name for entry in self.skipped])
            count = counted(len(self.skipped), "file or signal", "files or signals")
            odd.append(f"{count} cannot be read: {names}")
        for name, tally in self.splits.items():
            absent = [label for label in self.labels if label not in tally.labels]
            if absent:
                odd.append(f"{name}: no signal of class {_some(absent)}")
        for name, tally in self.splits.items():
            odd += _odd_signals(name, tally)
        return odd

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.kind,
            **to_json(self.info),
            "signal": to_json(self.spec),
            "splits": to_json(self.splits),
            "skipped": to_json(self.skipped),
            "odd": self.odd,
        }


def describe_source(source: Source, pictured: int = 24) -> SourceReport:
    """Read every signal once and count.

    Args:
        source: Opened so that it skips bad files, or the first one ends the description.
        pictured: How many signals to keep for a contact sheet.

    Raises:
        DataError: If the source stops at a bad file.
    """
    tallies: dict[str, SplitTally] = {}
    split_of: dict[bytes, str] = {}
    kept: list[Signal] = []
    generator = np.random.default_rng(0)
    seen = 0
    for split in source.items:  # what is too little to be split is looked at, too
        tallies[split] = SplitTally()
        for signal in source.signals(split):
            tallies[split].add(signal, source.spec.label_names)
            first = split_of.setdefault(_digest(signal), split)
            blank = signal.values.min() == signal.values.max()
            if first != split and not blank:
                tallies[split].copies += 1
            seen += 1
            if len(kept) < pictured:
                kept.append(signal)
                continue
            place = int(generator.integers(seen))  # every signal is kept with equal chance
            if place < pictured:
                kept[place] = signal
    return SourceReport(
        source.info, source.spec, tallies, tuple(source.skipped), kept, source.remarks
    )


def _digest(signal: Signal) -> bytes:
    """Equal for signals of the same values."""
    return hashlib.blake2b(signal.values.tobytes(), digest_size=16).digest()


def _shape(signal: Signal) -> str:
    if isinstance(signal.domain, Grid):
        return " x ".join(map(str, signal.domain.shape))
    return f"{signal.domain.points} scattered points"


def _spacing(signal: Signal) -> str:
    domain = signal.domain
    if isinstance(domain, Scatter):
        return _apart(domain)
    if domain.spacing is None:
        return "unknown"
    text = " x ".join(f"{spacing:.4g}" for spacing in domain.spacing)
    return f"{text} {domain.unit}".rstrip()


def _apart(scatter: Scatter) -> str:
    """How far neighbours of scattered samples lie apart, where they lie evenly on one axis."""
    if scatter.dim > 1 or scatter.points < 2:
        return "scattered"
    places = np.sort(scatter.positions[:, 0])
    even, step = np.linspace(places[0], places[-1], len(places), retstep=True)
    if np.abs(places - even).max() > _EVEN * step:
        return "uneven"
    return f"{step:.4g} {scatter.unit}".rstrip()


def _odd_signals(split: str, tally: SplitTally) -> Iterator[str]:
    if not tally.signals:
        yield f"{split}: no signal"
    if tally.constant:
        yield f"{split}: {len(tally.constant)} constant signals: {_some(tally.constant)}"
    if tally.facts is not None:
        for remark in range_remark(tally.facts):
            yield f"{split}: {remark}"
    if tally.copies:
        yield f"{split}: {tally.copies} signals are the same as one of another split"
    if tally.doubled:
        yield f"{split}: {len(tally.doubled)} ids that came before: {_some(tally.doubled)}"
    if tally.missing:
        yield f"{split}: {tally.missing / tally.points:.1%} of the points are missing"
    if tally.clamped:
        yield (
            f"{split}: {tally.clamped / tally.points:.2%} of the points lie outside the range that "
            "is mapped to [0, 1]"
        )


def _some(names: Sequence[str]) -> str:
    text = ", ".join(names[:_MOST])
    if len(names) > _MOST:
        text += f" and {len(names) - _MOST} more"
    return text
