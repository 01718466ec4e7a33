"""Why a shared network: one plain SIREN a signal against a latent a signal, in time, bits and
quality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from medfuncta._src.door.wording import counted
from medfuncta._src.field.siren.field import SirenLayer
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.signals.psnr import psnr_of, psnr_of_one
from medfuncta._src.studies.ablation import Ablation, Finished, Row, by_name
from medfuncta._src.studies.charts import COLOURS, MARKERS, mean_and_spread, mean_of, panels
from medfuncta._src.studies.clock import clock_of
from medfuncta._src.studies.outcome import Claim, Outcome, Table, clearly_above, judged
from medfuncta._src.studies.plan import Plan, Settings
from medfuncta._src.studies.training import learn, read
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
"""Of a stored number: halves the size of both and changes neither picture."""

_EXPLANATION: Final = (
    "A plain SIREN (Sitzmann et al. 2020) is trained for each signal from random weights with "
    f"Adam, {_STEPS} steps on all points, at several sizes (COIN, Dupont et al. 2021). The shared "
    "network is trained once on other signals; a signal then costs H inner steps and the numbers "
    f"of its latent. Bits count {_BITS} a number, and nothing for the shared network, whose cost "
    "is spread over all signals. Times are processor time."
)


@dataclass(frozen=True)
class Cost:
    """What a cell measures, a signal on average.

    Args:
        psnr: In dB.
        seconds: To fit.
        numbers: To store.
        training: Seconds that are spent once, on the shared network.
    """

    psnr: float
    seconds: float
    numbers: int
    training: float = 0.0


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
        found.append(Row("shared network", plan.training(seed, source)))
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
            found.append(Row(f"one network a signal, {layers} x {width}", settings))
    return found


def measure(settings: Mapping[str, Any]) -> Cost:
    """One cell."""
    if "config" in settings:
        return _shared(settings)
    return _alone(settings)


def _shared(settings: Mapping[str, Any]) -> Cost:
    learned = learn(settings)
    signals = learned.held_out.subset(range(min(_SIGNALS, len(learned.held_out))))
    fitter = Fitter(learned.field, learned.config.inner, learned.config.fit)
    clock = clock_of(settings["device"])
    began = clock()
    fitted = fitter.fit(signals)
    seconds = (clock() - began) / len(signals)
    psnr = float(psnr_of(fitted.errors.nan_to_num(nan=1.0)).mean())
    size = learned.config.field.latent_size
    return Cost(psnr, seconds, size, learned.reached.seconds)


def _alone(settings: Mapping[str, Any]) -> Cost:
    _, held_out = read(settings["data"], settings["signals"])
    spec = held_out.spec
    clock = clock_of(settings["device"])
    psnrs, numbers, began = [], 0, clock()
    for index in range(len(held_out)):
        network = PlainSiren(
            spec.dim, spec.channels, settings["layers"], settings["width"], settings["seed"]
        ).to(settings["device"])
        points = held_out.points([index]).to(settings["device"])
        optimiser = torch.optim.Adam(network.parameters(), lr=_RATE)
        for _ in range(settings["steps"]):
            loss = (network(points.coordinates) - points.values).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            values = network(points.coordinates).clamp(0, 1)
            error = (values - points.values).square().mean()
        psnrs.append(psnr_of_one(float(error)))
        numbers = sum(parameter.numel() for parameter in network.parameters())
    seconds = (clock() - began) / len(held_out)
    return Cost(mean_of(psnrs), seconds, numbers)


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found = by_name(cells)
    table_rows = []
    for name, costs in found.items():
        psnr = mean_and_spread([cost.psnr for cost in costs])
        seconds = f"{mean_of([cost.seconds for cost in costs]):.3f}"
        bits = f"{costs[0].numbers * _BITS:,}"
        table_rows.append((name, psnr, seconds, f"{costs[0].numbers:,}", bits))
    header = ("way", "PSNR (dB)", "processor s a signal", "numbers a signal", "bits a signal")
    return Outcome(
        "One network a signal, or one for all",
        _EXPLANATION,
        claims=_claims(found),
        tables=[Table("A signal's cost", header, tuple(table_rows))],
        facts=plan.facts("x-rays"),
        captions={
            "single-instance": "PSNR over the bits (left) and the time (right) that a signal "
            "costs; one marker a seed. Plain networks are larger from left to right."
        },
        figures={"single-instance": _figure(found)},
    )


def _claims(found: Mapping[str, Sequence[Cost]]) -> list[Claim]:
    shared = found["shared network"]
    alone = {name: costs for name, costs in found.items() if name != "shared network"}
    size, psnr = shared[0].numbers, mean_of([cost.psnr for cost in shared])
    seeds = len(shared)
    nearest = min(alone.values(), key=lambda costs: abs(math.log(costs[0].numbers / size)))
    reference = mean_of([cost.psnr for cost in nearest])
    bits = judged(
        "at about equal bits a signal, a latent is better than a network of its own",
        "the reason for shared networks",
        clearly_above([psnr], [reference]),
        f"{size} numbers of a latent: {psnr:.2f} dB; {nearest[0].numbers} of a network "
        f"of its own: {reference:.2f} dB; {counted(seeds, 'seed')}.",
    )
    as_good = {
        name: costs for name, costs in alone.items() if mean_of([c.psnr for c in costs]) >= psnr
    }
    seconds = mean_of([cost.seconds for cost in shared])
    if as_good:
        quickest = min(as_good, key=lambda name: mean_of([c.seconds for c in as_good[name]]))
        theirs = mean_of([cost.seconds for cost in as_good[quickest]])
        training = mean_of([cost.training for cost in shared])
        saved = theirs - seconds
        said = (
            f"{seconds * 1000:.0f} ms a latent against {theirs * 1000:.0f} ms for {quickest}, the "
            "quickest that is as good"
        )
        if saved > 0:
            said += f"; the shared network's training is paid for after {training / saved:,.0f} "
            said += "signals"
    else:
        theirs = float("inf")
        said = f"{seconds * 1000:.0f} ms a latent; no network of its own was as good"
    quick = judged(
        "a latent is fitted much faster than a network as good",
        "the reason for shared networks",
        theirs > 5 * seconds,
        f"{said}; {counted(seeds, 'seed')}.",
    )
    return [bits, quick]


def _figure(found: Mapping[str, Sequence[Cost]]) -> Figure:
    groups = {"one network a signal": [], "shared network": []}
    for name, costs in found.items():
        groups[name.partition(",")[0]] += costs
    with panels(2) as (figure, (left, right)):
        for number, (name, costs) in enumerate(groups.items()):
            style = {
                "color": COLOURS[number],
                "marker": MARKERS[number],
                "markersize": 5,
                "linestyle": "none",
                "label": name,
            }
            psnrs = [cost.psnr for cost in costs]
            left.plot([cost.numbers * _BITS for cost in costs], psnrs, **style)
            right.plot([1000 * cost.seconds for cost in costs], psnrs, **style)
        for axes, label in ((left, "bits a signal"), (right, "time to fit a signal (ms)")):
            axes.set_xscale("log")
            plain_powers(axes.xaxis)
            axes.set_xlabel(label)
            axes.set_ylabel("PSNR (dB)")
            axes.margins(0.12)
        left.legend(loc="best")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.single_instance:measure", Cost, reduce)
