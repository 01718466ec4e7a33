"""Signals that lack whole samples or slices, and what each method makes of what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from scipy.interpolate import make_interp_spline

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.latents.round_trip import round_trip
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, measure

FIELD: Final = "neural field"
SPLINES: Final = {"linear interpolation": 1, "cubic interpolation": 3}
"""Methods that know nothing but the signal itself, and the degree of their spline."""
_FEWEST: Final = 8
"""Samples in a row, so that something is left on either side of what is removed."""

Flags = Bool[ndarray, " samples"]
Removal = Callable[[int, np.random.Generator], Flags]
"""Which of so many samples in a row are removed; never the first or the last, since what lies
beyond them would be extrapolation."""


@dataclass(frozen=True, eq=False)
class Depleted:
    """A signal on a grid that lacks whole samples along one axis.

    Args:
        original: The whole signal.
        axis: Along which samples (of a trace) or slices (of a volume) were removed.
        left: Where something was observed and is left.
        removed: Where something was observed and is not left.
    """

    original: Signal
    axis: int
    left: Flags
    removed: Flags

    @classmethod
    def of(cls, signal: Signal, axis: int, remove: Removal, rng: np.random.Generator) -> Depleted:
        """Remove samples of a signal.

        Raises:
            DataError: If the signal is scattered, has missing points other than samples of a trace,
                or is too short.
        """
        incomplete = signal.mask is not None and signal.domain.dim > 1
        if not isinstance(signal.domain, Grid) or incomplete:
            raise DataError(
                f"signal '{signal.id}' is scattered or has missing points; expected a whole grid "
                "to remove from"
            )
        observed = signal.mask
        if observed is None:
            observed = np.ones(signal.domain.shape[axis], bool)
        places = np.flatnonzero(observed)
        if len(places) < _FEWEST:
            raise DataError(
                f"signal '{signal.id}' has {counted(len(places), 'sample')} along axis {axis}; "
                "expected at "
                f"least {_FEWEST}"
            )
        removed = np.zeros(len(observed), bool)
        removed[places] = remove(len(places), rng)
        return cls(signal, axis, observed & ~removed, removed)

    @property
    def remainder(self) -> Signal:
        """The signal with what is left observed."""
        return replace(self.original, mask=self._spread(self.left))

    @property
    def target(self) -> Signal:
        """The signal with what was removed observed: where methods are compared."""
        return replace(self.original, mask=self._spread(self.removed))

    def interpolated(self, degree: int) -> Signal:
        """The signal with removed samples from a spline through those left along the axis."""
        values = np.moveaxis(self.original.values, self.axis, 0).copy()
        known = np.flatnonzero(self.left)
        spline = make_interp_spline(known, values[known], k=min(degree, len(known) - 1))
        values[self.removed] = spline(np.flatnonzero(self.removed))
        return self.original.with_values(np.moveaxis(values, 0, self.axis))

    def _spread(self, flags: Flags) -> np.ndarray:
        """Flags along the axis as a mask of the whole grid."""
        shape = self.original.values.shape[:-1]
        along = [1] * len(shape)
        along[self.axis] = -1
        return np.broadcast_to(flags.reshape(along), shape).copy()


@dataclass(frozen=True, eq=False)
class Restoration:
    """One signal, what was left of it, and what each method made of that.

    Args:
        depleted: The signal and what was removed.
        restored: By method; a field whose fit did not stay finite is missing.
        metrics: By method, on what was removed.
    """

    depleted: Depleted
    restored: dict[str, Signal]
    metrics: dict[str, SignalMetrics]


def restore(
    run: Run, cases: Sequence[Depleted], device: torch.device | str | None = None
) -> list[Restoration]:
    """Restore and measure each signal by every method."""
    fitted = round_trip(run, [case.remainder for case in cases], device=device)
    restorations = []
    for case, field in zip(cases, fitted, strict=True):
        restored, metrics = {}, {}
        if field is not None:
            restored[FIELD] = field
        metrics[FIELD] = measure(case.target, field)
        for method, degree in SPLINES.items():
            restored[method] = case.interpolated(degree)
            metrics[method] = measure(case.target, restored[method])
        restorations.append(Restoration(case, restored, metrics))
    return restorations
