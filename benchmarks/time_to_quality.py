"""Wall time until a PSNR on unseen signals: ``python -m benchmarks.time_to_quality``.

The reference is trained with its own meta-step, settings and network; ours as a user trains it,
with a preset. Both see the training signals of one source and are validated on the same signals of
its validation split, by the PSNR of clamped values after H = 20 steps of their own test-time
adaptation. The reference's clock runs in its meta-steps only; ours runs all the time, validations
included.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.case import CASES, Case, case_of
from benchmarks.command import Benchmark, main
from benchmarks.curve import Curve, Moment, picture
from benchmarks.floor import meta_step_floor
from benchmarks.measure import Row, in_turn
from benchmarks.reference_curve import ReferenceCurves, Schedule, tell
from medfuncta._src.cli.command import Assignments, assigned
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.learning.callbacks import StepReport
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.tasks.drawing.figure import save_png
from medfuncta._src.workflow import read_for_training, resolve, train

_FLOOR_REPEATS = 3
_CASE_OF_DIMENSION = {case.field.dim: name for name, case in CASES.items()}


class _Enough(Exception):
    """Ends our training from its listener: the target is passed, or the time is up."""


@dataclass(kw_only=True)
class TimeToQuality(Benchmark):
    """Wall time until a PSNR on unseen signals."""

    data: str
    """Where the signals come from, e.g. wfdb:mitbih or npz:cells.npz; all of one shape when there
    is a reference."""
    out: Path
    """Folder of curves, picture and our runs. Curves of the reference found there are used again
    when all settings are the same."""
    preset: str | None = None
    """Our settings by name; without it the ones that fit the data."""
    set: Assignments = field(default_factory=list)
    """Any of our settings, as section.name=value; overrides the preset."""
    target: float | None = None
    """PSNR in dB to reach, besides the best of each reference."""
    reference_steps: int = 1000
    """Meta-steps of the reference at the most."""
    reference_lr: list[float] = field(default_factory=lambda: [3e-6])
    """Learning rates of the reference; several for a tuned baseline. 3e-6 is the paper's."""
    batch: int | None = None
    """Signals in a meta-step of the reference: 64 in 1D, 2 in 2D, 1 in 3D when not given."""
    every: int = 50
    """Meta-steps between validations, on both sides."""
    minutes: float = 120.0
    """Longest training of each side."""
    whole: bool = False
    """Train ours to the end of its schedule, though the target is passed."""
    seed: int = 0
    """Of weights, batches and context sets."""

    def settings(self) -> dict[str, Any]:
        own = (
            "data",
            "preset",
            "set",
            "reference_steps",
            "reference_lr",
            "batch",
            "every",
            "minutes",
            "seed",
        )
        return {name: getattr(self, name) for name in own}

    def rows(self) -> list[Row]:
        source = open_source(self.data)
        config = resolve(source.spec, self.preset, self._our_settings())
        train_set, val_set = read_for_training(source, config)
        val_set = val_set.subset(range(min(len(val_set), config.train.validate_signals)))
        references = self._references(source.spec, train_set, val_set)
        bests = [curve.best.psnr for curve in references.values() if curve.best is not None]
        targets = bests if self.target is None else [*bests, self.target]
        ours = self._our_curve(source, max(targets, default=math.inf))
        ours.save(self.out / "ours.csv")
        save_png(picture(ours, references, targets, source.info.name), self.out / "curves.png")
        return list(_compared(ours, references, self.target, _floor_of_a_step(config, source.spec)))

    def _references(
        self, spec: SignalSpec, train_set: SignalSet, val_set: SignalSet
    ) -> dict[str, Curve]:
        """A curve for each learning rate, by name."""
        if self.reference is None:
            return {}
        curves = ReferenceCurves(self.reference, self.out, self.data, train_set, val_set)
        case = case_of(
            _CASE_OF_DIMENSION[spec.dim], {"batch": self.batch, "seed": self.seed}
        ).for_signals_like(spec)
        schedule = Schedule(self.reference_steps, 60 * self.minutes, self.every)
        return {
            f"reference, rate {rate:g}": curves.curve(replace(case, learning_rate=rate), schedule)
            for rate in self.reference_lr
        }

    def _our_settings(self) -> dict[str, dict[str, Any]]:
        """The preset's settings that flags replace."""
        given = assigned(self.set)
        return {
            **given,
            "train": {"seed": self.seed, "validate_every": self.every, **given.get("train", {})},
        }

    def _our_curve(self, source: Source, target: float) -> Curve:
        moments: list[Moment] = []

        def listen(report: StepReport) -> None:
            progress = report.progress
            if report.val_psnr is not None:
                moments.append(Moment(progress.step, progress.seconds, report.val_psnr))
                tell("ours", moments[-1])
                if report.val_psnr >= target and not self.whole:
                    raise _Enough
            if progress.seconds > 60 * self.minutes:
                raise _Enough

        with suppress(_Enough):
            train(
                source,
                self._new_run(),
                self.preset,
                settings=self._our_settings(),
                device="cpu",
                listener=listen,
            )
        return Curve(tuple(moments))

    def _new_run(self) -> Path:
        """A run folder that is not there yet."""
        return self.out / f"run-{sum(1 for _ in self.out.glob('run-*')) + 1}"


def _floor_of_a_step(config: Config, spec: SignalSpec) -> float | None:
    """Seconds of the bare products of one of our meta-steps; None for signals without a common
    shape, which decides how many there are."""
    if spec.shape is None or not isinstance(config.field, SirenConfig):
        return None
    train = config.train
    case = Case(config.field, spec.shape, train.batch, train.context_ratio, train.inner_steps)
    return in_turn({"floor": meta_step_floor(case)}, _FLOOR_REPEATS).median("floor")


def _compared(
    ours: Curve, references: Mapping[str, Curve], target: float | None, step_floor: float | None
) -> Iterator[Row]:
    """For each reference its best PSNR and when each side had it; then our best, and when we had a
    target given by the user."""

    def time_to(psnr: float, name: str, reference: float | None = None) -> Row:
        """The floor is that of our meta-steps until then."""
        moment = ours.first(psnr)
        if moment is None:
            return Row.of(name, "s", None, reference, note="ours did not reach it")
        return Row.of(
            name,
            "s",
            moment.seconds,
            reference,
            None if step_floor is None else moment.step * step_floor,
        )

    for name, theirs in references.items():
        best = theirs.best
        if best is None:
            yield Row(
                f"{name}: best PSNR", "dB", None, note="it diverged before its first validation"
            )
            continue
        yield Row.of(
            f"{name}: best PSNR",
            "dB",
            ours.best and ours.best.psnr,
            best.psnr,
            note=f"after {best.step} meta-steps",
        )
        yield time_to(best.psnr, f"{name}: time to {best.psnr:.2f} dB", best.seconds)
    if target is not None:
        yield time_to(target, f"time to {target:.2f} dB")
    if ours.best is not None:
        yield Row.of(
            "ours: best PSNR",
            "dB",
            ours.best.psnr,
            note=f"after {ours.best.step} meta-steps and {ours.best.seconds:.0f} s",
        )


if __name__ == "__main__":
    sys.exit(main(TimeToQuality))
