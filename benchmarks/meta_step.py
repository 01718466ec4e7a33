"""Time and peak memory of a meta-step, and how well the two meta-gradients agree:
``python -m benchmarks.meta_step``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks import ours as our_side
from benchmarks import reference as their_side
from benchmarks.case import Case, sample_values
from benchmarks.command import MetaStepBenchmark, main
from benchmarks.floor import meta_step_floor
from benchmarks.measure import Row, Steps, extra_memory, in_turn
from benchmarks.ours import Ours
from benchmarks.reference import Reference


@dataclass(kw_only=True)
class MetaStep(MetaStepBenchmark):
    """Time and peak memory of a meta-step: contexts, inner loop, second-order gradient, clipping
    and AdamW."""

    repeats: int = 5
    """Timed meta-steps of each side, after one warm-up, in turn."""

    def rows(self) -> list[Row]:
        case = self.case
        memory, affordable = self._memory(case)
        values = sample_values(case, case.batch)
        reference = self.open_reference(case) if affordable else None
        ours = Ours(case, reference and reference.weights())
        points = ours.points(values)
        steps: Steps = {"ours": lambda: ours.meta_step(points), "floor": meta_step_floor(case)}
        agreement = []
        if reference is not None:
            agreement = [agreement_row(ours, reference, values)]
            data = reference.data(values)
            steps = {
                "ours": steps["ours"],
                "reference": lambda: reference.meta_step(data),
                "floor": steps["floor"],
            }
        return [*in_turn(steps, self.repeats).rows("time of a meta-step"), memory, *agreement]

    def _memory(self, case: Case) -> tuple[Row, bool]:
        """Its row, and whether the reference can run here at all."""
        theirs, reason = (
            (None, "")
            if self.reference is None
            else their_side.meta_step_memory(self.reference, case)
        )
        row = Row.of(
            "peak memory of a meta-step, above idle",
            "MiB",
            extra_memory(our_side.meta_step, case),
            theirs,
            note=reason,
        )
        return row, not reason


def agreement_row(ours: Ours, reference: Reference, values: np.ndarray) -> Row:
    """The relative difference of the two meta-gradients at the same weights, signals and
    contexts."""
    case = ours.case
    contexts = [
        None if case.context_ratio == 1 else index.sort().values.expand(case.batch, -1)
        for index in reference.contexts(case.seed)
    ]
    got = ours.meta_gradient(ours.points(values), contexts).gradients
    expected = reference.meta_gradient(reference.data(values), case.seed)
    return Row(
        "meta-gradient, relative difference",
        "",
        relative_difference(got, expected),
        note="of all weights, same contexts",
    )


def relative_difference(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """The norm of the difference over the norm of ``expected``, all tensors taken together."""
    one, other = (
        torch.cat([tensors[name].flatten() for name in expected]) for tensors in (got, expected)
    )
    return float((one - other).norm() / other.norm())


if __name__ == "__main__":
    sys.exit(main(MetaStep))
