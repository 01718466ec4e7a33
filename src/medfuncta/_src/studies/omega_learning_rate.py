"""The omega schedule as a schedule of learning rates: the equivalence, step by step, and which part
of the omega schedule is the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import torch

from medfuncta._src.door.wording import counted
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.optimiser import WeightAverage
from medfuncta._src.learning.train import meta_step
from medfuncta._src.settings import Config
from medfuncta._src.studies.ablation import Ablation, Finished, Row, by_name
from medfuncta._src.studies.charts import (
    COLOURS,
    MARKERS,
    draw_lines,
    mean_and_spread,
    mean_of,
    panels,
)
from medfuncta._src.studies.effective import (
    EXPONENTS,
    distance,
    effective_weights,
    layerwise_optimisers,
    rate_scales,
    with_constant_omega,
)
from medfuncta._src.studies.outcome import (
    LEAST_GAP,
    Claim,
    Outcome,
    Table,
    judged,
    judged_no_worse,
)
from medfuncta._src.studies.plan import Plan, Settings
from medfuncta._src.studies.training import Reached, begun, learn, prepared

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POWERS: Final = (0, 1, 2)
"""Of w, by which the rates of the twin differ."""
EQUAL: Final = 1e-9
"""Relative distance up to which two networks count as the same."""
_STEPS: Final = 12
"""Meta-steps that two networks are watched for."""
_RISE: Final = 8.0
"""w_K / w_1 of the watched pair."""

VARIANTS: Final = {
    "omega schedule": "schedule",
    "constant omega, start and rates of the schedule": "both",
    "constant omega, rates of the schedule": "rates",
    "constant omega, start of the schedule": "start",
    "constant omega": "none",
}
"""What is trained, and what of the schedule it has."""

_EXPLANATION: Final = (
    "First, two networks with the same effective weights, one with an omega schedule and one with "
    "the first layer's omega everywhere, take the same meta-steps in float64 through the whole "
    "inner loop; the rates of the second differ from those of the first by a power of w_k / w_1, "
    "layer by layer. Without weight decay and clipping, neither of which keeps the equivalence, "
    "they stay together for one power only. Second, an omega schedule is taken apart with Adam, in "
    "float64 too, since rounding alone parts two trainings in the end: "
    "the same curve is asked of a network with constant omega that is given the schedule's "
    "effective start (larger shift maps in deeper layers), its learning rates, or both."
)


@dataclass(frozen=True)
class Watched:
    """What a cell measures.

    Args:
        reached: Of a training; None of a pair that is watched.
        distances: Between the effective weights of a pair after each meta-step, relative.
        step_ratio: How far the first step moved the deepest hidden layer's effective weights of the
            schedule, over that of the constant omega.
    """

    reached: Reached | None = None
    distances: tuple[float, ...] = ()
    step_ratio: float | None = None


def rows(plan: Plan) -> list[Row]:
    """Pairs by optimiser and power; then the schedule taken apart."""
    source = plan.source("x-rays")
    found = []
    for kind in EXPONENTS:
        for power in POWERS:
            for seed in plan.seeds:
                settings = _pair(plan, seed, source, kind, power)
                found.append(Row(_pair_name(kind, power), settings))
    train = {"weight_decay": 0.0, "clip": 0.0, "dtype": "float64"}
    for name, part in VARIANTS.items():
        for seed in plan.seeds:
            settings = plan.training(seed, source, train=train)
            found.append(Row(name, {**settings, "part": part}))
    return found


def _pair_name(kind: str, power: int) -> str:
    return f"{kind}, rates by w^{power}"


def _pair(plan: Plan, seed: int, source: str, kind: str, power: int) -> Settings:
    """A small pair: rounding is amplified by every step, and float64 is slow."""
    field = {"width": 16, "layers": 5, "latent_size": 16, "omega_first": 10.0}
    field["omega_last"] = 10.0 * _RISE
    train = {"steps": min(_STEPS, plan.steps), "batch": 2, "inner_steps": 2, "dtype": "float64"}
    more = {"weight_decay": 0.0, "clip": 0.0, "warmup": 0, "schedule": "constant"}
    rate = {"sgd": 1e-5, "adam": 1e-5, "muon": 1e-5}[kind]
    train = {**train, **more, "learning_rate": rate}
    settings = plan.training(seed, source, field=field, train=train)
    return {**settings, "optimiser": kind, "power": power, "device": "cpu"}


def measure(settings: Mapping[str, Any]) -> Watched:
    """One cell."""
    if "power" in settings:
        return watched_pair(settings)
    part = settings["part"]

    def change(state: TrainingState, config: Config) -> None:
        _take_apart(state, config, part)

    return Watched(reached=learn(settings, change=change).reached)


def watched_pair(settings: Mapping[str, Any]) -> Watched:
    """Train a network with an omega schedule and its twin with constant omega, whose rates are
    those of the first times ``(w_k / w_1)^power``, side by side."""
    train, _, config = prepared(settings)
    first, config = begun(train, config, settings["device"])
    second, _ = begun(train, config, settings["device"])
    field = cast(SirenField, first.field)
    twin = with_constant_omega(field)
    rate, kind = config.train.learning_rate, settings["optimiser"]
    first.optimisers = layerwise_optimisers(field, kind, rate, [1.0] * len(field.omegas))
    scales = rate_scales(field, field.omegas[0], settings["power"])
    second.field = twin
    second.optimisers = layerwise_optimisers(twin, kind, rate, scales)
    second.average = WeightAverage(twin, 0.0)
    start = effective_weights(field)
    distances, ratio = [], None
    for _ in range(config.train.steps):
        meta_step(first, train, config)
        meta_step(second, train, config)
        one, other = effective_weights(field), effective_weights(twin)
        distances.append(distance(one, other))
        if ratio is None:
            ratio = _moved(one, start) / _moved(other, start)
    return Watched(distances=tuple(distances), step_ratio=ratio)


def _moved(after: Sequence[torch.Tensor], before: Sequence[torch.Tensor]) -> float:
    """How far the deepest hidden layer's matrix has moved: the last four are its own and the last
    layer's two."""
    place = len(after) - 6
    return float((after[place] - before[place]).norm())


def _take_apart(state: TrainingState, config: Config, part: str) -> None:
    """Give a training a part of what an omega schedule is."""
    scheduled = cast(SirenField, state.field)
    rate, first = config.train.learning_rate, scheduled.omegas[0]
    ones = [1.0] * len(scheduled.omegas)
    scales = ones
    if part != "schedule":
        state.field = with_constant_omega(scheduled, shifts=part in ("both", "start"))
        state.average = WeightAverage(state.field, config.train.average)
    if part in ("both", "rates"):
        scales = rate_scales(scheduled, first, EXPONENTS["adam"])
    field = cast(SirenField, state.field)
    state.optimisers = layerwise_optimisers(field, "adam", rate, scales)


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Tables, claims and figure."""
    found = by_name(cells)
    pairs: Pairs = {}
    for kind in EXPONENTS:
        for power in POWERS:
            pairs[kind, power] = found[_pair_name(kind, power)]
    reached = {name: [one.reached for one in found[name]] for name in VARIANTS}
    pair_rows = []
    for (kind, power), watched in pairs.items():
        far = [f"{max(pair.distances[at] for pair in watched):.1e}" for at in (0, -1)]
        ratio = mean_and_spread(_ratios(watched)) if power == 0 else ""
        pair_rows.append((_pair_name(kind, power), *far, ratio))
    training_rows = []
    for name, trainings in reached.items():
        psnrs = mean_and_spread([one.psnr for one in trainings])
        training_rows.append((name, psnrs, f"{_apart(reached, name):.2f}"))
    steps = len(next(iter(pairs.values()))[0].distances)
    first = ("pair", "after 1 meta-step", f"after {steps}", "first step, schedule / constant")
    second = ("network", "PSNR (dB)", "largest gap to the schedule's curve (dB)")
    return Outcome(
        "Omega and the learning rate",
        _EXPLANATION,
        claims=_claims(pairs, reached),
        tables=[
            Table(
                "Relative distance of effective weights, the largest of all seeds",
                first,
                tuple(pair_rows),
            ),
            Table("The omega schedule taken apart", second, tuple(training_rows)),
        ],
        facts=plan.facts("x-rays"),
        captions={
            "omega-learning-rate": "Left: how far the effective weights of two networks lie apart, "
            "one with an omega schedule, one with constant omega and rates scaled by a power of "
            "omega, in float64, the largest of all seeds; filled for the power that keeps them "
            "together, open for the "
            "others. Right: PSNR of held-out signals while an omega schedule, and parts of it "
            "given to a constant omega, are trained; start and rates together lie on it; "
            "bands are from the lowest to the highest seed."
        },
        figures={"omega-learning-rate": _figure(pairs, reached)},
    )


Pairs: TypeAlias = dict[tuple[str, int], list[Watched]]
"""Those of every seed, by optimiser and power."""


def _ratios(watched: Sequence[Watched]) -> list[float]:
    return [pair.step_ratio or 0.0 for pair in watched]


def _apart(reached: Mapping[str, Sequence[Reached]], name: str) -> float:
    """The largest gap between the curves of a variant and of the schedule, of all seeds."""
    gaps = []
    for own, schedule in zip(reached[name], reached["omega schedule"], strict=True):
        for one, other in zip(own.curve, schedule.curve, strict=True):
            gaps.append(abs(one.psnr - other.psnr))
    return max(gaps)


def _claims(pairs: Pairs, reached: Mapping[str, Sequence[Reached]]) -> list[Claim]:
    claims = []
    origin = {"sgd": "paper, Eq. 3", "adam": "this package", "muon": "this package"}
    seeds = len(reached["omega schedule"])
    for kind, exponent in EXPONENTS.items():
        kept = max(max(pair.distances) for pair in pairs[kind, exponent])
        others = []
        for power in POWERS:
            if power != exponent:
                others.append(min(pair.distances[-1] for pair in pairs[kind, power]))
        claims.append(
            judged(
                f"with {kind}, networks with equal w W stay equal if and only if w^{exponent} tau "
                "is equal in every layer",
                origin[kind],
                kept < EQUAL < min(others),
                f"At most {kept:.0e} apart over the meta-steps; with other powers at least "
                f"{', '.join(f'{other:.0e}' for other in others)} at the end; "
                f"{counted(seeds, 'seed')}, float64.",
            )
        )
    ratios = {kind: _ratios(pairs[kind, 0]) for kind in EXPONENTS}
    said = ", ".join(f"{kind} {mean_of(ratio):.1f} times" for kind, ratio in ratios.items())
    claims.append(
        judged(
            "a larger omega lowers the effective learning rate of deeper layers",
            "paper, on Eq. 3",
            max(map(max, ratios.values())) < 1,
            f"The first step moves w W of the deepest hidden layer further with the schedule than "
            f"with constant omega at equal tau: {said}; {counted(seeds, 'seed')}. Omega raises it.",
        )
    )
    both = "constant omega, start and rates of the schedule"
    gap, parted = _apart(reached, both), _apart(reached, "constant omega")
    claims.append(
        judged(
            "layer-wise rates without an omega schedule reproduce its curve, given its start",
            "this package",
            gap < 0.1 * parted,
            f"Largest gap of the curves {gap:.2f} dB, against {parted:.2f} dB of a constant omega "
            f"with neither; {counted(seeds, 'seed')}, float64.",
        )
    )
    claims.append(_claim_of_parts(reached))
    return claims


def _claim_of_parts(reached: Mapping[str, Sequence[Reached]]) -> Claim:
    psnrs = {VARIANTS[name]: [one.psnr for one in found] for name, found in reached.items()}
    gains = {}
    for part, values in psnrs.items():
        of_seeds = [own - none for own, none in zip(values, psnrs["none"], strict=True)]
        gains[part] = mean_and_spread(of_seeds)
    return judged_no_worse(
        "what the omega schedule is worth, its learning rates are worth alone",
        "how the paper reads Eq. 3",
        psnrs["rates"],
        psnrs["schedule"],
        f"Over a constant omega, the schedule gains {gains['schedule']} dB, its rates alone "
        f"{gains['rates']} dB, its start alone (shift maps that act more in deeper layers) "
        f"{gains['start']} dB; {counted(len(psnrs['none']), 'seed')}.",
        margin=LEAST_GAP,
    )


def _figure(pairs: Pairs, reached: Mapping[str, Sequence[Reached]]) -> Figure:
    curves: dict[str, dict[float, list[float]]] = {}
    for name, trainings in reached.items():
        short = name.replace("constant omega, ", "constant: ").replace(" of the schedule", "")
        curves[short] = {}
        for training in trainings:
            for point in training.curve:
                curves[short].setdefault(point.step, []).append(point.psnr)
    from matplotlib.ticker import MaxNLocator

    with panels(2, height=3.4) as (figure, (left, right)):
        for number, kind in enumerate(EXPONENTS):
            for power in POWERS:
                kept = power == EXPONENTS[kind]
                of_seeds = zip(*[pair.distances for pair in pairs[kind, power]], strict=True)
                distances = [max(1e-17, *values) for values in of_seeds]
                left.plot(
                    range(1, len(distances) + 1),
                    distances,
                    color=COLOURS[number],
                    marker=MARKERS[number],
                    markersize=4,
                    markerfacecolor=COLOURS[number] if kept else "white",
                    linewidth=1.2,
                    linestyle="-" if kept else ":",
                    label=f"{kind}, rates by w^{power}" if kept else None,
                )
        left.set_yscale("log")
        left.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.set_xlabel("meta-step")
        left.set_ylabel("relative distance of w W")
        left.legend(loc="center right")
        draw_lines(right, curves)
        right.set_xlabel("meta-steps")
        right.set_ylabel("PSNR (dB)")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.omega_learning_rate:measure", Watched, reduce)
