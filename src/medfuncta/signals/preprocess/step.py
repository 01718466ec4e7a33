"""What a preprocessing step is: plain data that changes a signal, and takes the change back as far
as that is possible."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, ClassVar

import numpy as np

from medfuncta.errors import DataError
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal

MAX_POINTS = 2**30
"""The largest grid a step makes; a mistyped spacing would otherwise ask for all memory there is."""


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

    def invert(self, signal: Signal, grid: Grid) -> Signal:
        """Take the step back, as far as it can be: what was clipped or averaged away stays lost.

        Args:
            signal: What :meth:`apply` gave, or a reconstruction of it.
            grid: Where the samples lay before the step.
        """
        return signal

    def to_dict(self) -> dict[str, Any]:
        """The step as plain data: its name and the settings that are not None."""
        settings = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            "step": self.name,
            **{name: value for name, value in settings.items() if value is not None},
        }


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
    def _forward(self, image: np.ndarray, grid: Grid, order: int, fill: float) -> np.ndarray:
        """One channel from ``grid`` to the new grid, interpolated with splines of this order,
        ``fill`` where nothing is known."""

    @abstractmethod
    def _back(self, image: np.ndarray, grid: Grid, order: int, fill: float) -> np.ndarray:
        """One channel from the new grid back to ``grid``."""

    @property
    def order(self) -> int:
        """Order of the interpolating spline for values: 1 linear, 3 cubic."""
        return 1

    @property
    def padding(self) -> float | None:
        """The physical value of samples that :meth:`apply` adds; None leaves them unobserved."""
        return None

    def apply(self, signal: Signal) -> Signal:
        if not isinstance(signal.domain, Grid):
            raise DataError(
                f"signal '{signal.id}' is scattered; expected samples on a grid for {self.name}"
            )
        after, _ = self.place(signal.domain)
        if after.points > MAX_POINTS:
            raise DataError(
                f"signal '{signal.id}': {self.name} asks for a grid of shape {after.shape}; "
                f"expected at most {MAX_POINTS} points"
            )
        return self._move(signal, after, partial(self._forward, grid=signal.domain), self.padding)

    def invert(self, signal: Signal, grid: Grid) -> Signal:
        return self._move(signal, grid, partial(self._back, grid=grid), None)

    def apply_labels(self, labels: np.ndarray, grid: Grid) -> np.ndarray:
        """A label map ``[*grid.shape]`` on the new grid, by nearest neighbour; 0 where nothing is
        known."""
        return self._forward(labels, grid, 0, 0)

    def _move(
        self, signal: Signal, grid: Grid, move: Callable[..., np.ndarray], padding: float | None
    ) -> Signal:
        """Move every channel and the mask; a new sample is observed when all samples that it was
        made of were."""
        values = (
            signal.values
            if signal.mask is None
            else np.where(signal.mask[..., None], signal.values, np.float32(0))
        )
        fill = 0.0 if padding is None else padding
        moved = np.stack(
            [move(channel, order=self.order, fill=fill) for channel in np.moveaxis(values, -1, 0)],
            axis=-1,
        )
        if signal.mask is None and (padding is not None or not self.adds_samples):
            return signal.with_values(moved, domain=grid)
        seen = (
            np.ones(values.shape[:-1], np.float32)
            if signal.mask is None
            else signal.mask.astype(np.float32)
        )
        observed = move(seen, order=1, fill=float(padding is not None)) > 1 - 1e-3
        return signal.with_values(moved, None if observed.all() else observed, grid)
