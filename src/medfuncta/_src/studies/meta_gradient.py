"""Why second order: quality over time and memory of several ways to learn the shared network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.field.field import Field
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.studies.ablation import Ablation, Finished, Row, by_name
from medfuncta._src.studies.charts import draw_lines, draw_rows, mean_and_spread, mean_of, panels
from medfuncta._src.studies.clock import clock_of
from medfuncta._src.studies.meta_gradients import (
    Batch,
    Gradients,
    PartAutoDecoder,
    apply,
    by_autograd,
    drawn,
    exact,
    first_order,
    reptile,
    stored_bytes,
    tape_bytes,
    truncated,
)
from medfuncta._src.studies.outcome import Claim, Outcome, Table, judged, judged_above
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.training import Learned, Reached, Step, begun, learn, prepared

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MIB: Final = 2**20
_LONGER: Final = 3
"""Times the meta-steps, for ways whose meta-step is so much cheaper."""
_TURNS: Final = 15
"""Meta-steps that are timed."""
_CLEARLY: Final = 1.0
"""dB."""
_PAPERS_LOSS: Final = 10.0
_LONG_EXACT: Final = "exact, 3x steps"
_LONG_FIRST: Final = "first order, 9x steps"
_SHORTER: Final = ("first order", "first order, 3x steps")
"""Of which the figure shows a longer run."""

_EXPLANATION: Final = (
    "The same network, data, batches and optimiser; only what a meta-step takes for the gradient "
    "differs. Held-out signals are fitted alike: latents from 0, H gradient steps. Ways without "
    "second-order terms have cheaper meta-steps and get three times as many, beside runs of equal "
    "length; one of them a tenth of the learning rate. Exact and first order are compared once "
    "more in runs three times as long. Time is counted in exact meta-steps: what a meta-step of a "
    "way costs beside an exact one is timed turn by turn, so that other programs on the machine "
    "slow down both. The auto-decoder learns the latents of 160 training signals "
    "only, so that each has its turn some thirty times. What is stored is counted for a meta-step "
    "of the whole batch: the activations that this package keeps of exact and truncated gradients "
    "where its budget allows, and of the others all tensors that autograd saves, each once."
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
    _LONG_EXACT: Way("exact", longer=_LONGER),
    "exact, stored graph": Way("autograd"),
    "truncated to 2 steps": Way("truncated-2"),
    "truncated to 1 step": Way("truncated-1"),
    "first order": Way("first-order"),
    "first order, 3x steps": Way("first-order", longer=_LONGER),
    _LONG_FIRST: Way("first-order", longer=_LONGER**2),
    "first order, 3x steps, rate / 10": Way("first-order", longer=_LONGER, rate=0.1),
    "auto-decoder, 3x steps": Way("auto-decoder", longer=_LONGER),
    "Reptile, 3x steps": Way("reptile", longer=_LONGER),
}


@dataclass(frozen=True)
class Weighed:
    """What a cell measures.

    Args:
        reached: The training; None where costs are compared.
        stored: Bytes that one meta-step keeps.
        cost: Of a meta-step, in exact ones.
    """

    reached: Reached | None = None
    stored: int = 0
    cost: float | None = None


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
    for way in dict.fromkeys(way.way for way in WAYS.values()):
        for seed in plan.seeds:
            settings = plan.training(seed, source)
            found.append(Row(_cost_name(way), {**settings, "way": way, "cost": True}, weight=3.0))
    return found


def _cost_name(way: str) -> str:
    return f"cost of {way}"


def measure(settings: Mapping[str, Any]) -> Weighed:
    """One cell."""
    if "cost" in settings:
        return Weighed(cost=_cost(settings))
    learned = learn(settings, step=_step_of(settings["way"]))
    return Weighed(learned.reached, _stored(learned, settings["way"]))


def _cost(settings: Mapping[str, Any]) -> float:
    """What a meta-step costs in exact ones: medians of steps that take turns."""
    train, _, config = prepared(settings)
    clock = clock_of(settings["device"])
    taken: list[list[float]] = [[], []]
    runs = []
    for way in (settings["way"], "exact"):
        state, own = begun(train, config, settings["device"])
        runs.append((state, own, _step_of(way)))
    for _ in range(_TURNS):
        for seconds, (state, own, step) in zip(taken, runs, strict=True):
            began = clock()
            step(state, train, own)
            seconds.append(clock() - began)
    return float(np.median(taken[0]) / np.median(taken[1]))


_BY_GRADIENT: Final[Mapping[str, Callable[[Field, Batch, Config], Gradients]]] = {
    "exact": exact,
    "autograd": by_autograd,
    "truncated-2": partial(truncated, last=2),
    "truncated-1": partial(truncated, last=1),
    "first-order": first_order,
}


def _step_of(way: str) -> Step:
    if way == "auto-decoder":
        return PartAutoDecoder()
    if way == "reptile":
        return partial(reptile, inner_rate=1e-3)
    gradient = _BY_GRADIENT[way]

    def step(state: TrainingState, train: SignalSet, config: Config) -> None:
        batch = drawn(state, train, config)
        apply(state, gradient(state.field, batch, config), config)

    return step


def _stored(learned: Learned, way: str) -> int:
    """Bytes that are kept for a meta-step."""
    field, config = learned.field, learned.config
    indices = list(range(min(config.train.batch, len(learned.train))))
    points = learned.train.points(indices).to(field.device, field.dtype)
    steps = {"truncated-2": 2, "truncated-1": 1}.get(way, config.train.inner_steps)
    batch = Batch(indices, points, [None] * steps, field.zero_latents(len(indices)))
    if way == "exact" or way.startswith("truncated"):
        return tape_bytes(field, batch, config) or 0
    return stored_bytes(field, batch, config, first=way in ("first-order", "auto-decoder"))


@dataclass(frozen=True)
class Learnt:
    """A way's trainings.

    Args:
        reached: One a seed.
        stored: Bytes that one meta-step keeps.
        cost: Of a meta-step, in exact ones, by seed.
    """

    reached: tuple[Reached, ...]
    stored: int
    cost: tuple[float, ...]

    @property
    def psnrs(self) -> list[float]:
        """At the end, of each seed."""
        return [one.psnr for one in self.reached]

    @property
    def steps(self) -> int:
        """Meta-steps."""
        return self.reached[0].curve[-1].step

    @property
    def length(self) -> float:
        """In exact meta-steps."""
        return self.steps * mean_of(self.cost)

    def at(self, length: float) -> list[float]:
        """PSNR of each seed after a time in exact meta-steps, on a line between two moments; at
        the end where that was before."""
        cost = mean_of(self.cost)
        found = []
        for one in self.reached:
            times = [cost * point.step for point in one.curve]
            found.append(float(np.interp(length, times, [point.psnr for point in one.curve])))
        return found


Found: TypeAlias = Mapping[str, Learnt]


def _found(cells: Sequence[Finished]) -> Found:
    measured = by_name(cells)
    found = {}
    for name, way in WAYS.items():
        weighed = measured[name]
        found[name] = Learnt(
            tuple(one.reached for one in weighed),
            weighed[0].stored,
            tuple(one.cost for one in measured[_cost_name(way.way)]),
        )
    return found


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found = _found(cells)
    table_rows = []
    for name, learnt in found.items():
        stored = "–" if "Reptile" in name else f"{learnt.stored / _MIB:.1f}"
        cost = mean_and_spread(learnt.cost)
        row = (name, f"{learnt.steps:,}", mean_and_spread(learnt.psnrs), cost)
        table_rows.append((*row, f"{learnt.length:,.0f}", stored))
    header = (
        "meta-gradient",
        "meta-steps",
        "PSNR (dB)",
        "cost of one, in exact ones",
        "time, in exact meta-steps",
        "stored (MiB)",
    )
    facts = plan.facts("x-rays")
    facts["times"] = f"in exact meta-steps, medians of {_TURNS} that take turns"
    return Outcome(
        "The meta-gradient: why second order",
        _EXPLANATION,
        claims=_claims(found),
        tables=[Table("Quality, time and memory", header, tuple(table_rows))],
        facts=facts,
        captions={
            "meta-gradient": "Left: PSNR of held-out signals over time, counted in exact "
            "meta-steps, mean of all seeds, with a band from the lowest to the highest. Right: at "
            "the end; a dot a seed, a bar at their mean."
        },
        figures={"meta-gradient": _figure(found)},
    )


def _claims(found: Found) -> list[Claim]:
    psnrs = {name: learnt.psnrs for name, learnt in found.items()}
    seeds = counted(len(psnrs["exact"]), "seed")
    firsts = [name for name in psnrs if name.startswith("first order")]
    best = max(firsts, key=lambda name: mean_of(psnrs[name]))
    order = judged(
        "first-order meta-learning loses more than 10 dB",
        "paper, Appendix H",
        min(psnrs["exact"]) - max(psnrs[best]) > _PAPERS_LOSS,
        f"Exact {mean_and_spread(psnrs['exact'])} dB; first order "
        f"{mean_and_spread(psnrs['first order'])} dB in as many meta-steps; the best of first "
        f"order ({best}) {mean_and_spread(psnrs[best])} dB; {seeds}.",
    )
    long = _LONG_EXACT
    apart = {name: max(psnrs[name]) - min(psnrs[name]) for name in (long, _LONG_FIRST)}
    unstable = judged(
        "first-order meta-learning is unstable",
        "paper, Appendix H",
        apart[_LONG_FIRST] > max(_CLEARLY, 3 * apart[long]),
        f"Seeds of {_LONG_FIRST} end {apart[_LONG_FIRST]:.2f} dB apart, of {long} "
        f"{apart[long]:.2f} dB; {seeds}.",
    )
    claims = [order, unstable]
    for name, other in (("exact", "first order"), (long, "first order, 3x steps")):
        claims.append(
            judged_above(
                f"in as many meta-steps, exact is better than first order ({found[name].steps:,})",
                "paper, Appendix H",
                psnrs[name],
                psnrs[other],
                f"{mean_and_spread(psnrs[name])} against {mean_and_spread(psnrs[other])} dB; "
                f"{seeds}.",
            )
        )
    claims += [_in_as_much_time(found, name) for name in ("exact", long)]
    one, two = psnrs["truncated to 1 step"], psnrs["truncated to 2 steps"]
    claims.append(
        judged_above(
            "a part of the second-order terms is not enough",
            "this package",
            psnrs["exact"],
            two,
            f"Through the last two inner steps {mean_and_spread(two)} dB, through the last one "
            f"{mean_and_spread(one)} dB, through all {mean_and_spread(psnrs['exact'])} dB; "
            f"{seeds}.",
            least=_CLEARLY,
        )
    )
    graph = psnrs["exact, stored graph"]
    gap = max(abs(one - other) for one, other in zip(graph, psnrs["exact"], strict=True))
    claims.append(
        judged(
            "the exact gradient needs no stored graph",
            "this package",
            gap < _CLEARLY,
            f"{mean_and_spread(graph)} dB with and {mean_and_spread(psnrs['exact'])} dB without, "
            f"at most {gap:.2f} dB apart; {seeds}. In float64 the two gradients agree to "
            "rounding, which the tests hold.",
        )
    )
    return claims


def _in_as_much_time(found: Found, name: str) -> Claim:
    """Whether no other way does as well in the time that exact takes; the best of the others is
    chosen by what it has reached then."""
    exactly = found[name]
    ours = exactly.psnrs
    others = {other: found[other].at(exactly.length) for other in _others(found)}
    best = max(others, key=lambda other: mean_of(others[other]))
    said = "; ".join(f"{other} {mean_and_spread(values)} dB" for other, values in others.items())
    return judged_above(
        "second order is worth its time: no other way does as well in as much time "
        f"({exactly.steps:,} exact meta-steps)",
        "paper, Appendix H",
        ours,
        others[best],
        f"Then, or at its end where a way had ended: exact {mean_and_spread(ours)} dB; {said}; "
        f"{counted(len(ours), 'seed')}.",
    )


def _others(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith(("exact", "truncated"))]


def _figure(found: Found) -> Figure:
    shown = (_LONG_EXACT, "truncated to 1 step", *_others(found))
    curves: dict[str, dict[float, list[float]]] = {}
    for name in shown:
        if name in _SHORTER:
            continue
        cost = mean_of(found[name].cost)
        curves[name] = {}
        for points in zip(*[one.curve for one in found[name].reached], strict=True):
            curves[name][cost * points[0].step] = [point.psnr for point in points]
    with panels(2, height=3.4) as (figure, (left, right)):
        draw_lines(left, curves)
        left.set_xlabel("time, in exact meta-steps")
        left.set_ylabel("PSNR (dB)")
        draw_rows(right, {name: learnt.psnrs for name, learnt in found.items()})
        right.set_xlabel("PSNR (dB)")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.meta_gradient:measure", Weighed, reduce)
