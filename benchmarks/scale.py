"""What a data set would take: a cost model fitted to measurements on this machine, held against
others that it has not seen, and a plan for large sets: ``python -m benchmarks.scale``.

A meta-step, and a fit, costs so many seconds for each

- product of a hidden layer (points x L x L),
- number that is no product: sines, cosines, sums (points x L),
- number of the shift maps on a latent (P x L, a signal), and of these maps as they are read
  (P x L, whatever the batch),
- parameter (the optimiser),
- inner step and layer (calls),

and once. How many there are follows from K, L, P, points, batch and inner steps; the seconds are
found by non-negative least squares on relative errors. Times are those of one core (of the process,
not of the clock), each in units of a fixed piece of work that is done before and after it: what
shares caches or the core's two threads slows both down.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch

from benchmarks.case import FIT_STEPS, Case
from benchmarks.command import main
from benchmarks.device import PRECISIONS, Step, field_of, points_of
from benchmarks.measure import Row, rows_table
from medfuncta._src.cli.command import Command
from medfuncta._src.config import InnerConfig, TrainConfig
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.learning.adapt import adapt_to

Work = Callable[[], object]

_CPU: Final = torch.device("cpu")
_LAYERS: Final = (4, 6, 8, 12, 15)
_WIDTHS: Final = (64, 128, 256)
_LATENTS: Final = (64, 256, 1024, 2048)
_SHAPES: Final = ((187,), (20, 20), (28, 28), (32, 32), (48, 48), (12, 12, 12), (16, 16, 16))
_BATCHES: Final = (1, 2, 4, 8, 16)
_KINDS: Final = (
    *("operation of products", "other number", "operation of shifts", "number of shift maps read"),
    *("parameter", "layer and step", "piece of work"),
)
_MOST: Final = 1.2e11
"""Operations of a case, at the most: seconds on a core."""


@dataclass(frozen=True)
class Costs:
    """What a piece of work has to do, by kind.

    Args:
        products: Floating-point operations of the hidden layers.
        others: Numbers of activations that are made of others.
        shifts: Floating-point operations of the shift maps.
        reads: Numbers of the shift maps that are read, once for a batch.
        parameters: That an optimiser changes.
        calls: Layers times steps.
    """

    products: float
    others: float
    shifts: float
    reads: float
    parameters: float
    calls: float

    def row(self) -> list[float]:
        """As numbers, with the one of what happens once."""
        kinds = (self.products, self.others, self.shifts, self.reads, self.parameters, self.calls)
        return [*kinds, 1.0]


def parameters_of(field: SirenConfig) -> int:
    """Numbers of the shared network, about: its layers and its shift maps."""
    width = field.width
    return field.layers * width * (width + field.latent_size)


def of_meta_step(case: Case) -> Costs:
    """Six products a hidden layer and inner step, three for the outer loss."""
    return _costs(case, 6 * case.inner_steps * case.context_points + 3 * case.points, training=True)


def of_fit(case: Case, steps: int = FIT_STEPS) -> Costs:
    """Two products a hidden layer and step, for the batch of the case."""
    return _costs(case, 2 * steps * case.points, training=False)


def _costs(case: Case, points: int, *, training: bool) -> Costs:
    field = case.field
    hidden, width = field.layers - 2, field.width
    rows = float(points * case.batch)
    steps = case.inner_steps if training else FIT_STEPS
    passes = 4 if training else 2
    reads = float(passes * steps * field.layers * width * field.latent_size)
    return Costs(
        products=2.0 * rows * hidden * width**2,
        others=rows * field.layers * width,
        shifts=2.0 * case.batch * reads,
        reads=reads,
        parameters=float(parameters_of(field)) if training else 0.0,
        calls=float(steps * field.layers),
    )


@dataclass(frozen=True, eq=False)
class CostModel:
    """Seconds for each kind of cost."""

    rates: np.ndarray

    @classmethod
    def fitted(cls, costs: Sequence[Costs], seconds: Sequence[float]) -> CostModel:
        """Non-negative rates, with the least relative errors."""
        from scipy.optimize import nnls

        matrix = np.array([cost.row() for cost in costs]) / np.array(seconds)[:, None]
        scale = matrix.max(axis=0)
        scale[scale == 0] = 1.0
        rates, _ = nnls(matrix / scale, np.ones(len(costs)))
        return cls(rates / scale)

    def seconds(self, cost: Costs) -> float:
        """What a piece of work takes."""
        return float(self.rates @ np.array(cost.row()))


def drawn_cases(count: int, seed: int) -> list[Case]:
    """Different cases of a size that is measured within seconds."""
    draws = random.Random(seed)
    cases: list[Case] = []
    while len(cases) < count:
        shape = draws.choice(_SHAPES)
        field = SirenConfig(
            dim=len(shape),
            layers=draws.choice(_LAYERS),
            width=draws.choice(_WIDTHS),
            latent_size=draws.choice(_LATENTS),
            residual=True,
        )
        case = Case(field, shape, draws.choice(_BATCHES), draws.choice((0.25, 0.5, 1.0)))
        if of_meta_step(case).products <= _MOST and case not in cases:
            cases.append(case)
    return cases


def meta_step_of(case: Case) -> Work:
    """A meta-step, ready to be taken."""
    step = Step(case, _CPU, PRECISIONS[0], TrainConfig.memory_mb * 2**20)
    points = points_of(case, case.batch, _CPU)
    return lambda: step.take(points, 1e-6)


def fit_of(case: Case) -> Work:
    """A fit of the batch of a case, ready to be done."""
    field, points = field_of(case.field, _CPU, torch.float32), points_of(case, case.batch, _CPU)
    objective, inner = field.objective(channel_mean=True), InnerConfig(1e-2, channel_mean=True)
    initial = field.zero_latents(case.batch)
    return lambda: adapt_to(objective, initial, points, FIT_STEPS, inner)


def seconds_of(works: Sequence[Work], repeats: int) -> list[float]:
    """What each piece of work takes of one core while the reference takes what it mostly does.

    Args:
        works: They are done in turn, so that a busy minute is none of theirs alone.
        repeats: Rounds, after one that is not counted.
    """
    for work in works:
        work()
    paces, ratios = [], []
    for _ in range(repeats):
        ratios.append([])
        for work in works:
            before, own, after = _timed(_reference), _timed(work), _timed(_reference)
            paces += [before, after]
            ratios[-1].append(2 * own / (before + after))
    return (np.median(ratios, axis=0) * statistics.median(paces)).tolist()


def _timed(work: Work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _reference() -> None:
    """Products and sines of the sizes of a layer."""
    points, weight = torch.ones(1024, 128), torch.full((128, 128), 1e-3)
    for _ in range(24):
        points = torch.sin(points @ weight)


@dataclass(kw_only=True)
class Scale(Command):
    """Measure meta-steps and fits of random sizes, fit a cost model to most of them, predict the
    others, and say what large data sets would take."""

    cases: int = 40
    """Sizes that are measured."""
    held_out: int = 12
    """Of these, those that the model does not see."""
    repeats: int = 5
    """Of each, after one that is not counted."""
    seed: int = 0
    """Of the sizes."""
    tflops: float = 3.6
    """TFLOP/s that a GPU is taken to give in hidden layers: an A100 under the paper's code, as its
    0.42 s a meta-step of 12 images at 64 x 64 come to."""

    def run(self) -> dict[str, Any]:
        torch.set_num_threads(1)
        cases = drawn_cases(self.cases, self.seed)
        rows = self._model("meta-step", cases, of_meta_step, meta_step_of)
        rows += self._model("fit", cases, of_fit, fit_of)
        rows += plan(self.tflops)
        return {"rows": [asdict(row) for row in rows], "settings": {"tflops": self.tflops}}

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _model(
        self,
        name: str,
        cases: Sequence[Case],
        costs_of: Callable[[Case], Costs],
        work_of: Callable[[Case], Work],
    ) -> list[Row]:
        """The rates, and the errors on cases that they were not fitted to."""
        costs = [costs_of(case) for case in cases]
        seconds = seconds_of([work_of(case) for case in cases], self.repeats)
        kept = len(cases) - self.held_out
        model = CostModel.fitted(costs[:kept], seconds[:kept])
        errors = []
        for cost, measured in zip(costs[kept:], seconds[kept:], strict=True):
            errors.append(abs(model.seconds(cost) / measured - 1))
        rows = []
        for kind, rate in zip(_KINDS, model.rates, strict=True):
            rows.append(Row(f"{name}: for each {kind}", "s", float(rate)))
        rows.append(Row(f"{name}: error on {self.held_out} others, median", "", _median(errors)))
        rows.append(Row(f"{name}: error on {self.held_out} others, most", "", max(errors)))
        return rows


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


@dataclass(frozen=True)
class Goal:
    """A data set, and the network for it.

    Args:
        signals: How many.
        case: Network, shape and batch of a meta-step.
        steps: Meta-steps of training.
        value_bytes: Of a sample, as it comes.
    """

    signals: int
    case: Case
    steps: int
    value_bytes: int


def goals() -> dict[str, Goal]:
    """What the paper's scale, and a larger one, would be."""
    images = SirenConfig(dim=2, channels=3, layers=15, width=256, latent_size=2048)
    volumes = SirenConfig(dim=3, layers=15, width=256, latent_size=8192)
    return {
        "MedNF, 582,466 images of 64^2": Goal(
            582_466, Case(images, (64, 64), 24, 0.25), 250_000, 1
        ),
        "1,000,000 CTs of 128^3": Goal(10**6, Case(volumes, (128,) * 3, 4, 0.25), 250_000, 2),
    }


def plan(tflops: float, gpus: Sequence[int] = (1, 8, 64)) -> list[Row]:
    """Hours and storage of each goal; products alone at a rate that is assumed, nothing else."""
    rows = []
    for name, goal in goals().items():
        training = of_meta_step(goal.case).products * goal.steps / (tflops * 1e12) / 3600
        a_fit = of_fit(goal.case).products / goal.case.batch
        fitting = a_fit * goal.signals / (tflops * 1e12) / 3600
        for count in gpus:
            rows.append(Row(f"{name}: training on {count} GPUs", "h", training / count))
            rows.append(Row(f"{name}: fitting on {count} GPUs", "h", fitting / count))
        latents = goal.signals * goal.case.field.latent_size * 4 / 1e9
        values = goal.signals * goal.case.points * goal.case.field.channels
        rows.append(Row(f"{name}: latents, float32", "GB", latents))
        rows.append(Row(f"{name}: signals as they come", "GB", values * goal.value_bytes / 1e9))
        rows.append(Row(f"{name}: cache of signals", "GB", values * 4 / 1e9))
    return rows


if __name__ == "__main__":
    sys.exit(main(Scale))
