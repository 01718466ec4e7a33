"""All studies of cells as one report: a page, a PDF, Markdown and numbers."""

from __future__ import annotations

import io
import os
import platform
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import torch

from medfuncta._src.disk.atomic import write_atomically, write_json, write_text
from medfuncta._src.disk.places import place
from medfuncta._src.errors import ConfigError
from medfuncta._src.result import Result
from medfuncta._src.studies.ablation import Ablation
from medfuncta._src.studies.cells import CellFiles
from medfuncta._src.studies.forecast import Forecast, Progress
from medfuncta._src.studies.outcome import (
    CONFIRMED,
    NOT_CONFIRMED,
    NOT_TESTABLE,
    Outcome,
    add_to_page,
    as_markdown,
    literal,
    write_outcome,
)
from medfuncta._src.studies.plan import Plan
from medfuncta._src.studies.runner import CellsFailed
from medfuncta._src.studies.study import STUDIES, StudyOptions, ablation
from medfuncta._src.tasks.drawing.figure import new_figure
from medfuncta._src.tasks.drawing.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PACKAGES: Final = ("medfuncta", "torch", "numpy", "scikit-learn")
_PAGE: Final = (8.27, 11.69)
"""Inches of a page of A4."""
_LINE: Final = 96
"""Characters of a line of it."""
_LINES: Final = 62
TITLE: Final = "What the paper's experiments show here"


@dataclass(frozen=True, eq=False)
class Report(Result):
    """All studies of cells.

    Args:
        studies: What each found, by its name.
        machine: What they were done on.
        unfinished: Names of studies that were left out.
    """

    json_keys: ClassVar = ("verdicts", "machine", "unfinished", "studies")

    studies: Mapping[str, Outcome]
    machine: Mapping[str, str]
    unfinished: tuple[str, ...] = ()

    @property
    def verdicts(self) -> dict[str, int]:
        """How many claims had each verdict."""
        counts = Counter(claim.verdict for one in self.studies.values() for claim in one.claims)
        return {verdict: counts[verdict] for verdict in (CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE)}

    @property
    def facts(self) -> dict[str, str]:
        """The machine, and what is missing from the report."""
        if not self.unfinished:
            return dict(self.machine)
        return {**self.machine, "not finished": ", ".join(self.unfinished)}

    @property
    def claim_rows(self) -> list[tuple[str, str, str, str]]:
        """Study, claim, who claims it, and what became of it."""
        rows = []
        for name, outcome in self.studies.items():
            for claim in outcome.claims:
                rows.append((name, claim.claim, claim.by, claim.verdict))
        return rows


def report(options: StudyOptions) -> Report:
    """Do all studies of cells, each in a folder of its own; finished cells are only read.

    Raises:
        ConfigError: If there is no folder for them.
        MedFunctaError: As the studies.
    """
    if options.out is None:
        raise ConfigError(
            "a report needs a folder; give --out, the one of an earlier report or new"
        )
    names = [name for name, row in STUDIES.items() if row.cells]
    if options.collect:
        return _collected(names, options)
    overall = _overall(names, options)
    found: dict[str, Outcome] = {}
    failed = []
    for number, name in enumerate(names, start=1):
        options.tell(f"{name}, study {number} of {len(names)}")
        own = replace(options, out=place(options.out, name))
        try:
            found[name] = _written(_ablation(name).run(own, overall), own)
        except CellsFailed as failure:
            failed.append(name)
            options.tell(f"{name}: {failure}")
    if failed:
        raise CellsFailed(
            f"{', '.join(failed)}: not all cells could be measured; the others are kept; start the "
            "same command again, with fewer --workers or more memory, or collect what there is "
            "with --collect"
        )
    return Report(found, machine_facts(options))


def _collected(names: Sequence[str], options: StudyOptions) -> Report:
    """The studies that are finished, each with as many of its seeds as are."""
    assert options.out is not None
    found: dict[str, Outcome] = {}
    plan = Plan.of(options)
    for name in names:
        study, own = _ablation(name), replace(options, out=place(options.out, name))
        files = CellFiles(own.out, study.kind)
        for count in range(len(plan.seeds), 0, -1):
            part = replace(plan, seeds=plan.seeds[:count])
            if all(files.get(study.cell(row)) is not None for row in study.rows(part)):
                found[name] = _written(study.done(part, files, own), own)
                break
    if not found:
        raise ConfigError(
            "no study is finished there with these settings; give --data, --data-folder, --steps, "
            "--limit, --scale and --seed as it was begun with, leave out --collect, or give "
            "another --out"
        )
    unfinished = tuple(name for name in names if name not in found)
    return Report(found, machine_facts(options), unfinished)


def _ablation(name: str) -> Ablation:
    return cast(Ablation, ablation(name))


def _written(outcome: Outcome, options: StudyOptions) -> Outcome:
    assert options.out is not None
    write_outcome(outcome, options.out)
    return outcome


def _overall(names: Sequence[str], options: StudyOptions) -> Progress:
    """The cells of all studies that are still to be measured."""
    assert options.out is not None
    forecast, todo = Forecast(), []
    for name in names:
        study = _ablation(name)
        files = CellFiles(place(options.out, name), study.kind)
        for row in study.rows(Plan.of(options)):
            cell = study.cell(row)
            if files.get(cell) is None:
                todo.append(cell)
            else:
                forecast.learn(cell, files.seconds(cell))
    return Progress(todo, forecast)


def machine_facts(options: StudyOptions) -> dict[str, str]:
    """What the studies are done on, and with."""
    facts = {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "device": str(options.device or "cpu"),
        "threads": f"{torch.get_num_threads()}, cells side by side: {options.workers}",
        "Python": platform.python_version(),
    }
    for name in _PACKAGES:
        facts[name] = version(name)
    return facts


def _processor() -> str:
    """The name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def write_report(found: Report, folder: Path) -> None:
    """Write ``report.html``, ``report.pdf``, ``report.md`` and ``report.json``."""
    write_json(folder / "report.json", found.to_json())
    page = Page(TITLE)
    page.tiles({verdict: str(count) for verdict, count in found.verdicts.items()})
    page.facts(found.facts)
    page.table(("study", "claim", "by", "verdict"), found.claim_rows)
    for outcome in found.studies.values():
        page.heading(outcome.title)
        add_to_page(outcome, page)
    page.save(place(folder, "report.html"))
    write_text(place(folder, "report.md"), "\n".join(markdown(found)) + "\n")
    data = _pdf(found)
    write_atomically(place(folder, "report.pdf"), lambda temporary: temporary.write_bytes(data))


def markdown(found: Report, pictures: str = "{study}/") -> list[str]:
    """The report as lines of Markdown.

    Args:
        found: What.
        pictures: What stands before the name of a figure in its address, by the study.
    """
    lines = [f"# {TITLE}", "", "| study | claim | by | verdict |", "|---|---|---|---|"]
    for row in found.claim_rows:
        lines.append(f"| {' | '.join(map(literal, row))} |")
    machine = [f"{name}: {literal(fact)}" for name, fact in found.facts.items()]
    lines += ["", "; ".join(machine), ""]
    for name, outcome in found.studies.items():
        lines += as_markdown(outcome, pictures.format(study=name))
    return lines


def _pdf(found: Report) -> bytes:
    """Pages of text, and each figure on a page of its own."""
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    metadata: Any = {"Title": TITLE, "CreationDate": None}
    with PdfPages(buffer, metadata=metadata) as pages:
        for figure in _text_pages([TITLE, "", *_summary_lines(found)]):
            pages.savefig(figure)
        for outcome in found.studies.values():
            for figure in _text_pages(_outcome_lines(outcome)):
                pages.savefig(figure)
            for figure in outcome.figures.values():
                pages.savefig(figure)
    return buffer.getvalue()


def _summary_lines(found: Report) -> list[str]:
    lines = [f"{verdict}: {count}" for verdict, count in found.verdicts.items()]
    lines += ["", *(f"{name}: {fact}" for name, fact in found.facts.items()), ""]
    for name, claim, by, verdict in found.claim_rows:
        lines += [f"{verdict.upper()} [{name}] {claim} ({by})"]
    return lines


def _outcome_lines(outcome: Outcome) -> list[str]:
    lines = [outcome.title, "", outcome.explanation, ""]
    for claim in outcome.claims:
        lines += [f"{claim.verdict.upper()}: {claim.claim} ({claim.by}). {claim.because}", ""]
    for table in outcome.tables:
        lines += [table.title, *_columns([table.header, *table.rows]), ""]
    for name, caption in outcome.captions.items():
        lines += [f"Figure {name}: {caption}"]
    return lines + [""] + [f"{name}: {fact}" for name, fact in outcome.facts.items()]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows whose columns stand below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines


def _text_pages(lines: Sequence[str]) -> list[Figure]:
    """Lines of text on as many pages as they take; the first is their title."""
    title, *rest = lines
    wrapped: list[str] = []
    for line in rest:
        wrapped += textwrap.wrap(line, _LINE, subsequent_indent="  ", drop_whitespace=False) or [""]
    figures = []
    for first in range(0, max(1, len(wrapped)), _LINES):
        with new_figure(*_PAGE) as figure:
            figure.set_layout_engine("none")
            figure.text(0.08, 0.95, title, fontsize=13, weight="bold")
            for number, line in enumerate(wrapped[first : first + _LINES]):
                height = 0.92 - 0.0142 * number
                figure.text(0.08, height, line, fontsize=7, family="monospace")
        figures.append(figure)
    return figures
