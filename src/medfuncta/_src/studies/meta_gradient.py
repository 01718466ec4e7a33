"""Why second order: quality over time and memory of several ways to learn the shared network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.field.field import Field
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.studies.ablation import Ablation, Finished, Row, by_name
from medfuncta._src.studies.charts import draw_lines, draw_rows, mean_and_spread, mean_of, panels
from medfuncta._src.studies.meta_gradients import (
    AutoDecoder,
    Batch,
    Gradients,
    apply,
    by_autograd,
    drawn,
    exact,
    first_order,
    reptile,
    stored_bytes,
    truncated,
)
from medfuncta._src.studies.outcome import Claim, Outcome, Table, judged
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.training import Learned, Reached, Step, learn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MIB: Final = 2**20
_LONGER: Final = 3
"""Times the meta-steps, for ways whose meta-step is so much cheaper."""
_DECODED: Final = 160
"""Training signals of the auto-decoder, so that each has its turn some thirty times."""
_LATENT_RATE: Final = 1e-2
_CLEARLY: Final = 1.0
"""dB."""

_EXPLANATION: Final = (
    "The same network, data, batches and optimiser; only what a meta-step takes for the gradient "
    "differs. Held-out signals are fitted alike: latents from 0, H gradient steps. Ways without "
    "second-order terms have cheaper meta-steps and get three times as many, beside runs of equal "
    "length; one of them a tenth of the learning rate. The auto-decoder learns the latents of 160 "
    "training signals only, so that each has its turn some thirty times. The stored graph is "
    "counted: all tensors that autograd saves in a meta-step, each once, for the whole batch."
)


@dataclass(frozen=True)
class Way:
    """One way of learning.

    Args:
        way: Its name in the settings of a cell.
        longer: Times the meta-steps.
        rate: Times the learning rate.
    """

    way: str
    longer: int = 1
    rate: float = 1.0


WAYS: Final[Mapping[str, Way]] = {
    "exact": Way("exact"),
    "exact, stored graph": Way("autograd"),
    "truncated to 2 steps": Way("truncated-2"),
    "truncated to 1 step": Way("truncated-1"),
    "first order": Way("first-order"),
    "first order, 3x steps": Way("first-order", longer=_LONGER),
    "first order, 3x steps, rate / 10": Way("first-order", longer=_LONGER, rate=0.1),
    "auto-decoder, 3x steps": Way("auto-decoder", longer=_LONGER),
    "Reptile, 3x steps": Way("reptile", longer=_LONGER),
}


@dataclass(frozen=True)
class Weighed:
    """What a cell measures.

    Args:
        reached: The training.
        stored: Bytes that a stored graph of one meta-step keeps.
    """

    reached: Reached
    stored: int


def rows(plan: Plan) -> list[Row]:
    """Every way, each seed."""
    source = plan.source("x-rays")
    rate = plan.scale.config.train.learning_rate
    found = []
    for name, way in WAYS.items():
        for seed in plan.seeds:
            train = {"steps": plan.steps * way.longer, "learning_rate": rate * way.rate}
            settings = plan.training(seed, source, train=train)
            found.append(Row(name, {**settings, "way": way.way}))
    return found


def measure(settings: Mapping[str, Any]) -> Weighed:
    """One cell."""
    learned = learn(settings, step=_step_of(settings["way"]))
    return Weighed(learned.reached, _stored(learned, settings["way"]))


_BY_GRADIENT: Final[Mapping[str, Callable[[Field, Batch, Config], Gradients]]] = {
    "exact": exact,
    "autograd": by_autograd,
    "truncated-2": partial(truncated, last=2),
    "truncated-1": partial(truncated, last=1),
    "first-order": first_order,
}


def _step_of(way: str) -> Step:
    if way == "auto-decoder":
        return _AutoDecoderStep()
    if way == "reptile":
        return partial(reptile, inner_rate=1e-3)
    gradient = _BY_GRADIENT[way]

    def step(state: TrainingState, train: SignalSet, config: Config) -> None:
        batch = drawn(state, train, config)
        apply(state, gradient(state.field, batch, config), config)

    return step


class _AutoDecoderStep:
    """An auto-decoder of a part of the training signals, which it takes at its first meta-step: a
    latent learns only when its signal's turn comes."""

    def __init__(self) -> None:
        self._decoder: AutoDecoder | None = None
        self._part = np.arange(0)

    def __call__(self, state: TrainingState, train: SignalSet, config: Config) -> None:
        if self._decoder is None:
            self._part = np.unique(np.linspace(0, len(train) - 1, _DECODED).astype(int))
            size = config.field.latent_size
            self._decoder = AutoDecoder(len(self._part), size, rate=_LATENT_RATE)
        self._decoder(state, train.subset(self._part), config)


def _stored(learned: Learned, way: str) -> int:
    """Bytes of the graph that this way asks autograd to keep."""
    field, config = learned.field, learned.config
    indices = list(range(min(config.train.batch, len(learned.train))))
    points = learned.train.points(indices).to(field.device, field.dtype)
    steps = {"truncated-2": 2, "truncated-1": 1}.get(way, config.train.inner_steps)
    batch = Batch(indices, points, [None] * steps, field.zero_latents(len(indices)))
    return stored_bytes(field, batch, config, first=way in ("first-order", "auto-decoder"))


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found = by_name(cells)
    table_rows = []
    for name, weighed in found.items():
        psnr = mean_and_spread([one.reached.psnr for one in weighed])
        seconds = mean_of([one.reached.seconds for one in weighed])
        stored = "–" if "Reptile" in name else f"{weighed[0].stored / _MIB:.1f}"
        steps = f"{weighed[0].reached.curve[-1].step:,}"
        table_rows.append((name, steps, psnr, f"{seconds:.1f}", stored))
    header = ("meta-gradient", "meta-steps", "PSNR (dB)", "processor s", "stored graph (MiB)")
    return Outcome(
        "The meta-gradient: why second order",
        _EXPLANATION,
        claims=_claims(found),
        tables=[Table("Quality, time and memory", header, tuple(table_rows))],
        facts=plan.facts("x-rays"),
        captions={
            "meta-gradient": "Left: PSNR of held-out signals over the time of the meta-steps, mean "
            "of all seeds. Right: at the end; a dot a seed, a bar at their mean."
        },
        figures={"meta-gradient": _figure(found)},
    )


def _claims(found: Mapping[str, Sequence[Weighed]]) -> list[Claim]:
    psnrs = {name: [one.reached.psnr for one in weighed] for name, weighed in found.items()}
    exact_psnr = mean_of(psnrs["exact"])
    seeds = len(psnrs["exact"])

    def gap(names: Sequence[str]) -> tuple[str, float]:
        best = max(names, key=lambda name: mean_of(psnrs[name]))
        return best, exact_psnr - mean_of(psnrs[best])

    firsts = [name for name in psnrs if name.startswith("first order")]
    best_first, lost = gap(firsts)
    same_length = exact_psnr - mean_of(psnrs["first order"])
    order = judged(
        "first-order meta-learning loses more than 10 dB",
        "paper, Appendix H",
        lost > 10,
        f"exact {mean_and_spread(psnrs['exact'])} dB; first order {same_length:.2f} dB less in as "
        f"many meta-steps; the best of first order ({best_first}) {lost:.2f} dB less; "
        f"{counted(seeds, 'seed')}.",
    )
    worth = judged(
        "second order is worth its time: no other way does as well in the time it takes",
        "paper, Appendix H",
        min(exact_psnr - mean_of(psnrs[name]) for name in _others(psnrs)) > 0,
        "; ".join(f"{name} {mean_and_spread(psnrs[name])} dB" for name in _others(psnrs))
        + f"; {counted(seeds, 'seed')}.",
    )
    one, two = mean_of(psnrs["truncated to 1 step"]), mean_of(psnrs["truncated to 2 steps"])
    part = judged(
        "a part of the second-order terms is not enough",
        "this package",
        exact_psnr - two > _CLEARLY,
        f"through the last two inner steps {two:.2f} dB, through the last one {one:.2f} dB, "
        f"through all {exact_psnr:.2f} dB; {counted(seeds, 'seed')}.",
    )
    graph = mean_of(psnrs["exact, stored graph"])
    free = judged(
        "the exact gradient needs no stored graph",
        "this package",
        abs(graph - exact_psnr) < _CLEARLY,
        f"{graph:.2f} dB with and {exact_psnr:.2f} dB without; {counted(seeds, 'seed')}. In "
        "float64 the two gradients agree to rounding, which the tests hold.",
    )
    return [order, worth, part, free]


def _others(psnrs: Mapping[str, Sequence[float]]) -> list[str]:
    return [name for name in psnrs if not name.startswith(("exact", "truncated"))]


def _figure(found: Mapping[str, Sequence[Weighed]]) -> Figure:
    shown = ("exact", "truncated to 1 step", *_others(dict.fromkeys(found, ())))
    curves: dict[str, dict[float, list[float]]] = {}
    for name in shown:
        trainings = [one.reached.curve for one in found[name]]
        curves[name] = {}
        for points in zip(*trainings, strict=True):
            seconds = mean_of([point.seconds for point in points])
            curves[name][seconds] = [point.psnr for point in points]
    with panels(2, height=3.2) as (figure, (left, right)):
        draw_lines(left, curves)
        left.set_xlabel("processor time of the meta-steps (s)")
        left.set_ylabel("PSNR (dB)")
        draw_rows(right, {n: [one.reached.psnr for one in found[n]] for n in found})
        right.set_xlabel("PSNR (dB)")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.meta_gradient:measure", Weighed, reduce)
