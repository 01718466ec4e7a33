"""What many signals are like, in a few figures that tell whether a network has seen the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
from msgspec import Meta

from medfuncta.door.declared import Fault, check_plain, convert
from medfuncta.door.limits import Count, Name, Shape
from medfuncta.result import Result
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal, SignalHeader
from medfuncta.signals.signal_set import SignalSet

_Steps: TypeAlias = Annotated[
    tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=1, max_length=3)
]

_MOST: Final = 128
"""Signals that tell what a set of many more is like."""


@dataclass(frozen=True)
class Profile(Result):
    """Many signals in figures.

    Args:
        signals: How many the figures are of.
        channels: Numbers per point.
        unit: Of the values.
        low, high: What is mapped to 0 and 1; of signals with ranges of their own the medians.
        own_ranges: Whether signals have ranges of their own.
        mean, std: Of the values after that map, over all observed samples; None where only headers
            were seen.
        smallest, largest: Samples along each axis.
        spacing: From sample to sample along each axis, the median; None where it is not known.
        spacing_unit: Of ``spacing``.
    """

    signals: Count
    channels: Annotated[int, Meta(ge=1, le=2**16)]
    unit: Name
    low: float
    high: float
    own_ranges: bool
    mean: float | None
    std: float | None
    smallest: Shape
    largest: Shape
    spacing: _Steps | None
    spacing_unit: Name

    @classmethod
    def of(cls, signals: SignalSet) -> Profile | None:
        """Of some signals of a set, evenly spread; None of an empty one."""
        profiler = Profiler()
        chosen = np.linspace(0, len(signals) - 1, min(len(signals), _MOST)).astype(int)
        for index in chosen.tolist():
            profiler.add(signals.signal(index))
        return profiler.profile()

    @classmethod
    def from_json(cls, data: Any) -> Profile | None:
        """What :meth:`to_json` wrote; None where it is nothing of the kind, since no figure of a
        run depends on it."""
        if not isinstance(data, Mapping):
            return None
        try:
            check_plain(data)
            return convert(data, cls)
        except Fault:
            return None

    @property
    def rate(self) -> float | None:
        """Samples a second of traces, in hertz; None where it is not known."""
        if self.spacing is None or self.spacing_unit != "s":
            return None
        return 1 / self.spacing[0]


@dataclass
class Profiler:
    """Takes the figures of signals one after the other; no value is kept."""

    _ranges: list[tuple[float, float]] = field(default_factory=list)
    _shapes: list[tuple[int, ...]] = field(default_factory=list)
    _spacings: list[tuple[float, ...] | None] = field(default_factory=list)
    _first: SignalHeader | None = None
    _samples: int = 0
    _sum: float = 0.0
    _squares: float = 0.0

    def add(self, signal: Signal) -> None:
        """One more signal."""
        self.add_header(signal.header)
        span = signal.range.high - signal.range.low
        values = (signal.observed_values().astype(np.float64) - signal.range.low) / span
        self._samples += values.size
        self._sum += float(values.sum())
        self._squares += float(np.square(values).sum())

    def add_header(self, header: SignalHeader) -> None:
        """One more signal, of which no values are at hand."""
        self._first = self._first or header
        self._ranges.append((header.range.low, header.range.high))
        if len(header.domain.shape) == len(self._first.domain.shape):
            self._shapes.append(header.domain.shape)
        spacing = None
        if isinstance(header.domain, Grid):
            spacing = header.domain.spacing
        self._spacings.append(spacing)

    def profile(self) -> Profile | None:
        """The figures so far; None before the first signal."""
        first = self._first
        if first is None:
            return None
        low, high = np.median(self._ranges, axis=0)
        mean = std = None
        if self._samples:
            mean = self._sum / self._samples
            std = max(0.0, self._squares / self._samples - mean**2) ** 0.5
        return Profile(
            signals=len(self._ranges),
            channels=first.channels,
            unit=first.unit,
            low=float(low),
            high=float(high),
            own_ranges=len(set(self._ranges)) > 1,
            mean=mean,
            std=std,
            smallest=_along_axes(np.min, self._shapes),
            largest=_along_axes(np.max, self._shapes),
            spacing=self._usual_spacing(),
            spacing_unit=first.domain.unit,
        )

    def _usual_spacing(self) -> tuple[float, ...] | None:
        """The median along each axis, where all signals have one."""
        known = [spacing for spacing in self._spacings if spacing is not None]
        if len(known) < len(self._spacings):
            return None
        return tuple(np.median(known, axis=0).tolist())


def _along_axes(extreme: Any, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(extreme(shapes, axis=0).tolist())
