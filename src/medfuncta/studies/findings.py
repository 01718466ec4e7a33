"""What a study found: methods compared signal by signal, as numbers, as a table, and as files."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medfuncta.atomic import write_atomically, write_json, write_text
from medfuncta.tasks.drawing.figure import png
from medfuncta.tasks.drawing.page import Page
from medfuncta.tasks.evaluate.metrics import SignalMetrics, Summary, summarise
from medfuncta.tasks.evaluate.report import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADER: Final = ("condition", "method", "signals", "mean PSNR (dB)", "median", "± std", "best on")
_SIGNAL_COLUMNS: Final = ("condition", "method", "id", "points", "psnr", "mse", "mae", "max_error")


@dataclass(frozen=True, eq=False)
class Trial:
    """Methods compared under one condition on the same signals.

    Args:
        condition: What was done to the signals.
        metrics: By method, one entry a signal, in one order.
    """

    condition: str
    metrics: Mapping[str, Sequence[SignalMetrics]]

    @property
    def summaries(self) -> dict[str, Summary]:
        """Statistics over signals by method."""
        return {method: summarise(metrics) for method, metrics in self.metrics.items()}

    @property
    def wins(self) -> Counter[str]:
        """On how many signals each method has the highest PSNR; a tie is nobody's."""
        wins = Counter(dict.fromkeys(self.metrics, 0))
        for row in zip(*self.metrics.values(), strict=True):
            psnrs = [-math.inf if m.failed else m.psnr for m in row]
            if psnrs.count(max(psnrs)) == 1:
                wins[list(self.metrics)[psnrs.index(max(psnrs))]] += 1
        return wins

    @property
    def verdict(self) -> str:
        """Who wins, in a sentence."""
        ranked = sorted(
            self.summaries.items(),
            key=lambda item: -math.inf if item[1].psnr.mean is None else item[1].psnr.mean,
            reverse=True,
        )
        (best, summary), *others = ranked
        behind = ", ".join(f"{method} {number(s.psnr.mean, 2, ' dB')}" for method, s in others)
        first = f"{best} is best with {number(summary.psnr.mean, 2, ' dB')} on average"
        return f"{self.condition}: {first} ({behind}), and on {self.wins[best]} of {summary.signals} signals"

    def rows(self) -> Iterable[tuple[str, ...]]:
        """Cells under :data:`HEADER`, a row a method."""
        for method, summary in self.summaries.items():
            psnr = summary.psnr
            numbers = (number(psnr.mean, 2), number(psnr.median, 2), number(psnr.std, 2))
            yield (
                self.condition,
                method,
                f"{summary.signals:,}",
                *numbers,
                f"{self.wins[method]:,}",
            )


@dataclass(frozen=True, eq=False)
class Findings:
    """The result of a study.

    Args:
        title: What was asked.
        explanation: How it was measured, and what is not fair about it.
        facts: Data, network and settings by name.
        trials: One a condition.
        picture: For a person.
    """

    title: str
    explanation: str
    facts: Mapping[str, str]
    trials: Sequence[Trial]
    picture: Figure = field(repr=False)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """All trials as cells under :data:`HEADER`."""
        return [row for trial in self.trials for row in trial.rows()]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single signals, ready for JSON."""
        return {
            "title": self.title,
            "explanation": self.explanation,
            "facts": dict(self.facts),
            "trials": [
                {
                    "condition": trial.condition,
                    "verdict": trial.verdict,
                    "methods": {
                        m: {**s.to_dict(), "best_on": trial.wins[m]}
                        for m, s in trial.summaries.items()
                    },
                }
                for trial in self.trials
            ],
        }


def write_findings(findings: Findings, folder: Path) -> None:
    """Write ``report.json``, ``table.csv``, ``signals.csv``, ``picture.png`` and
    ``report.html``."""
    picture = png(findings.picture)
    write_json(folder / "report.json", findings.to_dict())
    write_text(folder / "table.csv", _csv([HEADER, *findings.rows]))
    write_text(folder / "signals.csv", _csv([_SIGNAL_COLUMNS, *_signal_rows(findings.trials)]))
    write_atomically(folder / "picture.png", lambda path: path.write_bytes(picture))
    page = Page(findings.title).text(findings.explanation)
    for trial in findings.trials:
        page.text(f"{trial.verdict}.")
    page.table(HEADER, findings.rows).picture(picture, findings.title).heading(
        "Where this comes from"
    ).facts(findings.facts)
    page.save(folder / "report.html")


def _signal_rows(trials: Iterable[Trial]) -> Iterable[tuple[object, ...]]:
    for trial in trials:
        for method, metrics in trial.metrics.items():
            for m in metrics:
                numbers = (None,) * 4 if m.failed else (m.psnr, m.mse, m.mae, m.max_error)
                yield (trial.condition, method, m.id, m.points, *numbers)


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
