"""``medfuncta info``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import facts, table
from medfuncta._src.door.wording import counted
from medfuncta._src.field.siren.config import SirenConfig

if TYPE_CHECKING:
    from medfuncta._src.latents.describe import Figures
    from medfuncta._src.signals.signal import SignalSpec
    from medfuncta._src.sources.source import SourceInfo
    from medfuncta._src.tasks.info import LatentSetReport, Report, RunReport, SourceReport
    from medfuncta._src.tasks.info.source import SplitTally


@dataclass(kw_only=True)
class Info(Command):
    """Say what a source of signals, a run or a latent set holds."""

    what: Annotated[Positional[str], arg(metavar="SOURCE|RUN|LATENTS")]
    """A source (kind:path[?option=value]), or the folder of a run or of a latent set."""
    out: Path | None = None
    """Folder for info.json and a picture: a contact sheet of a source, the training curve of a
    run."""
    check: bool = False
    """Read a latent set to its end first, and refuse one with damaged, doubled or wrongly labelled
    rows or another field's latents."""

    def run(self) -> Report:
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.latents.validate import validate
        from medfuncta._src.tasks.info import inspect

        if self.check:
            validate(LatentSet.open(self.what))
        return inspect(self.what, self.out)

    def summary(self, result: Report) -> str:
        from medfuncta._src.tasks.info import RunReport, SourceReport

        if isinstance(result, SourceReport):
            return _source(result)
        if isinstance(result, RunReport):
            return _run(result)
        return _latent_set(result)


def _source(report: SourceReport) -> str:
    info, spec = report.info, report.spec
    entries: dict[str, object] = {
        "data": info.name,
        "signals": _form(spec),
        "licence": info.licence,
        **_cited(info),
        "splits by": info.split_by,
    }
    for name, value in info.details.items():
        if value not in (None, ""):
            entries[name.replace("_", " ")] = value
    rows = []
    for name, tally in report.splits.items():
        counts = (f"{tally.signals:,}", f"{tally.points:,}")
        shape, spacing = _extent(tally.extent), _most(tally.spacings)
        rows.append((name, *counts, _range(tally), shape, spacing))
    values = f"values {spec.unit}".strip()
    header = ("split", "signals", "points", values, "shape", "spacing")
    lines = [facts(entries), table(header, rows)]
    if report.labels:
        lines.append(_class_table(report))
    for line in report.odd:
        lines.append(f"! {line}")
    return "\n".join(lines)


def _class_table(report: SourceReport) -> str:
    rows = []
    for label in report.labels:
        counts = [f"{tally.labels[label]:,}" for tally in report.splits.values()]
        rows.append((label, *counts))
    return table(("class", *report.splits), rows)


def _run(report: RunReport) -> str:
    field = report.config.field
    entries: dict[str, object] = {
        "run": report.fingerprint,
        "signals": _form(report.signal),
        "field": field.kind,
        "parameters": f"{report.parameters:,}",
        "latent": counted(field.latent_size, "number"),
    }
    if isinstance(field, SirenConfig):
        entries["layers x width"] = f"{field.layers} x {field.width}"
    if report.omegas:
        entries["omega"] = f"{report.omegas[0]:g} to {report.omegas[-1]:g}"
    for name, value in report.training.items():
        if isinstance(value, float):
            value = f"{value:.4g}"
        if not isinstance(value, Mapping):
            entries[name.replace("_", " ")] = value
    if report.saved_step is not None:
        entries["saved after"] = (
            f"{report.saved_step:,} of {report.config.train.steps:,} meta-steps"
        )
    return facts(entries)


def _latent_set(report: LatentSetReport) -> str:
    info, figures = report.info, report.figures
    entries: dict[str, object] = {
        "latents of": info.source.name,
        "licence": info.source.licence,
        **_cited(info.source),
        "signals": _form(info.spec),
        "latent": f"{counted(figures.latent_size, 'number')}, {figures.dtype}",
        "on disk": f"{figures.bytes / 1e6:,.1f} MB",
        "PSNR": _psnr(figures),
        "field": info.fingerprint,
    }
    if figures.likeness.trained_on:
        entries["field trained on"] = figures.likeness.trained_on[0]
    rows = []
    for name, split in figures.splits.items():
        counts = (f"{split.signals:,}", f"{split.left_out:,}", _most(split.labels))
        rows.append((name, *counts, report.first_ids[name]))
    header = ("split", "signals", "left out", "classes", "first id")
    lines = [facts(entries), table(header, rows)]
    lines += [f"! {remark}" for remark in figures.likeness.remarks]
    return "\n".join(lines)


def _cited(info: SourceInfo) -> dict[str, str]:
    if not info.citation:
        return {}
    return {"citation": info.citation}


def _psnr(figures: Figures) -> str:
    if figures.psnr_mean is None:
        return "not known: imported without the signals"
    return (
        f"mean {figures.psnr_mean:.2f} dB, median {figures.psnr_median:.2f} dB, worst "
        f"{figures.psnr_worst:.2f} dB"
    )


def _form(spec: SignalSpec) -> str:
    channels = f"{spec.channels} channels" if spec.channels > 1 else "1 channel"
    parts = [f"{spec.dim}D", channels, spec.modality, spec.task]
    return ", ".join(filter(None, parts))


def _range(tally: SplitTally) -> str:
    if tally.low is None or tally.high is None:
        return ""
    return f"{tally.low:.4g} to {tally.high:.4g}"


def _extent(extent: Sequence[tuple[int, int]]) -> str:
    sides = []
    for low, high in extent:
        sides.append(str(low) if low == high else f"{low}-{high}")
    return " x ".join(sides)


def _most(counts: Mapping[str, int]) -> str:
    """The few most frequent ones with their counts; a single one without."""
    shown = list(counts.items())[:4]
    if len(shown) < 2:
        return "".join(counts)
    text = ", ".join(f"{name} ({count:,})" for name, count in shown)
    if len(counts) > len(shown):
        text += ", ..."
    return text
