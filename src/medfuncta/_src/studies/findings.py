"""What a study found: methods compared signal by signal, as numbers, as a table, and as files."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from medfuncta._src.disk.atomic import write_atomically, write_json, write_text
from medfuncta._src.disk.places import place
from medfuncta._src.door.wording import counted
from medfuncta._src.result import Result
from medfuncta._src.tasks.drawing.figure import png
from medfuncta._src.tasks.drawing.page import Page
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, Summary, summarise
from medfuncta._src.tasks.evaluate.report import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEADER: Final = ("condition", "method", "signals", "mean PSNR (dB)", "median", "± std", "best on")
_SIGNAL_COLUMNS: Final = ("condition", "method", "id", "points", "psnr", "mse", "mae", "max_error")


@dataclass(frozen=True)
class MethodResult(Result):
    """What one method reached in a trial.

    Args:
        summary: Statistics over signals.
        best_on: On how many signals it has the highest PSNR; a tie is nobody's.
    """

    summary: Summary
    best_on: int

    def psnr_cells(self) -> tuple[str, str, str]:
        """Mean, median and standard deviation of the PSNR as text."""
        psnr = self.summary.psnr
        return number(psnr.mean, 2), number(psnr.median, 2), number(psnr.std, 2)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.summary.to_json(), "best_on": self.best_on}


@dataclass(frozen=True, eq=False)
class Trial(Result):
    """Methods compared under one condition on the same signals.

    Args:
        condition: What was done to the signals.
        metrics: By method, one entry a signal, in one order.
    """

    json_keys: ClassVar = ("condition", "verdict", "methods")

    condition: str
    metrics: Mapping[str, Sequence[SignalMetrics]]

    @property
    def signals(self) -> int:
        """How many were restored by every method."""
        return len(next(iter(self.metrics.values())))

    @property
    def methods(self) -> dict[str, MethodResult]:
        """What each reached."""
        wins = self.wins
        methods = {}
        for method, metrics in self.metrics.items():
            methods[method] = MethodResult(summarise(metrics), wins[method])
        return methods

    @property
    def wins(self) -> Counter[str]:
        """On how many signals each method has the highest PSNR; a tie is nobody's."""
        wins = Counter(dict.fromkeys(self.metrics, 0))
        for row in zip(*self.metrics.values(), strict=True):
            psnrs = [-math.inf if m.failed else m.psnr for m in row]
            highest = max(psnrs)
            if psnrs.count(highest) == 1:
                wins[list(self.metrics)[psnrs.index(highest)]] += 1
        return wins

    @property
    def verdict(self) -> str:
        """Who wins, in a sentence."""
        ranked = sorted(self.methods.items(), key=lambda item: -_mean_psnr(item[1]))
        (best, result), *others = ranked
        behind = ", ".join(f"{method} {_decibels(other)}" for method, other in others)
        return (
            f"{self.condition}: {best} is best with {_decibels(result)} on average ({behind}), "
            f"and on {result.best_on} of {counted(result.summary.signals, 'signal')}"
        )

    def rows(self) -> Iterable[tuple[str, ...]]:
        """Cells under :data:`_HEADER`, a row a method."""
        for method, result in self.methods.items():
            signals, best_on = f"{result.summary.signals:,}", f"{result.best_on:,}"
            yield (self.condition, method, signals, *result.psnr_cells(), best_on)


def _mean_psnr(result: MethodResult) -> float:
    mean = result.summary.psnr.mean
    return -math.inf if mean is None else mean


def _decibels(result: MethodResult) -> str:
    return number(result.summary.psnr.mean, 2, " dB")


@dataclass(frozen=True, eq=False)
class Findings(Result):
    """The result of a study.

    Args:
        title: What was asked.
        explanation: How it was measured, and what is not fair about it.
        facts: Data, network and settings by name.
        trials: One a condition.
        picture: For a person.
    """

    json_keys: ClassVar = ("title", "explanation", "facts", "trials")

    title: str
    explanation: str
    facts: Mapping[str, str]
    trials: Sequence[Trial]
    picture: Figure = field(repr=False)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """All trials as cells under :data:`_HEADER`."""
        return [row for trial in self.trials for row in trial.rows()]


def write_findings(findings: Findings, folder: Path) -> None:
    """Write ``report.json``, ``table.csv``, ``signals.csv``, ``picture.png`` and
    ``report.html``."""
    picture = png(findings.picture)
    write_json(folder / "report.json", findings.to_json())
    write_text(folder / "table.csv", _csv([_HEADER, *findings.rows]))
    write_text(folder / "signals.csv", _csv([_SIGNAL_COLUMNS, *_signal_rows(findings.trials)]))
    write_atomically(folder / "picture.png", lambda temporary: temporary.write_bytes(picture))
    page = Page(findings.title).text(findings.explanation)
    for trial in findings.trials:
        page.text(f"{trial.verdict}.")
    page.table(_HEADER, findings.rows).picture(picture, findings.title)
    page.heading("Where this comes from").facts(findings.facts)
    page.save(place(folder, "report.html"))


def _signal_rows(trials: Iterable[Trial]) -> Iterable[tuple[object, ...]]:
    for trial in trials:
        for method, metrics in trial.metrics.items():
            for m in metrics:
                numbers = (m.psnr, m.mse, m.mae, m.max_error)
                if m.failed:
                    numbers = (None,) * 4
                yield (trial.condition, method, m.id, m.points, *numbers)


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
