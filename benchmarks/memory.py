"""Peak memory of a meta-step against inner steps, points and batch:
``python -m benchmarks.memory``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks import ours as our_side
from benchmarks import reference as their_side
from benchmarks.case import Case
from benchmarks.command import MetaStepBenchmark, main
from benchmarks.measure import Row, extra_memory


@dataclass(kw_only=True)
class Memory(MetaStepBenchmark):
    """How the peak memory of a meta-step, above idle, grows with inner steps (G), with points and
    with the batch."""

    inner_steps: tuple[int, ...] = (5, 10, 20, 40)
    """Values of G."""
    points: tuple[int, ...] = (1, 2, 4)
    """Times as many points a signal."""
    batches: tuple[int, ...] = (1, 2, 4, 8)
    """Signals a meta-step; the other two are measured at --batch."""

    def rows(self) -> list[Row]:
        return [row for name, cases in self._axes() for row in self._along(name, cases)]

    def _axes(self) -> Iterator[tuple[str, list[tuple[int, Case]]]]:
        """What is varied, and the cases along it."""
        case = self.case
        yield (
            "inner steps",
            [(steps, replace(case, inner_steps=steps)) for steps in self.inner_steps],
        )
        first, *others = case.shape
        yield (
            "points",
            [
                (times * case.points, replace(case, shape=(times * first, *others)))
                for times in self.points
            ],
        )
        yield "batch", [(batch, replace(case, batch=batch)) for batch in self.batches]

    def _along(self, name: str, cases: list[tuple[int, Case]]) -> Iterator[Row]:
        """A row a case, and how much the last one takes compared with the first."""
        measured = [self._row(f"{name} {number:,}", case) for number, case in cases]
        yield from measured
        ours, reference = (
            [getattr(row, side) for row in measured] for side in ("ours", "reference")
        )
        yield Row.of(
            f"{name} {cases[0][0]:,} to {cases[-1][0]:,}, growth",
            "x",
            _growth(ours),
            _growth(reference),
        )

    def _row(self, name: str, case: Case) -> Row:
        theirs, reason = (
            (None, "")
            if self.reference is None
            else their_side.meta_step_memory(self.reference, case)
        )
        return Row.of(name, "MiB", extra_memory(our_side.meta_step, case), theirs, note=reason)


def _growth(figures: list[float | None]) -> float | None:
    first, last = figures[0], figures[-1]
    return last / first if first and last is not None else None


if __name__ == "__main__":
    sys.exit(main(Memory))
