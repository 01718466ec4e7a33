"""Why a shared network: one plain SIREN a signal against a latent a signal, in time, bits and
quality."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from medfuncta._src.door.wording import counted
from medfuncta._src.field.siren.field import SirenLayer
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.learning.quality import clamped_errors
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.psnr import psnr_of, psnr_of_one
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.studies.ablation import Ablation, Finished, Row, by_name
from medfuncta._src.studies.charts import (
    COLOURS,
    MARKERS,
    draw_lines,
    mean_and_spread,
    mean_of,
    panels,
)
from medfuncta._src.studies.clock import clock_of
from medfuncta._src.studies.outcome import Claim, Outcome, Table, judged, judged_above
from medfuncta._src.studies.plan import Plan, Settings
from medfuncta._src.studies.training import CurvePoint, learn, read
from medfuncta._src.tasks.drawing.figure import plain_powers
from medfuncta._src.types import Coordinates, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES: Final = ((3, 4), (3, 6), (3, 8), (4, 12), (4, 20), (4, 32))
"""Layers and width of the plain networks."""
_LARGER: Final = ((5, 64), (5, 128))
"""Of the paper's scale, besides."""
_STEPS: Final = 500
_RATE: Final = 1e-3
_SIGNALS: Final = 8
_OMEGA: Final = 30.0
_BITS: Final = 16
"""Of a stored number, a float16."""
_CHECKS: Final = (5, 10, 20, 50, 100, 200, 500)
"""Steps after which a plain network is measured."""
_MUCH: Final = 5
"""Times."""

_EXPLANATION: Final = (
    "A plain SIREN (Sitzmann et al. 2020) is trained for each signal from random weights with "
    f"Adam, {_STEPS} steps on all points, at several sizes (COIN, Dupont et al. 2021). The shared "
    "network is trained once on other signals; a signal then costs H inner steps and the numbers "
    f"of its latent. Latents and plain networks are rounded to {_BITS} bits a number before they "
    "are compared with the signal; the shared network, stored once for all signals, has a column "
    "of its own. Signals are fitted one by one. Times are processor time; measuring is left out."
)


@dataclass(frozen=True)
class Cost:
    """What a cell measures, a signal on average.

    Args:
        psnr: In dB, of what is stored.
        unrounded: PSNR before numbers were rounded.
        seconds: To fit.
        numbers: To store.
        shared: Numbers that are stored once, for all signals.
        training: Seconds that are spent once, on the shared network.
        curve: PSNR on the way, before rounding, over the seconds of a signal.
    """

    psnr: float
    unrounded: float
    seconds: float
    numbers: int
    shared: int = 0
    training: float = 0.0
    curve: tuple[CurvePoint, ...] = ()


class PlainSiren(nn.Module):
    """A SIREN without a latent (Sitzmann et al. 2020)."""

    def __init__(self, dim: int, channels: int, layers: int, width: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sines = [SirenLayer(dim, width, _OMEGA, None, first=True)]
        for _ in range(layers - 2):
            sines.append(SirenLayer(width, width, _OMEGA, None))
        for sine in sines:
            sine.reset(generator)
        self.sines = nn.ModuleList(sines)
        self.last = nn.Linear(width, channels)
        bound = (6 / width) ** 0.5 / _OMEGA
        with torch.no_grad():
            for parameter in self.last.parameters():
                parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, coordinates: Coordinates) -> Values:
        state = coordinates
        for sine in self.sines:
            state = sine(state, None)
        return self.last(state)


def rows(plan: Plan) -> list[Row]:
    """The shared network, and plain ones of every size."""
    source = plan.source("x-rays")
    sizes = SIZES + _LARGER if plan.scale.fine else SIZES
    found = []
    for seed in plan.seeds:
        found.append(Row(_SHARED, plan.training(seed, source)))
    for layers, width in sizes:
        for seed in plan.seeds:
            settings: Settings = {
                "data": source,
                "signals": min(_SIGNALS, plan.scale.signals),
                "layers": layers,
                "width": width,
                "steps": min(_STEPS, 4 * plan.steps),
                "seed": seed,
                "device": plan.device,
            }
            name = f"{_ALONE}, {layers} x {width}"
            found.append(Row(name, settings, weight=_weight(settings)))
    return found


_ALONE: Final = "one network a signal"
_SHARED: Final = "shared network"


def _weight(settings: Settings) -> float:
    """About how many seconds plain networks take."""
    wide = 1 + settings["layers"] * settings["width"] ** 2 / 4000
    return 5e-4 * settings["signals"] * settings["steps"] * wide


def measure(settings: Mapping[str, Any]) -> Cost:
    """One cell."""
    if "config" in settings:
        return _shared(settings)
    return _alone(settings)


def _shared(settings: Mapping[str, Any]) -> Cost:
    learned = learn(settings)
    field, config = learned.field, learned.config
    signals = learned.held_out.subset(range(min(_SIGNALS, len(learned.held_out))))
    fitter = Fitter(field, config.inner, config.fit)
    one_by_one = [signals.points([index]) for index in range(len(signals))]
    fitter(one_by_one[0])  # the first fit of a process prepares what the others find prepared
    clock = clock_of(settings["device"])
    began = clock()
    latents = [fitter(points) for points in one_by_one]
    seconds = (clock() - began) / len(signals)
    found = torch.cat(latents).to(field.device, field.dtype)
    points = signals.points(range(len(signals))).to(field.device, field.dtype)
    return Cost(
        _psnr(clamped_errors(field, found.half().to(found), points)),
        _psnr(clamped_errors(field, found, points)),
        seconds,
        numbers=config.field.latent_size,
        shared=sum(parameter.numel() for parameter in field.parameters()),
        training=learned.reached.seconds,
    )


def _psnr(errors: torch.Tensor) -> float:
    return float(psnr_of(errors.nan_to_num(nan=1.0)).mean())


def _alone(settings: Mapping[str, Any]) -> Cost:
    _, held_out = read(settings["data"], settings["signals"])
    fits = [_fitted_alone(settings, held_out, index) for index in range(len(held_out))]
    curve = []
    for moments in zip(*[fit.curve for fit in fits], strict=True):
        seconds = mean_of([moment.seconds for moment in moments])
        psnr = mean_of([moment.psnr for moment in moments])
        curve.append(CurvePoint(moments[0].step, seconds, psnr))
    return Cost(
        mean_of([fit.psnr for fit in fits]),
        mean_of([fit.unrounded for fit in fits]),
        mean_of([fit.seconds for fit in fits]),
        numbers=fits[0].numbers,
        curve=tuple(curve),
    )


def _fitted_alone(settings: Mapping[str, Any], held_out: SignalSet, index: int) -> Cost:
    """One signal's own network."""
    spec, device = held_out.spec, settings["device"]
    network = PlainSiren(
        spec.dim, spec.channels, settings["layers"], settings["width"], settings["seed"]
    ).to(device)
    points = held_out.points([index]).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE)
    clock = clock_of(device)
    seconds, curve = 0.0, []
    for number in range(1, settings["steps"] + 1):
        began = clock()
        loss = (network(points.coordinates) - points.values).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds += clock() - began
        if number in (*_CHECKS, settings["steps"]):
            curve.append(CurvePoint(number, seconds, _psnr_alone(network, points)))
    numbers = sum(parameter.numel() for parameter in network.parameters())
    rounded = network.half().float()
    return Cost(_psnr_alone(rounded, points), curve[-1].psnr, seconds, numbers, curve=tuple(curve))


@torch.no_grad()
def _psnr_alone(network: nn.Module, points: Points) -> float:
    values = network(points.coordinates).clamp(0, 1)
    return psnr_of_one(float((values - points.values).square().mean()))


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found = by_name(cells)
    table_rows = []
    for name, costs in found.items():
        psnr = mean_and_spread([cost.psnr for cost in costs])
        unrounded = mean_and_spread([cost.unrounded for cost in costs])
        seconds = f"{mean_of([cost.seconds for cost in costs]):.3f}"
        bits = f"{costs[0].numbers * _BITS:,}"
        once = f"{costs[0].shared * _BITS:,}" if costs[0].shared else "–"
        table_rows.append((name, psnr, unrounded, seconds, f"{costs[0].numbers:,}", bits, once))
    header = (
        "way",
        "PSNR (dB)",
        "before rounding (dB)",
        "processor s a signal",
        "numbers a signal",
        "bits a signal",
        "bits once",
    )
    return Outcome(
        "One network a signal, or one for all",
        _EXPLANATION,
        claims=_claims(found),
        tables=[Table("A signal's cost", header, tuple(table_rows))],
        facts=plan.facts("x-rays"),
        captions={
            "single-instance": "PSNR over the bits that a signal takes (left; a marker a seed, "
            "plain networks larger from left to right) and over the time of its fit (right; a "
            "line through the mean of all seeds, a plain network of each size)."
        },
        figures={"single-instance": _figure(found)},
    )


def _claims(found: Mapping[str, Sequence[Cost]]) -> list[Claim]:
    shared = found[_SHARED]
    alone = {name: costs for name, costs in found.items() if name != _SHARED}
    size, seeds = shared[0].numbers, counted(len(shared), "seed")
    nearest = min(alone.values(), key=lambda costs: abs(math.log(costs[0].numbers / size)))
    ours, theirs = [cost.psnr for cost in shared], [cost.psnr for cost in nearest]
    bits = judged_above(
        "at about equal bits a signal, a latent is better than a network of its own",
        "the reason for shared networks",
        ours,
        theirs,
        f"{size} numbers of a latent, and {shared[0].shared:,} once for all: "
        f"{mean_and_spread(ours)} dB; {nearest[0].numbers} of a network of its own: "
        f"{mean_and_spread(theirs)} dB; {seeds}.",
    )
    return [bits, _claim_of_time(shared, alone)]


def _claim_of_time(shared: Sequence[Cost], alone: Mapping[str, Sequence[Cost]]) -> Claim:
    """A plain network is given the time after which it is first as good, and the size that is
    quickest then."""
    own = [cost.seconds for cost in shared]
    quickest: tuple[str, list[float]] | None = None
    for name, costs in alone.items():
        taken = [_until(one, cost.unrounded) for one, cost in zip(costs, shared, strict=True)]
        reached = [seconds for seconds in taken if seconds is not None]
        if len(reached) == len(taken) and (
            quickest is None or mean_of(reached) < mean_of(quickest[1])
        ):
            quickest = name, reached
    claim, by = (
        "a latent is fitted much faster than a network as good",
        "the reason for shared networks",
    )
    ms = f"{1000 * mean_of(own):.1f} ms a latent"
    seeds = counted(len(shared), "seed")
    if quickest is None:
        return judged(claim, by, True, f"{ms}; no network of its own was as good; {seeds}.")
    name, theirs = quickest
    said = f"{ms} against {1000 * mean_of(theirs):.1f} ms until {name} is as good, the quickest"
    saved = mean_of(theirs) - mean_of(own)
    if saved > 0:
        after = mean_of([cost.training for cost in shared]) / saved
        said += f"; the shared network's training is paid for after {after:,.0f} signals"
    return judged(claim, by, min(theirs) > _MUCH * max(own), f"{said}; {seeds}.")


def _until(cost: Cost, psnr: float) -> float | None:
    """The seconds after which a plain network was first as good; None if it never was."""
    for before, after in itertools.pairwise((CurvePoint(0, 0.0, 0.0), *cost.curve)):
        if after.psnr >= psnr:
            part = (psnr - before.psnr) / (after.psnr - before.psnr)
            return before.seconds + part * (after.seconds - before.seconds)
    return None


def _figure(found: Mapping[str, Sequence[Cost]]) -> Figure:
    with panels(2, height=3.2) as (figure, (left, right)):
        for number, name in enumerate((_SHARED, _ALONE)):
            costs = [cost for row, all_ in found.items() if row.startswith(name) for cost in all_]
            left.plot(
                [cost.numbers * _BITS for cost in costs],
                [cost.psnr for cost in costs],
                color=COLOURS[number],
                marker=MARKERS[number],
                markersize=5,
                linestyle="none",
                label=name,
            )
        left.legend(loc="best")
        curves: dict[str, dict[float, list[float]]] = {}
        for name, costs in found.items():
            points: dict[float, list[float]] = {}
            for moments in zip(*[cost.curve for cost in costs], strict=True):
                milliseconds = 1000 * mean_of([moment.seconds for moment in moments])
                points[milliseconds] = [moment.psnr for moment in moments]
            if name == _SHARED:
                milliseconds = 1000 * mean_of([cost.seconds for cost in costs])
                points[milliseconds] = [cost.unrounded for cost in costs]
            curves[name.removeprefix(f"{_ALONE}, ")] = points
        draw_lines(right, curves)
        for axes, label in ((left, "bits a signal"), (right, "time to fit a signal (ms)")):
            axes.set_xscale("log")
            plain_powers(axes.xaxis)
            axes.set_xlabel(label)
            axes.set_ylabel("PSNR (dB)")
            axes.margins(0.12)
    return figure


STUDY: Final = Ablation(
    rows, "medfuncta._src.studies.single_instance:measure", Cost, reduce, revision=2
)
