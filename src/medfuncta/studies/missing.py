"""What is missing from a signal, restored by fitting what is left of it, and by interpolation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy.interpolate import make_interp_spline

from medfuncta.errors import DataError
from medfuncta.field.run import Run
from medfuncta.latents.decode import reconstruct
from medfuncta.latents.fit import fit_latents
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal
from medfuncta.signals.signal_set import SignalSet
from medfuncta.sources.source import Source
from medfuncta.sources.table import open_source
from medfuncta.studies.findings import Findings, Trial
from medfuncta.studies.network import facts_of, held_out, network_for
from medfuncta.studies.pictures import missing_samples_picture, missing_slices_picture
from medfuncta.studies.table import StudyOptions
from medfuncta.tasks.metrics import SignalMetrics, measure

FIELD: Final = "neural field"
SPLINES: Final = {"linear interpolation": 1, "cubic interpolation": 3}
"""Methods that know nothing but the signal itself, and the degree of their spline."""
PART: Final = 0.3
"""Of the samples, how many are removed."""
GAPS: Final = 3
"""Stretches that they are removed in."""

Flags = Bool[ndarray, " samples"]
Removal = Callable[[int, np.random.Generator], Flags]
"""Which of so many samples in a row are removed; never the first or the last, since what lies beyond them would be extrapolation."""

_EXPLANATION: Final = (
    "PSNR of the removed points only, of values mapped to [0, 1] and clamped there; none of them was seen by any method. The first and "
    "the last sample or slice stay, so that nobody extrapolates. The field has learned from other signals of this data set, which "
    "interpolation has not; interpolation passes through every sample that is left, which the field does not."
)


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
            DataError: If the signal is scattered, has missing points other than samples of a trace, or is too short.
        """
        if not isinstance(signal.domain, Grid) or (signal.mask is not None and signal.domain.dim > 1):
            raise DataError(f"signal '{signal.id}' is scattered or has missing points; expected a whole grid to remove from")
        observed = np.ones(signal.domain.shape[axis], bool) if signal.mask is None else signal.mask
        places = np.flatnonzero(observed)
        if len(places) < 2 * GAPS + 2:
            raise DataError(f"signal '{signal.id}' has {len(places)} samples along axis {axis}; expected at least {2 * GAPS + 2}")
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
        along = [-1 if axis == self.axis else 1 for axis in range(len(shape))]
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


def at_random(samples: int, rng: np.random.Generator) -> Flags:
    """Remove samples independently of each other."""
    removed = np.zeros(samples, bool)
    removed[rng.choice(np.arange(1, samples - 1), _removed_count(samples), replace=False)] = True
    return removed


def in_gaps(samples: int, rng: np.random.Generator) -> Flags:
    """Remove as many samples in a few gaps of equal length, at least one sample apart."""
    removed = _removed_count(samples)
    starts = np.sort(rng.choice(np.arange(1, samples - removed), GAPS, replace=False))  # before which of the samples left each gap lies
    lengths = np.diff(np.linspace(0, removed, GAPS + 1).round().astype(int))
    return np.insert(np.zeros(samples - removed, bool), np.repeat(starts, lengths), True)


def every_second(samples: int, rng: np.random.Generator) -> Flags:
    """Remove the second, the fourth, ..."""
    removed = np.arange(samples) % 2 == 1
    removed[-1] = False
    return removed


def _removed_count(samples: int) -> int:
    return max(GAPS, round(PART * samples))


def missing_samples(options: StudyOptions) -> Findings:
    """Traces without three tenths of their samples.

    Raises:
        MedFunctaError: If the data are no traces on a grid, or the run does not fit them.
    """
    source = _source(options, 1, "traces")
    run = network_for(source, options)
    signals = held_out(source, options)
    conditions: dict[str, Removal] = {f"{PART:.0%} removed at random": at_random, f"{PART:.0%} removed in {GAPS} gaps": in_gaps}
    trials, examples = [], []
    for condition, remove in conditions.items():
        options.tell(condition)
        rng = np.random.default_rng(options.seed)
        restorations = restore(run, [Depleted.of(signal, 0, remove, rng) for signal in signals], options)
        trials.append(_trial(condition, restorations))
        examples.append(restorations[0])
    facts = facts_of(source, run, len(signals), options)
    return Findings("Traces with missing samples", _EXPLANATION, facts, trials, missing_samples_picture(trials, examples))


def missing_slices(options: StudyOptions) -> Findings:
    """Volumes without every second slice along the axis with the widest spacing (the last of equals).

    Raises:
        MedFunctaError: If the data are no volumes on a grid, or the run does not fit them.
    """
    source = _source(options, 3, "volumes")
    run = network_for(source, options)
    signals = held_out(source, options)
    rng = np.random.default_rng(options.seed)
    restorations = restore(run, [Depleted.of(signal, slice_axis(signal), every_second, rng) for signal in signals], options)
    trial = _trial("every second slice removed", restorations)
    facts = facts_of(source, run, len(signals), options)
    return Findings("Volumes with missing slices", _EXPLANATION, facts, [trial], missing_slices_picture(trial, restorations[0]))


def slice_axis(signal: Signal) -> int:
    """The axis along which the slices of a volume lie."""
    spacing = signal.domain.spacing if isinstance(signal.domain, Grid) else None
    widths = spacing or (1.0,) * signal.domain.dim
    return max(range(len(widths)), key=lambda axis: (widths[axis], axis))


def restore(run: Run, cases: Sequence[Depleted], options: StudyOptions) -> list[Restoration]:
    """Restore and measure each signal by every method."""
    remainders = SignalSet.collect(run.spec, (case.remainder for case in cases))
    fit = fit_latents(run, remainders, device=options.device)
    restorations = []
    for case, header, latent, error in zip(cases, remainders.headers, fit.latents, fit.errors, strict=True):
        restored = {FIELD: reconstruct(run, latent, header) if error.isfinite() else None}
        restored |= {method: case.interpolated(degree) for method, degree in SPLINES.items()}
        metrics = {method: _measured(case.target, signal) for method, signal in restored.items()}
        restorations.append(Restoration(case, {method: s for method, s in restored.items() if s is not None}, metrics))
    return restorations


def _measured(target: Signal, restored: Signal | None) -> SignalMetrics:
    if restored is None:
        return SignalMetrics.failure(target.id, target.label, target.domain.points if target.mask is None else int(target.mask.sum()))
    return measure(target, restored)


def _trial(condition: str, restorations: Sequence[Restoration]) -> Trial:
    return Trial(condition, {method: [r.metrics[method] for r in restorations] for method in (FIELD, *SPLINES)})


def _source(options: StudyOptions, dim: int, what: str) -> Source:
    source = open_source(options.data, skip_bad=options.skip_bad)
    if source.spec.dim != dim:
        raise DataError(f"{source.info.name} holds {source.spec.dim}D signals; expected {what}, {dim}D")
    return source
