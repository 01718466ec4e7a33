"""What each part of the method is worth: the paper's parts (Table 5), and this package's own
changes, each added to the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from medfuncta._src.door.wording import counted
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.presets import preset
from medfuncta._src.settings import Config, override
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.ablation import Ablation, Finished, Row, by_name
from medfuncta._src.studies.charts import draw_lines, draw_rows, mean_and_spread, mean_of, panels
from medfuncta._src.studies.outcome import Claim, Outcome, Table, judged_above
from medfuncta._src.studies.plan import Plan, Settings
from medfuncta._src.studies.training import Reached

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Sections = Mapping[str, Mapping[str, Any]]

BASE: Final[Sections] = {
    "field": {"omega_first": 30.0, "omega_last": 30.0},
    "train": {"schedule": "constant", "context_ratio": 1.0},
}
"""The paper's base: a constant omega and a constant rate, all points."""
_SCHEDULE: Final = "+ omega schedule"
"""That of the scale."""
PAPER: Final[Mapping[str, Sections]] = {
    "+ cosine schedule": {"train": {"schedule": "cosine"}},
    "+ omega schedule": {},
    "+ context reduction, batch x2": {"train": {"context_ratio": 0.25}},
}
OURS: Final[Mapping[str, Sections]] = {
    "+ residual sums": {"field": {"omega_last": 80.0, "residual": True}},
    "+ Muon": {"train": {"optimiser": "muon"}},
    "+ inner momentum": {"inner": {"momentum": 0.5}},
    "+ log loss": {"train": {"outer_loss": "log"}},
    "+ weight average": {"train": {"average": 0.98}},
    "+ orthogonal maps": {"train": {"shift_init": "orthogonal"}},
    "+ stratified contexts": {"train": {"context": "stratified", "context_ratio": 0.5}},
}
"""Each goes on from the paper's parts without context reduction."""
_LAST: Final = "field of components"
_REDUCED: Final = "+ context reduction, batch x2"

_EXPLANATION: Final = (
    "Each row has all of the rows above it, but for two: this package's own changes begin again "
    "at full context, and the field of components has the settings of its own preset at the same "
    "latent size and number of meta-steps. What a part is worth depends on what stands before it: "
    "read a row as a change from the one above, not as the worth of the part in general. Residual "
    "sums come with a flatter omega schedule, to 80, which they need. As in "
    "the paper, context reduction comes with twice the batch, which the memory it saves pays for."
)


def rows(plan: Plan) -> list[Row]:
    """The base, and every part added to those before."""
    found = []
    for name, settings in _configs(plan).items():
        for seed in plan.seeds:
            cell = plan.training(seed, plan.source("x-rays"))
            own = override(settings, {"train": {"seed": seed}})
            found.append(Row(name, {**cell, "config": own.to_dict()}))
    return found


def _configs(plan: Plan) -> dict[str, Config]:
    scale = plan.scale.config
    config = override(scale, BASE, written=False)
    configs = {"base": config}
    assert isinstance(scale.field, SirenConfig)
    first, last = scale.field.omega_first, scale.field.omega_last
    for name, part in PAPER.items():
        if name == _SCHEDULE:
            part = {"field": {"omega_first": first, "omega_last": last}}
        added = override(config, part, written=False)
        if name == _REDUCED:
            added = override(added, {"train": {"batch": 2 * scale.train.batch}}, written=False)
        else:
            config = added
        configs[name] = added
    for name, part in OURS.items():
        config = override(config, part, written=False)
        configs[name] = config
    dim = open_source(plan.source("x-rays")).spec.dim
    configs[_LAST] = of_components(scale, dim)
    return configs


def of_components(scale: Config, dim: int) -> Config:
    """The settings of the preset for signals of this dimension, with latent size, length and batch
    of the scale."""
    same: Settings = {
        "field": {"latent_size": scale.field.latent_size},
        "train": {"steps": scale.train.steps, "batch": scale.train.batch},
        "fit": {"batch": scale.fit.batch},
    }
    return override(preset(f"components-{dim}d"), same, written=False)


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found = by_name(cells)
    table_rows: list[tuple[str, ...]] = []
    before: Sequence[float] | None = None
    for name, reached in found.items():
        psnrs = [one.psnr for one in reached]
        change = "" if before is None else _change(psnrs, before)
        ssims = [one.ssim for one in reached if one.ssim is not None]
        ssim = f"{mean_of(ssims):.3f}" if ssims else "–"
        seconds = mean_of([one.seconds for one in reached])
        row = (name, mean_and_spread(psnrs), change, ssim, f"{seconds:.1f}")
        table_rows.append((*row, f"{reached[0].parameters:,}"))
        if name != _REDUCED:
            before = psnrs
    header = ("network", "PSNR (dB)", "change (dB)", "SSIM", "processor s", "learned numbers")
    return Outcome(
        "What each part is worth",
        _EXPLANATION,
        claims=_claims(found),
        tables=[Table("Part by part", header, tuple(table_rows))],
        facts=plan.facts("x-rays"),
        captions={
            "components": "PSNR of held-out signals, part by part (left; a dot a seed, a bar at "
            "their mean) and over the meta-steps (right)."
        },
        figures={"components": _figure(found)},
    )


def _claims(found: Mapping[str, Sequence[Reached]]) -> list[Claim]:
    psnrs = {name: [one.psnr for one in reached] for name, reached in found.items()}
    paper = {"+ cosine schedule": 0.44, "+ omega schedule": 1.40}
    claims, names = [], list(psnrs)
    seeds = counted(len(psnrs["base"]), "seed")
    for name, gain in paper.items():
        before = names[names.index(name) - 1]
        claims.append(
            judged_above(
                f"{name[2:]} helps",
                f"paper, Table 5: {gain:+.2f} dB after 250,000 meta-steps",
                psnrs[name],
                psnrs[before],
                f"{_change(psnrs[name], psnrs[before])} dB: {mean_and_spread(psnrs[before])} to "
                f"{mean_and_spread(psnrs[name])} dB; {seeds}.",
            )
        )
    with_omega, reduced = psnrs["+ omega schedule"], psnrs[_REDUCED]
    claims.append(
        judged_above(
            "context reduction with twice the batch helps",
            "paper, Table 5: 39.68 to 40.72 dB",
            reduced,
            with_omega,
            f"{_change(reduced, with_omega)} dB; {seeds}.",
        )
    )
    ours = max(OURS, key=lambda name: mean_of(psnrs[name]))
    gains = {
        "ours": [own - theirs for own, theirs in zip(psnrs[ours], with_omega, strict=True)],
        "the paper's": [
            own - theirs for own, theirs in zip(with_omega, psnrs["base"], strict=True)
        ],
    }
    claims.append(
        judged_above(
            "this package's changes together are worth more than the paper's parts",
            "this package",
            gains["ours"],
            gains["the paper's"],
            f"With the best of them ({ours}) {mean_and_spread(psnrs[ours])} dB, the paper's parts "
            f"at full context {mean_and_spread(with_omega)} dB, base "
            f"{mean_and_spread(psnrs['base'])} dB; {seeds}.",
        )
    )
    claims.append(
        judged_above(
            "a field that starts as principal components is better than all changes of the sine "
            "network",
            "this package",
            psnrs[_LAST],
            psnrs[ours],
            f"{mean_and_spread(psnrs[_LAST])} against {mean_and_spread(psnrs[ours])} dB, with "
            f"{found[_LAST][0].parameters:,} against {found[ours][0].parameters:,} learned "
            f"numbers, in {mean_of([one.seconds for one in found[_LAST]]):.1f} against "
            f"{mean_of([one.seconds for one in found[ours]]):.1f} s; {seeds}.",
        )
    )
    return claims


def _change(after: Sequence[float], before: Sequence[float]) -> str:
    """What a part changes, seed by seed: the mean, the lowest and the highest."""
    changes = [one - other for one, other in zip(after, before, strict=True)]
    text = f"{mean_of(changes):+.2f}"
    if len(changes) < 2:
        return text
    return f"{text} ({min(changes):+.2f} to {max(changes):+.2f})"


def _figure(found: Mapping[str, Sequence[Reached]]) -> Figure:
    shown = ("base", "+ omega schedule", _REDUCED, *[list(OURS)[-1]], _LAST)
    curves: dict[str, dict[float, list[float]]] = {}
    for name in shown:
        curves[name] = {}
        for reached in found[name]:
            for point in reached.curve:
                curves[name].setdefault(point.step, []).append(point.psnr)
    with panels(2, height=3.2, width=3.7) as (figure, (left, right)):
        draw_rows(left, {name: [one.psnr for one in reached] for name, reached in found.items()})
        left.set_xlabel("PSNR (dB)")
        draw_lines(right, curves)
        right.set_xlabel("meta-steps")
        right.set_ylabel("PSNR (dB)")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.training:trained", Reached, reduce)
