"""What is missing from a signal, restored by fitting what is left of it, and by interpolation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from medfuncta._src.errors import DataError
from medfuncta._src.latents.round_trip import round_trip
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.findings import Findings, Trial
from medfuncta._src.studies.network import facts_of, held_out, network_for
from medfuncta._src.studies.pictures import missing_samples_picture, missing_slices_picture
from medfuncta._src.studies.restoration import (
    FIELD,
    SPLINES,
    Depleted,
    Flags,
    Removal,
    Restoration,
    restore,
)
from medfuncta._src.studies.study import StudyOptions
from medfuncta._src.tasks.evaluate.metrics import measure, summarise
from medfuncta._src.tasks.evaluate.report import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PART: Final = 0.3
"""Of the samples, how many are removed."""
_GAPS: Final = 3
"""Stretches that they are removed in."""

_EXPLANATION: Final = (
    "PSNR of the removed points only, of values mapped to [0, 1] and clamped there; none of them "
    "was seen by any method. The first and the last sample or slice stay, so that nobody "
    "extrapolates. The field has learned from other signals of this data set, which interpolation "
    "has not; interpolation passes through every sample that is left, which the field does not."
)


def at_random(samples: int, rng: np.random.Generator) -> Flags:
    """Remove samples independently of each other."""
    removed = np.zeros(samples, bool)
    inner = np.arange(1, samples - 1)
    removed[rng.choice(inner, _removed_count(samples), replace=False)] = True
    return removed


def in_gaps(samples: int, rng: np.random.Generator) -> Flags:
    """Remove as many samples in a few gaps of equal length, at least one sample apart."""
    removed = _removed_count(samples)
    # Before which of the samples left each gap lies.
    starts = np.sort(rng.choice(np.arange(1, samples - removed), _GAPS, replace=False))
    lengths = np.diff(np.linspace(0, removed, _GAPS + 1).round().astype(int))
    return np.insert(np.zeros(samples - removed, bool), np.repeat(starts, lengths), True)


def every_second(samples: int, rng: np.random.Generator) -> Flags:
    """Remove the second, the fourth, ..."""
    removed = np.arange(samples) % 2 == 1
    removed[-1] = False
    return removed


def _removed_count(samples: int) -> int:
    return max(_GAPS, round(_PART * samples))


@dataclass(frozen=True)
class _Experiment:
    """Signals of one dimension that are restored after samples or slices were removed.

    Args:
        title: What was asked.
        what: The signals, in a word.
        dim: Their dimension.
        removals: What is removed, by condition.
        draw: The picture of the trials, given the first restoration of each.
    """

    title: str
    what: str
    dim: int
    removals: Mapping[str, Removal]
    draw: Callable[[Sequence[Trial], Sequence[Restoration]], Figure]

    def run(self, options: StudyOptions) -> Findings:
        """Remove, restore and compare on held-out signals.

        Raises:
            MedFunctaError: If the data are of another dimension or on no grid, or the run does not
                fit them.
        """
        source = open_source(options.data, skip_bad=options.skip_bad)
        if source.spec.dim != self.dim:
            raise DataError(
                f"{source.info.name} holds {source.spec.dim}D signals; expected {self.what}, "
                f"{self.dim}D"
            )
        run = network_for(source, options)
        signals = held_out(source, options)
        whole = round_trip(run, signals, device=options.device)
        facts = facts_of(source, run, len(signals), options)
        trials, examples = [], []
        for condition, remove in self.removals.items():
            options.tell(condition)
            rng = np.random.default_rng(options.seed)
            cases = [Depleted.of(signal, slice_axis(signal), remove, rng) for signal in signals]
            restorations = restore(run, cases, options.device)
            metrics = {}
            for method in (FIELD, *SPLINES):
                metrics[method] = [restored.metrics[method] for restored in restorations]
            trials.append(Trial(condition, metrics))
            examples.append(restorations[0])
            unhurt = []
            for case, signal in zip(cases, whole, strict=True):
                unhurt.append(measure(case.target, signal))
            facts[f"the field on the same points, not removed ({condition})"] = number(
                summarise(unhurt).psnr.mean, 2, " dB"
            )
        return Findings(self.title, _EXPLANATION, facts, trials, self.draw(trials, examples))


missing_samples: Final = _Experiment(
    "Traces with missing samples",
    what="traces",
    dim=1,
    removals={
        f"{_PART:.0%} removed at random": at_random,
        f"{_PART:.0%} removed in {_GAPS} gaps": in_gaps,
    },
    draw=missing_samples_picture,
).run
"""Traces without three tenths of their samples."""

missing_slices: Final = _Experiment(
    "Volumes with missing slices",
    what="volumes",
    dim=3,
    removals={"every second slice removed": every_second},
    draw=missing_slices_picture,
).run
"""Volumes without every second slice."""


def slice_axis(signal: Signal) -> int:
    """The axis along which the slices of a volume lie: that of the widest spacing, the last of
    equals; the only one of a trace."""
    widths = (1.0,) * signal.domain.dim
    if isinstance(signal.domain, Grid):
        widths = signal.domain.spacing or widths
    return max(range(len(widths)), key=lambda axis: (widths[axis], axis))
