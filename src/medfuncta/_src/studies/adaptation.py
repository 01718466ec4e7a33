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
from medfuncta._src.studies.ablation import Ablation, Finished, Numbers, Row, by_name, values_of
from medfuncta._src.studies.charts import draw_lines, mean_and_spread, mean_of, panels
from medfuncta._src.studies.network import spread_out
from medfuncta._src.studies.outcome import (
    NOT_TESTABLE,
    Claim,
    Outcome,
    Table,
    clearly_above,
    judged,
)
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.training import learn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    "Gauss-Newton steps follow the first H gradient steps. The networks that ship with the package "
    "are then fitted to blood cells of the other data set: other donors, microscope and stain."
)


def rows(plan: Plan) -> list[Row]:
    """A trained network a seed; then networks that ship, where their data are there."""
    found = []
    for seed in plan.seeds:
        found.append(Row("trained", plan.training(seed, plan.source("x-rays"))))
    for run, names in _UNSEEN.items():
        for name in names:
            source = plan.source(name)
            if plan.data is None and not source.startswith("sample:"):
                limit = plan.scale.signals
                settings = {"run": run, "data": source, "signals": limit, "device": plan.device}
                found.append(Row(_unseen_name(run, name), settings))
    return found


def _unseen_name(run: str, data: str) -> str:
    return f"{run} on {data}"


def measure(settings: Mapping[str, Any]) -> Numbers:
    """One cell."""
    if "run" in settings:
        return Numbers({"psnr": _shipped(settings)})
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
    unseen = {
        name: numbers[0].values["psnr"]
        for name, numbers in by_name(cells).items()
        if name != "trained"
    }
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
        shipped = tuple((name, f"{psnr:.2f}") for name, psnr in unseen.items())
        tables.append(Table("Networks that ship", ("network and data", "PSNR (dB)"), shipped))
    return Outcome(
        "Adaptation at test time",
        _EXPLANATION,
        claims=_claims(plan, found, unseen),
        tables=tables,
        facts=plan.facts("x-rays"),
        captions={
            "adaptation": "PSNR of held-out signals by solver: over the steps H of a fit (the "
            "dotted line is what training took), with noise on the values, and with points "
            "missing at random; the last two on all points of the clean signal. Bands are from "
            "the lowest to the highest seed."
        },
        figures={"adaptation": _figure(plan, found)},
    )


def _claims(
    plan: Plan, found: Mapping[str, Sequence[float]], unseen: Mapping[str, float]
) -> list[Claim]:
    inner_steps = plan.scale.config.train.inner_steps
    trained = min(HORIZONS, key=lambda steps: abs(steps - inner_steps))
    gradient = {steps: mean_of(found[f"gradient steps/{steps}"]) for steps in HORIZONS}
    twice = min(HORIZONS, key=lambda steps: abs(steps - 2 * trained))
    seeds = len(plan.seeds)
    said = ", ".join(f"H {steps}: {psnr:.2f} dB" for steps, psnr in gradient.items())
    beyond = judged(
        "twice the steps of training are better than as many",
        "paper: G 10, H 20",
        clearly_above(found[f"gradient steps/{twice}"], found[f"gradient steps/{trained}"]),
        f"G {inner_steps}; {said}; {counted(seeds, 'seed')}.",
    )
    longest = HORIZONS[-1]
    runs_away = judged(
        "far more steps than in training do no harm",
        "this package",
        gradient[longest] >= gradient[twice] - 0.1,
        f"H {longest}: {gradient[longest]:.2f} dB against {gradient[twice]:.2f} dB at {twice}; "
        f"{counted(seeds, 'seed')}.",
    )
    three = mean_of(found[f"then 3 Gauss-Newton/{trained}"])
    newton = judged(
        "three Gauss-Newton steps are worth more than as many gradient steps again",
        "this package",
        three > gradient[twice],
        f"{three:.2f} dB after {trained} steps and three of them, {gradient[twice]:.2f} dB after "
        f"{twice} gradient steps; {counted(seeds, 'seed')}.",
    )
    worst = MISSING[-1]
    closer = judged(
        "where points are missing, a closer fit to the others is a worse signal",
        "this package",
        mean_of(found[f"missing/then to the end/{worst}"])
        < mean_of(found[f"missing/gradient steps/{worst}"]),
        f"with {worst:.0%} missing: to the end "
        f"{mean_and_spread(found[f'missing/then to the end/{worst}'])} dB, gradient steps "
        f"{mean_and_spread(found[f'missing/gradient steps/{worst}'])} dB; "
        f"{counted(seeds, 'seed')}.",
    )
    return [beyond, runs_away, newton, closer, _claim_unseen(unseen)]


def _claim_unseen(unseen: Mapping[str, float]) -> Claim:
    claim, by = (
        "a network does as well on cells of another laboratory as on its own",
        "this package",
    )
    if len(unseen) < 2 * len(_UNSEEN):
        because = "needs both sets of blood cells in --data-folder."
        return Claim(claim, by, NOT_TESTABLE, because)
    lost, said = [], []
    for run, (own, other) in _UNSEEN.items():
        at_home, away = unseen[_unseen_name(run, own)], unseen[_unseen_name(run, other)]
        lost.append(at_home - away)
        said.append(f"{run}: {at_home:.2f} dB on {own}, {away:.2f} dB on {other}")
    because = "; ".join(said) + "; one network each. The sets differ in how hard they are too."
    return judged(claim, by, max(lost) < 1, because)


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
