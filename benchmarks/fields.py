"""Kinds of field side by side at equal processor time: ``python -m benchmarks.fields``.

Each kind is trained with the same preset, seeds and signals for about as many processor seconds:
the number of meta-steps, over which the schedule of the rate runs, follows from a few that are
timed first. Quality is the PSNR on validation signals after the last meta-step.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.command import Benchmark, main
from benchmarks.measure import Row
from medfuncta._src.cli.command import Assignments, assigned
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.workflow import train

_WARM_UP: Final = 3
_TIMED: Final = 40


@dataclass(frozen=True)
class _Outcome:
    """One training.

    Args:
        steps: Meta-steps taken.
        seconds: Processor seconds they took, reading and the one validation included.
        psnr: Mean PSNR on validation signals, in dB.
    """

    steps: int
    seconds: float
    psnr: float


@dataclass(kw_only=True)
class Fields(Benchmark):
    """PSNR of several kinds of field after equal processor time."""

    data: str
    """Where the signals come from, e.g. wfdb:mitbih or npz:cells.npz."""
    kinds: tuple[str, ...] = ("siren", "finer")
    """Rows of the table of fields; ratios are to the first one."""
    seconds: float = 120.0
    """Processor seconds of each training."""
    seeds: int = 2
    """Trainings of each kind."""
    preset: str | None = None
    """Settings by name; without it the ones that fit the data."""
    set: Assignments = field(default_factory=list)
    """Any setting, as section.name=value; overrides the preset."""

    def settings(self) -> dict[str, Any]:
        names = ("data", "kinds", "seconds", "seeds", "preset", "set")
        return {name: getattr(self, name) for name in names}

    def rows(self) -> list[Row]:
        source = open_source(self.data)
        outcomes: dict[str, list[_Outcome]] = {}
        for kind in self.kinds:
            steps = self._steps_within(source, kind)
            outcomes[kind] = [self._train(source, kind, seed, steps) for seed in range(self.seeds)]
        rows: list[Row] = []
        for kind, found in outcomes.items():
            rows.extend(_rows(kind, found))
        return rows

    def _steps_within(self, source: Source, kind: str) -> int:
        """How many meta-steps this kind of field takes in the time of a training."""
        few = self._train(source, kind, 0, _WARM_UP)
        more = self._train(source, kind, 0, _WARM_UP + _TIMED)
        seconds_a_step = max(more.seconds - few.seconds, 1e-3) / _TIMED
        return max(1, int(self.seconds / seconds_a_step))

    def _train(self, source: Source, kind: str, seed: int, steps: int) -> _Outcome:
        given = assigned(self.set)
        settings = {
            **given,
            "field": {**given.get("field", {}), "kind": kind},
            "train": {
                **given.get("train", {}),
                "seed": seed,
                "steps": steps,
                "validate_every": steps,  # once, at the end
            },
        }
        before = time.process_time()
        with TemporaryDirectory() as folder:
            training = train(
                source, Path(folder) / "run", self.preset, settings=settings, device="cpu"
            )
        seconds = time.process_time() - before
        best = training.progress.best_psnr
        sys.stderr.write(
            f"{kind}, seed {seed}: {steps} meta-steps, {seconds:.0f} s, {best:.2f} dB\n"
        )
        return _Outcome(steps, seconds, best or 0.0)


def _rows(kind: str, outcomes: list[_Outcome]) -> Iterator[Row]:
    psnrs = [outcome.psnr for outcome in outcomes]
    spread = f"standard deviation {stdev(psnrs):.2f} dB" if len(psnrs) > 1 else ""
    seconds = mean(outcome.seconds for outcome in outcomes)
    yield Row.of(f"{kind}: PSNR, mean of seeds", "dB", mean(psnrs), None, note=spread)
    yield Row.of(f"{kind}: meta-steps", "", float(outcomes[0].steps), None)
    yield Row.of(f"{kind}: processor time of a training", "s", seconds, None)


if __name__ == "__main__":
    sys.exit(main(Fields))
