"""What a preprocessing step is: plain data that changes a signal, and says where its samples go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final

import numpy as np

from medfuncta._src.door.allowance import NUMBER, check_signal
from medfuncta._src.door.limits import MAX_POINTS
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.types import ArrayMask

_ROUNDING: Final = 1e-3  # of a share of observed samples that was interpolated in float32


@dataclass(frozen=True)
class Step(ABC):
    """One preprocessing step; its fields are its settings, as numbers, words or tuples of these."""

    name: ClassVar[str]

    @abstractmethod
    def apply(self, signal: Signal) -> Signal:
        """The signal after this step.

        Raises:
            DataError: If the step does not fit the signal.
        """

    def to_dict(self) -> dict[str, Any]:
        """The step as plain data: its name and the settings that are not None."""
        data: dict[str, Any] = {"step": self.name}
        for setting in fields(self):
            value = getattr(self, setting.name)
            if value is not None:
                data[setting.name] = value
        return data


@dataclass(frozen=True)
class GridStep(Step):
    """A step that moves samples on a physical grid and leaves their meaning alone."""

    adds_samples: ClassVar[bool] = False
    """Whether samples may appear beyond the old ones, which are unobserved unless :attr:`padding`
    gives them a value."""

    @abstractmethod
    def place(self, grid: Grid) -> tuple[Grid, np.ndarray]:
        """Where the samples lie afterwards, and how that relates to where they lay.

        Returns:
            The new grid, and a ``[dim + 1, dim + 1]`` matrix from its voxel indices to those of
            ``grid``.
        """

    @abstractmethod
    def _moved(self, image: np.ndarray, grid: Grid, order: int, fill: float) -> np.ndarray:
        """One channel from ``grid`` to the new grid, interpolated with splines of this order,
        ``fill`` where nothing is known."""

    @property
    def order(self) -> int:
        """Order of the interpolating spline for values: 1 linear, 3 cubic."""
        return 1

    @property
    def padding(self) -> float | None:
        """The physical value of samples that :meth:`apply` adds; None leaves them unobserved."""
        return None

    def apply(self, signal: Signal) -> Signal:
        grid = signal.domain
        if not isinstance(grid, Grid):
            raise DataError(
                f"signal '{signal.id}' is scattered; expected samples on a grid for {self.name}"
            )
        after, _ = self.place(grid)
        if after.points > MAX_POINTS:
            raise DataError(
                f"signal '{signal.id}': {self.name} asks for a grid of shape {after.shape}; "
                f"expected at most {MAX_POINTS} points"
            )
        what = f"signal '{signal.id}' on a grid of shape {list(after.shape)} ({self.name})"
        check_signal(what, after.points * signal.channels * NUMBER, signal.values.nbytes)
        values = signal.values
        if signal.mask is not None:
            values = np.where(signal.mask[..., None], values, np.float32(0))
        fill = self.padding or 0.0
        channels = np.moveaxis(values, -1, 0)
        moved = np.stack([self._moved(c, grid, self.order, fill) for c in channels], axis=-1)
        return signal.with_values(moved, self._observed(signal.mask, grid), after)

    def _observed(self, mask: ArrayMask | None, grid: Grid) -> ArrayMask | None:
        """Which new samples are observed: those made of observed samples only; None for all."""
        pads = self.padding is not None
        if mask is None and (pads or not self.adds_samples):
            return None
        seen = np.ones(grid.shape, bool) if mask is None else mask
        share = self._moved(seen.astype(np.float32), grid, order=1, fill=float(pads))
        observed = share > 1 - _ROUNDING
        return None if observed.all() else observed

    def apply_labels(self, labels: np.ndarray, grid: Grid) -> np.ndarray:
        """A label map ``[*grid.shape]`` on the new grid, by nearest neighbour; 0 where nothing is
        known."""
        return self._moved(labels, grid, order=0, fill=0)
