"""Signals as points: coordinates, values and weights, ready for the field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from medfuncta._src.types import Coordinates, Values, Weights


@dataclass(frozen=True)
class BatchPart:
    """Which signals of a batch one of several processes has.

    Args:
        first: How many stand before them.
        count: How many they are.
        of: How many the whole batch has.
    """

    first: int
    count: int
    of: int

    @property
    def rows(self) -> slice:
        """Their rows in whatever has a row a signal."""
        return slice(self.first, self.first + self.count)


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a batch of signals.

    ``weights`` make every loss a plain weighted sum over points: they sum to 1 for each signal, so
    that signals of different lengths and with missing points share one batch (padding weighs 0) and
    chunks of points add up exactly.

    Args:
        coordinates: ``[batch, points, dim]``, or ``[1, points, dim]`` when all signals share one
            grid.
        values: ``[batch, points, channels]``.
        weights: ``[batch, points]``.
    """

    coordinates: Coordinates
    values: Values
    weights: Weights

    @property
    def batch(self) -> int:
        return self.values.shape[0]

    @property
    def _shared(self) -> bool:
        """Whether all signals have the same coordinates."""
        return self.coordinates.shape[0] == 1

    def _coordinates(self, which: slice | Int[Tensor, " some"]) -> Coordinates:
        """Those of some signals."""
        if self._shared:
            return self.coordinates
        return self.coordinates[which]

    @property
    def count(self) -> int:
        """Points a signal, padding included."""
        return self.values.shape[1]

    def signals(self, start: int, stop: int) -> Points:
        """The signals from ``start`` to ``stop``."""
        which = slice(start, stop)
        return Points(self._coordinates(which), self.values[which], self.weights[which])

    def select(self, which: Int[Tensor, " some"]) -> Points:
        """The signals of these rows."""
        return Points(self._coordinates(which), self.values[which], self.weights[which])

    def chunk(self, start: int, stop: int) -> Points:
        """The points from ``start`` to ``stop`` of every signal; weights are kept, so chunks add up
        to the whole."""
        return Points(
            self.coordinates[:, start:stop], self.values[:, start:stop], self.weights[:, start:stop]
        )

    def chunks(self, size: int) -> Iterator[Points]:
        """The points in pieces of at most ``size``."""
        if size >= self.count:
            yield self
            return
        for start in range(0, self.count, size):
            yield self.chunk(start, start + size)

    def take(self, index: Int[Tensor, "batch subset"]) -> Points:
        """For each signal its own subset of points, reweighted to sum to 1 again.

        A subset that holds no observed point of a signal keeps weights of 0: its loss is 0 and its
        latent stays.
        """
        rows = torch.arange(self.batch, device=index.device).unsqueeze(1)
        coordinates = self.coordinates[0][index] if self._shared else self.coordinates[rows, index]
        weights = self.weights.gather(1, index)
        total = weights.sum(dim=1, keepdim=True)
        weights = weights / torch.where(total > 0, total, 1.0)
        return Points(coordinates, self.values[rows, index], weights)

    def to(
        self,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        non_blocking: bool = False,
    ) -> Points:
        """The same points on another device or in another floating type.

        Args:
            device: Where to; where they are when None.
            dtype: As what; as they are when None.
            non_blocking: Do not wait until pinned memory is copied to a graphics card.
        """

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device=device, dtype=dtype, non_blocking=non_blocking)

        return Points(moved(self.coordinates), moved(self.values), moved(self.weights))

    def pinned(self) -> Points:
        """The same points in memory that a graphics card copies by itself."""
        return Points(
            self.coordinates.pin_memory(), self.values.pin_memory(), self.weights.pin_memory()
        )
