"""Why second order: quality over time and memory of several ways to learn the shared network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    tape_bytes,
    truncated,
)
from medfuncta._src.studies.outcome import Claim, Outcome, Table, judged, judged_above
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
_PAPERS_LOSS: Final = 10.0
"""dB."""
_LONG_EXACT: Final = "exact, 3x steps"
_SHORTER: Final = ("first order", "first order, 3x steps")
"""Of which the figure shows a longer run."""

_EXPLANATION: Final = (
    "The same network, data, batches and optimiser; only what a meta-step takes for the gradient "
    "differs. Held-out signals are fitted alike: latents from 0, H gradient steps. Ways without "
    "second-order terms have cheaper meta-steps and get three times as many, beside runs of equal "
    "length; one of them a tenth of the learning rate. Exact and first order are compared once "
    "more in runs three times as long. The auto-decoder learns the latents of 160 training signals "
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
    "first order, 9x steps": Way("first-order", longer=_LONGER**2),
    "first order, 3x steps, rate / 10": Way("first-order", longer=_LONGER, rate=0.1),
    "auto-decoder, 3x steps": Way("auto-decoder", longer=_LONGER),
    "Reptile, 3x steps": Way("reptile", longer=_LONGER),
}


@dataclass(frozen=True)
class Weighed:
    """What a cell measures.

    Args:
        reached: The training.
        stored: Bytes that one meta-step keeps.
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
    """Bytes that are kept for a meta-step."""
    field, config = learned.field, learned.config
    indices = list(range(min(config.train.batch, len(learned.train))))
    points = learned.train.points(indices).to(field.device, field.dtype)
    steps = {"truncated-2": 2, "truncated-1": 1}.get(way, config.train.inner_steps)
    batch = Batch(indices, points, [None] * steps, field.zero_latents(len(indices)))
    if way == "exact" or way.startswith("truncated"):
        return tape_bytes(field, batch, config) or 0
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
    header = ("meta-gradient", "meta-steps", "PSNR (dB)", "processor s", "stored (MiB)")
    return Outcome(
        "The meta-gradient: why second order",
        _EXPLANATION,
        claims=_claims(found),
        tables=[Table("Quality, time and memory", header, tuple(table_rows))],
        facts=plan.facts("x-rays"),
        captions={
            "meta-gradient": "Left: PSNR of held-out signals over the time of the meta-steps, mean "
            "of all seeds, with a band from the lowest to the highest. Right: at the end; a dot a "
            "seed, a bar at their mean."
        },
        figures={"meta-gradient": _figure(found)},
    )


def _claims(found: Mapping[str, Sequence[Weighed]]) -> list[Claim]:
    psnrs = {name: [one.reached.psnr for one in weighed] for name, weighed in found.items()}
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
    claims = [order]
    long = _LONG_EXACT
    for name, other in (("exact", "first order"), (long, "first order, 3x steps")):
        claims.append(
            judged_above(
                f"in as many meta-steps, exact is better than first order ({_steps(found, name)})",
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
    apart = max(abs(one - other) for one, other in zip(graph, psnrs["exact"], strict=True))
    claims.append(
        judged(
            "the exact gradient needs no stored graph",
            "this package",
            apart < _CLEARLY,
            f"{mean_and_spread(graph)} dB with and {mean_and_spread(psnrs['exact'])} dB without, "
            f"at most {apart:.2f} dB apart; {seeds}. In float64 the two gradients agree to "
            "rounding, which the tests hold.",
        )
    )
    return claims


def _steps(found: Mapping[str, Sequence[Weighed]], name: str) -> str:
    return f"{found[name][0].reached.curve[-1].step:,}"


def _in_as_much_time(found: Mapping[str, Sequence[Weighed]], name: str) -> Claim:
    """Whether no other way does as well in the time that exact takes; the best of the others is
    chosen by what it has reached then."""
    seconds = mean_of([one.reached.seconds for one in found[name]])
    ours = [one.reached.psnr for one in found[name]]
    others = {
        other: [_at(one.reached, seconds) for one in found[other]] for other in _others(found)
    }
    best = max(others, key=lambda other: mean_of(others[other]))
    said = "; ".join(f"{other} {mean_and_spread(values)} dB" for other, values in others.items())
    return judged_above(
        "second order is worth its time: no other way does as well in as much time "
        f"({_steps(found, name)} exact meta-steps)",
        "paper, Appendix H",
        ours,
        others[best],
        f"After {seconds:.0f} s, or at its end where a way had ended: exact "
        f"{mean_and_spread(ours)} dB; {said}; {counted(len(ours), 'seed')}.",
    )


def _at(reached: Reached, seconds: float) -> float:
    """PSNR at this time, on a line between two moments; at the end where that was before."""
    times = [point.seconds for point in reached.curve]
    return float(np.interp(seconds, times, [point.psnr for point in reached.curve]))


def _others(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith(("exact", "truncated"))]


def _figure(found: Mapping[str, Sequence[Weighed]]) -> Figure:
    shown = (_LONG_EXACT, "truncated to 1 step", *_others(found))
    curves: dict[str, dict[float, list[float]]] = {}
    for name in shown:
        if name in _SHORTER:
            continue
        trainings = [one.reached.curve for one in found[name]]
        curves[name] = {}
        for points in zip(*trainings, strict=True):
            seconds = mean_of([point.seconds for point in points])
            curves[name][seconds] = [point.psnr for point in points]
    with panels(2, height=3.4) as (figure, (left, right)):
        draw_lines(left, curves)
        left.set_xlabel("processor time of the meta-steps (s)")
        left.set_ylabel("PSNR (dB)")
        draw_rows(right, {n: [one.reached.psnr for one in found[n]] for n in found})
        right.set_xlabel("PSNR (dB)")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.meta_gradient:measure", Weighed, reduce)
