"""What fitting a latent bears: more steps than it was trained for, noise, missing points, and
signals of people, scanners or stains that the network has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import torch

from medfuncta._src.config import FitConfig
from medfuncta._src.door.wording import counted
from medfuncta._src.field.field import Field
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.learning.quality import clamped_errors
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies import transfer
from medfuncta._src.studies.ablation import Ablation, Finished, Numbers, Row, by_name, values_of
from medfuncta._src.studies.charts import draw_lines, mean_and_spread, panels
from medfuncta._src.studies.network import spread_out
from medfuncta._src.studies.outcome import (
    LEAST_GAP,
    NOT_TESTABLE,
    Claim,
    Outcome,
    Table,
    judged,
    judged_above,
    judged_no_worse,
)
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.training import learn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CAPTION: Final = (
    "PSNR of held-out signals by solver: over the steps H of a fit (the dotted line is what "
    "training took), with noise on the values, and with points missing at random; the last two on "
    "all points of the clean signal. Bands are from the lowest to the highest seed."
)
HORIZONS: Final = (1, 2, 5, 10, 20, 40, 80)
"""H."""
NOISE: Final = (0.0, 0.02, 0.05, 0.1)
"""Standard deviation, of values in [0, 1]."""
MISSING: Final = (0.0, 0.25, 0.5, 0.75)
"""Part of the points."""
SOLVERS: Final = ("gradient steps", "with momentum 0.9", "then 3 Gauss-Newton", "then to the end")
_UNSEEN: Final = {
    "pretrained:blood-cells": ("cells", "donors"),
    "pretrained:blood-cells-donors": ("donors", "cells"),
}
"""Networks that ship: what they know, and what they do not."""

_EXPLANATION: Final = (
    "A network of the paper's kind is trained once a seed and then held still. Held-out signals "
    "are fitted with more and fewer steps than training took, by four solvers; with noise, and "
    "with points missing at random, in both cases measured on all points of the clean signal. "
    "Gauss-Newton steps follow the first H gradient steps. The two networks for blood cells that "
    "ship with the package are fitted to the cells of both data sets: other donors, microscope and "
    f"stain. {transfer.EXPLANATION}"
)


def rows(plan: Plan) -> list[Row]:
    """A trained network a seed; then networks that ship, and groups of signals, where their data
    are there."""
    found = []
    for seed in plan.seeds:
        found.append(Row("trained", plan.training(seed, plan.source("x-rays"))))
    for run, names in _UNSEEN.items():
        for name in names:
            if plan.has(name):
                limit, source = plan.scale.signals, plan.source(name)
                settings = {"run": run, "data": source, "signals": limit, "device": plan.device}
                found.append(Row(_unseen_name(run, name), settings, weight=0.1 * limit))
    return found + transfer.rows(plan)


def _unseen_name(run: str, data: str) -> str:
    return f"{run} on {data}"


def measure(settings: Mapping[str, Any]) -> Numbers:
    """One cell."""
    if "run" in settings:
        return Numbers({"psnr": _shipped(settings)})
    if "pool" in settings:
        return transfer.measure(settings)
    learned = learn(settings)
    field, config, signals = learned.field, learned.config, learned.held_out
    points = signals.points(range(len(signals))).to(field.device, field.dtype)
    values = {}
    for steps in HORIZONS:
        for solver in SOLVERS:
            values[f"{solver}/{steps}"] = _psnr(field, config, points, points, solver, steps)
    generator = torch.Generator().manual_seed(config.train.seed)
    steps = config.fit.steps
    for solver in SOLVERS:
        for sigma in NOISE:
            seen = noisy(points, sigma, generator)
            values[f"noise/{solver}/{sigma}"] = _psnr(field, config, seen, points, solver, steps)
        for part in MISSING:
            seen = depleted(points, part, generator)
            values[f"missing/{solver}/{part}"] = _psnr(field, config, seen, points, solver, steps)
    return Numbers(values)


def _psnr(
    field: Field, config: Config, seen: Points, clean: Points, solver: str, steps: int
) -> float:
    """Fit what is seen; compare with the clean signal."""
    inner, fit = config.inner, FitConfig(steps, fast_steps=steps)
    if solver == "with momentum 0.9":
        inner = replace(inner, momentum=0.9)
    if solver == "then 3 Gauss-Newton":
        fit = replace(fit, quality="fast")
    if solver == "then to the end":
        fit = replace(fit, quality="best")
    latents = Fitter(field, inner, fit)(seen)
    errors = clamped_errors(field, latents, clean).nan_to_num(nan=1.0)
    return float(psnr_of(errors).mean())


def noisy(points: Points, sigma: float, generator: torch.Generator) -> Points:
    """The points with noise on their values."""
    noise = torch.randn(points.values.shape, generator=generator)
    return replace(points, values=points.values + sigma * noise.to(points.values))


def depleted(points: Points, part: float, generator: torch.Generator) -> Points:
    """The points with a part of them, drawn at random, not observed."""
    kept = torch.rand(points.weights.shape, generator=generator) >= part
    weights = points.weights * kept.to(points.weights)
    return replace(points, weights=weights / weights.sum(dim=1, keepdim=True))


def _shipped(settings: Mapping[str, Any]) -> float:
    """Mean PSNR of a network that ships on held-out signals."""
    run = Run.load(settings["run"])
    source = open_source(settings["data"])
    chosen = spread_out(source.signals("test"), settings["signals"])
    signals = SignalSet.collect(source.spec, chosen)
    fitter = Fitter(run.network, run.config.inner, run.config.fit, device=settings["device"])
    return float(psnr_of(fitter.fit(signals).errors.nan_to_num(nan=1.0)).mean())


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Tables, claims and figure."""
    found = values_of([cell for cell in cells if cell.name == "trained"])
    groups = transfer.groups_of([cell for cell in cells if "pool" in cell.settings])
    shipped = [cell for cell in cells if "run" in cell.settings]
    unseen = {name: numbers[0].values["psnr"] for name, numbers in by_name(shipped).items()}
    horizon_rows = []
    for steps in HORIZONS:
        cells_of_row = [mean_and_spread(found[f"{solver}/{steps}"]) for solver in SOLVERS]
        horizon_rows.append((f"{steps}", *cells_of_row))
    hard_rows = []
    for what, levels in (("noise", NOISE), ("missing", MISSING)):
        for level in levels:
            row = [mean_and_spread(found[f"{what}/{solver}/{level}"]) for solver in SOLVERS]
            hard_rows.append((f"{what} {level:g}", *row))
    tables = [
        Table("PSNR (dB) by H", ("H", *SOLVERS), tuple(horizon_rows)),
        Table("PSNR (dB) with noise or missing points", ("", *SOLVERS), tuple(hard_rows)),
    ]
    if unseen:
        ships = tuple((name, f"{psnr:.2f}") for name, psnr in unseen.items())
        tables.append(Table("Networks that ship", ("network and data", "PSNR (dB)"), ships))
    captions = {"adaptation": _CAPTION}
    figures = {"adaptation": _figure(plan, found)}
    if groups:
        tables.append(transfer.table(groups))
        captions["adaptation-groups"] = transfer.CAPTION
        figures["adaptation-groups"] = transfer.figure(groups)
    return Outcome(
        "Adaptation at test time",
        _EXPLANATION,
        claims=[*_claims(plan, found), *transfer.claims(groups), _claim_unseen(unseen)],
        tables=tables,
        facts=plan.facts("x-rays"),
        captions=captions,
        figures=figures,
    )


def _claims(plan: Plan, found: Mapping[str, Sequence[float]]) -> list[Claim]:
    inner_steps = plan.scale.config.train.inner_steps
    trained = min(HORIZONS, key=lambda steps: abs(steps - inner_steps))
    gradient = {steps: found[f"gradient steps/{steps}"] for steps in HORIZONS}
    twice = min(HORIZONS, key=lambda steps: abs(steps - 2 * trained))
    seeds = counted(len(plan.seeds), "seed")
    said = ", ".join(f"H {steps}: {mean_and_spread(psnr)} dB" for steps, psnr in gradient.items())
    beyond = judged_above(
        "twice the steps of training are better than as many",
        "paper: G 10, H 20",
        gradient[twice],
        gradient[trained],
        f"G {inner_steps}; {said}; {seeds}.",
    )
    longest = HORIZONS[-1]
    runs_away = judged_no_worse(
        "far more steps than in training do no harm",
        "this package",
        gradient[longest],
        gradient[twice],
        f"H {longest}: {mean_and_spread(gradient[longest])} dB against "
        f"{mean_and_spread(gradient[twice])} dB at {twice}; {seeds}.",
        margin=LEAST_GAP,
    )
    three = found[f"then 3 Gauss-Newton/{trained}"]
    newton = judged_above(
        "three Gauss-Newton steps are worth more than as many gradient steps again",
        "this package",
        three,
        gradient[twice],
        f"{mean_and_spread(three)} dB after {trained} steps and three of them, "
        f"{mean_and_spread(gradient[twice])} dB after {twice} gradient steps; {seeds}.",
    )
    worst = MISSING[-1]
    ends = {
        solver: found[f"missing/{solver}/{worst}"] for solver in ("gradient steps", SOLVERS[-1])
    }
    closer = judged_above(
        "where points are missing, a closer fit to the others is a worse signal",
        "this package",
        ends["gradient steps"],
        ends[SOLVERS[-1]],
        f"With {worst:.0%} missing: to the end {mean_and_spread(ends[SOLVERS[-1]])} dB, gradient "
        f"steps {mean_and_spread(ends['gradient steps'])} dB; {seeds}.",
    )
    return [beyond, runs_away, newton, closer]


def _claim_unseen(unseen: Mapping[str, float]) -> Claim:
    """On the same signals, the network of their own data set against the other one."""
    claim, by = (
        "of the networks that ship, one of another laboratory does as well as that of the own one",
        "this package",
    )
    if len(unseen) < 2 * len(_UNSEEN):
        because = "needs both sets of blood cells in --data-folder."
        return Claim(claim, by, NOT_TESTABLE, because)
    lost, said = [], []
    (first, (one, _)), (second, (other, _)) = _UNSEEN.items()
    for data, own, foreign in ((one, first, second), (other, second, first)):
        at_home, away = unseen[_unseen_name(own, data)], unseen[_unseen_name(foreign, data)]
        lost.append(at_home - away)
        said.append(f"{data}: {at_home:.2f} dB by {own}, {away:.2f} dB by {foreign}")
    return judged(claim, by, max(lost) < 1, "; ".join(said) + "; one network each.")


def _figure(plan: Plan, found: Mapping[str, Sequence[float]]) -> Figure:
    def of(prefix: str, levels: Sequence[float]) -> dict[str, dict[float, Sequence[float]]]:
        series = {}
        for solver in SOLVERS:
            series[solver] = {level: found[f"{prefix}{solver}/{level}"] for level in levels}
        return series

    with panels(3, width=2.7, height=2.9) as (figure, (left, middle, right)):
        draw_lines(left, of("", HORIZONS))
        left.set_xscale("log")
        left.set_xticks(HORIZONS, [str(steps) for steps in HORIZONS], minor=False)
        left.minorticks_off()
        left.axvline(plan.scale.config.train.inner_steps, color="black", linestyle=":", lw=0.8)
        left.set_xlabel("steps of a fit, H")
        left.set_ylabel("PSNR (dB)")
        draw_lines(middle, of("noise/", NOISE), legend=False)
        middle.set_xlabel("noise (standard deviation)")
        draw_lines(right, of("missing/", MISSING), legend=False)
        right.set_xlabel("part of the points missing")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.adaptation:measure", Numbers, reduce)
