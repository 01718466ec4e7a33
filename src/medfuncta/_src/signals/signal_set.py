"""The signals of one split, flattened to points once and handed out in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Chunk
from medfuncta._src.door.wording import counted, printable
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal import Signal, SignalHeader, SignalSpec


@dataclass(frozen=True, eq=False)
class SignalSet:
    """Signals as one flat array of normalised values, in memory or on the disk.

    Args:
        spec: What they have in common.
        headers: The signals without their values, in order.
        values: ``[all points, channels]`` float32 in [0, 1], signal after signal; may be
            memory-mapped.
        observed: ``[all points]`` bool, or None when every point was observed; may be
            memory-mapped.
        starts: ``[signals]`` where the points of each signal begin in ``values``.
    """

    spec: SignalSpec
    headers: Sequence[SignalHeader]
    values: np.ndarray
    observed: np.ndarray | None
    starts: np.ndarray

    @classmethod
    def collect(cls, spec: SignalSpec, signals: Iterable[Signal]) -> SignalSet:
        """Read signals into memory.

        Raises:
            DataError: If there is none, or one does not have the dimension and channels of
                ``spec``.
        """
        headers, values, observed = [], [], []
        for signal in signals:
            spec.check_fits(SignalSpec(signal.domain.dim, signal.channels))
            headers.append(signal.header)
            values.append(signal.normalised())
            observed.append(signal.observed())
        if not headers:
            raise DataError("no signals; expected at least one in this split")
        mask = np.concatenate(observed)
        return cls(
            spec,
            headers,
            values=np.concatenate(values),
            observed=None if mask.all() else mask,
            starts=starts_of(headers),
        )

    def __repr__(self) -> str:
        signals, channels = counted(len(self), "signal"), counted(self.spec.channels, "channel")
        form = f"{self.spec.dim}D, {channels}"
        if self.spec.unit:
            form += f" in {self.spec.unit}"
        return printable(f"SignalSet({signals}, {counted(len(self.values), 'point')}, {form})")

    def __len__(self) -> int:
        return len(self.headers)

    def subset(self, indices: Sequence[int] | np.ndarray) -> SignalSet:
        """A set of these signals only, in this order; it shares the values, so that none are read
        or copied."""
        return replace(
            self,
            headers=[self.headers[i] for i in indices],
            starts=self.starts[np.asarray(indices, int)],
        )

    @cached_property
    def shared_grid(self) -> bool:
        """Whether the points of all signals have the same coordinates."""
        first = self.headers[0].domain
        for header in self.headers:
            if header.domain is not first and not _same_coordinates(header.domain, first):
                return False
        return True

    @cached_property
    def _shared_coordinates(self) -> torch.Tensor:
        return torch.from_numpy(self.headers[0].domain.coordinates()).unsqueeze(0)

    def signal(self, index: int) -> Signal:
        """One signal, in physical values."""
        part = self._part(index)
        return self.headers[index].with_normalised(self.values[part], self._seen(part))

    def normalised(self, index: int) -> np.ndarray:
        """The normalised values of one signal, ``[points, channels]``."""
        return self.values[self._part(index)]

    def points(self, indices: Sequence[int]) -> Points:
        """All points of these signals; those of shorter ones are padded with weight 0."""
        counts = [self.headers[i].domain.points for i in indices]
        longest = max(counts)
        values = np.zeros((len(counts), longest, self.spec.channels), np.float32)
        weights = np.zeros((len(counts), longest), np.float32)
        for row, (index, count) in enumerate(zip(indices, counts, strict=True)):
            part = self._part(index)
            values[row, :count] = self.values[part]
            seen = self._seen(part)
            weights[row, :count] = seen / np.float32(seen.sum())
        coordinates = self._coordinates(indices, longest)
        return Points(coordinates, torch.from_numpy(values), torch.from_numpy(weights))

    def observed_counts(self, indices: Sequence[int]) -> list[int]:
        """How many points of these signals were observed; no value is read for it."""
        counts = []
        for index in indices:
            if self.observed is None:
                counts.append(self.headers[index].domain.points)
            else:
                counts.append(int(self.observed[self._part(index)].sum()))
        return counts

    def _part(self, index: int) -> slice:
        start = int(self.starts[index])
        return slice(start, start + self.headers[index].domain.points)

    def _seen(self, part: slice) -> np.ndarray:
        """Which points of a part were observed, ``[points]`` bool."""
        if self.observed is None:
            return np.ones(part.stop - part.start, bool)
        return self.observed[part]

    def _coordinates(self, indices: Sequence[int], longest: int) -> torch.Tensor:
        if self.shared_grid:
            return self._shared_coordinates
        coordinates = np.zeros((len(indices), longest, self.spec.dim), np.float32)
        for row, index in enumerate(indices):
            domain = self.headers[index].domain
            coordinates[row, : domain.points] = domain.coordinates()
        return torch.from_numpy(coordinates)

    @expecting
    def batches(self, size: Chunk) -> Iterator[tuple[range, Points]]:
        """All signals in order, ``size`` at a time, the odd last batch included: (which ones, their
        points)."""
        for which in self.spans(size):
            yield which, self.points(which)

    def spans(self, size: Chunk) -> list[range]:
        """Which signals the batches of :meth:`batches` are of."""
        count = len(self)
        return [range(start, min(start + size, count)) for start in range(0, count, size)]


def starts_of(headers: Sequence[SignalHeader]) -> np.ndarray:
    """Where the points of each signal begin, ``[signals]``, when all lie one after the other."""
    return np.cumsum([0, *(header.domain.points for header in headers[:-1])])


def _same_coordinates(one: Domain, other: Domain) -> bool:
    if not isinstance(one, Grid) or not isinstance(other, Grid):
        return False
    return one.shape == other.shape and one.half_sides == other.half_sides
