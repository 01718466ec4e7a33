"""The studies of missing samples, missing slices and mixed shapes, repeated over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from medfuncta._src.door.wording import counted
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.ablation import Ablation, Finished, Numbers, Row, values_of
from medfuncta._src.studies.charts import draw_rows, mean_and_spread, mean_of, panels
from medfuncta._src.studies.findings import Findings
from medfuncta._src.studies.outcome import NOT_TESTABLE, Claim, Outcome, Table, judged_above
from medfuncta._src.studies.plan import Plan, Settings
from medfuncta._src.studies.study import StudyOptions, run_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIGNALS: Final = 24
"""Held-out signals at the most, at the small scale."""
_MOST_STEPS: Final = 2000
"""Meta-steps at the paper's scale: what the presets of these fields take."""
_EXPLANATION: Final = (
    "What `missing-samples`, `missing-slices` and `mixed-shapes` find, each repeated over seeds of "
    "training and of what is removed: a field of components, trained on other signals of the data "
    "set, is fitted to what is left. PSNR is of the removed points only, and of whole volumes on "
    "their own grids for shapes. Interpolation knows nothing but the signal itself, and passes "
    "through every sample that is left, which the field does not. Heartbeats are of records that "
    "training has not seen, volumes of the hippocampus (MR)."
)


@dataclass(frozen=True)
class Repeated:
    """One of the studies.

    Args:
        study: Its name.
        data: The data set that it is done on.
        dim: Of signals that it can be done on.
        steps: Meta-steps at the small scale.
        stand_in: Whether samples of the package may stand in for the data set.
    """

    study: str
    data: str
    dim: int
    steps: int
    stand_in: bool = True


REPEATED: Final = (
    Repeated("missing-samples", "ecg", 1, steps=100),
    Repeated("missing-slices", "volumes", 3, steps=12),
    Repeated("mixed-shapes", "volumes", 3, steps=12, stand_in=False),
)
_CLAIMS: Final = {
    "missing-samples/30% removed at random": (
        "a field restores samples that are missing at random better than interpolation"
    ),
    "missing-samples/30% removed in 3 gaps": (
        "a field restores samples that are missing in gaps better than interpolation"
    ),
    "missing-slices/every second slice removed": (
        "a field restores missing slices better than interpolation"
    ),
    "mixed-shapes": (
        "volumes of different shapes are better learned as they are than resampled to one grid"
    ),
}
"""By how the conditions of a study begin: that its first method is better than all others."""


def rows(plan: Plan) -> list[Row]:
    """Each study, each seed, as far as the data allow."""
    found = []
    for row in REPEATED:
        if plan.data is not None and open_source(plan.data).spec.dim != row.dim:
            continue
        if plan.data is None and not row.stand_in and not plan.has(row.data):
            continue
        steps = min(plan.steps, _MOST_STEPS if plan.scale.fine else row.steps)
        for seed in plan.seeds:
            settings: Settings = {
                "study": row.study,
                "data": plan.source(row.data),
                "seed": seed,
                "steps": steps,
                "signals": plan.scale.signals if plan.scale.fine else _SIGNALS,
                "device": plan.device,
            }
            settings["signals"] = min(settings["signals"], plan.scale.signals)
            found.append(Row(row.study, settings, weight=15 + 0.5 * steps))
    return found


def measure(settings: Mapping[str, Any]) -> Numbers:
    """One cell: the mean PSNR of each method under each condition."""
    options = StudyOptions(
        settings["data"],
        steps=settings["steps"],
        limit=settings["signals"],
        seed=settings["seed"],
        device=settings["device"],
    )
    findings = cast(Findings, run_study(settings["study"], options))
    values = {}
    for trial in findings.trials:
        for method, result in trial.methods.items():
            values[f"{settings['study']}/{trial.condition}/{method}"] = result.summary.psnr.mean
    return Numbers({name: 0.0 if psnr is None else psnr for name, psnr in values.items()})


def reduce(plan: Plan, cells: Sequence[Finished]) -> Outcome:
    """Table, claims and figure."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, psnrs in values_of(cells).items():
        condition, _, method = name.rpartition("/")
        found.setdefault(condition, {})[method] = psnrs
    table_rows = []
    for condition, methods in found.items():
        for method, psnrs in methods.items():
            what = condition.replace("/", ": ")
            table_rows.append((what, method, mean_and_spread(psnrs)))
    tables, captions, figures = [], {}, {}
    if found:
        header = ("condition", "method", "PSNR (dB)")
        tables = [Table("What is restored", header, tuple(table_rows))]
        captions = {
            "gaps": "PSNR of what was removed, and of whole volumes on their own grids, by method; "
            "a dot a seed, a bar at their mean."
        }
        figures = {"gaps": _figure(found)}
    facts = plan.facts(*dict.fromkeys(row.data for row in REPEATED))
    for name in ("network", "training", "inner steps and their size", "learning rate"):
        facts.pop(name)
    facts["held-out signals"] = f"{_held_out(cells)} of the test split at the most"
    return Outcome(
        "What is missing, restored",
        _EXPLANATION,
        claims=_claims(found, len(plan.seeds)),
        tables=tables,
        facts=facts,
        captions=captions,
        figures=figures,
    )


def _held_out(cells: Sequence[Finished]) -> int:
    return max((cell.settings["signals"] for cell in cells), default=0)


def _claims(found: Mapping[str, Mapping[str, Sequence[float]]], seeds: int) -> list[Claim]:
    claims = []
    for beginning, claim in _CLAIMS.items():
        condition = next((name for name in found if name.startswith(beginning)), None)
        if condition is None:
            because = "needs traces, or volumes of several shapes, in --data-folder."
            claims.append(Claim(claim, "this package", NOT_TESTABLE, because))
            continue
        methods = found[condition]
        first, *others = methods
        best = max(others, key=lambda method: mean_of(methods[method]))
        ours, theirs = methods[first], methods[best]
        said = "; ".join(f"{name} {mean_and_spread(v)} dB" for name, v in methods.items())
        because = f"{said}; {counted(seeds, 'seed')}."
        claims.append(judged_above(claim, "this package", ours, theirs, because))
    return claims


def _figure(found: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    lines = {}
    for condition, methods in found.items():
        study, _, what = condition.partition("/")
        short = what if study != "mixed-shapes" else "shapes"
        for method, psnrs in methods.items():
            lines[f"{short}: {method}"] = psnrs
    with panels(1, width=6.0, height=0.5 + 0.24 * len(lines)) as (figure, (axes,)):
        draw_rows(axes, lines)
        axes.set_xlabel("PSNR (dB)")
    return figure


STUDY: Final = Ablation(rows, "medfuncta._src.studies.gaps:measure", Numbers, reduce)
