"""An evaluation as files: numbers for programs, pictures and a page for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medfuncta.atomic import write_json, write_text
from medfuncta.tasks.evaluate import Evaluation
from medfuncta.tasks.figure import png, save_png
from medfuncta.tasks.labels import class_names
from medfuncta.tasks.metrics import SignalMetrics, Summary, ranked
from medfuncta.tasks.page import Page
from medfuncta.tasks.pictures import psnr_picture, reconstruction_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = ("id", "label", "points", "psnr", "ssim", "mse", "mae", "max_error")


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write ``report.json``, ``signals.csv``, ``report.html`` and, unless every signal failed, ``reconstructions.png``."""
    write_json(folder / "report.json", evaluation.to_dict())
    write_text(folder / "signals.csv", signals_table(evaluation))
    pictures = []
    if evaluation.examples:
        picture = reconstruction_picture(evaluation.examples)
        save_png(picture, folder / "reconstructions.png")
        pictures.append(picture)
    report_page(evaluation, pictures).save(folder / "report.html")


def signals_table(evaluation: Evaluation) -> str:
    """CSV with a row a signal. ``psnr`` is ``inf`` when exact; what is not defined is blank, all metrics of a failed signal included."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for m in evaluation.signals:
        label = ";".join(class_names(m.label, evaluation.spec.label_names))
        numbers = (None,) * 5 if m.failed else (m.psnr, m.ssim, m.mse, m.mae, m.max_error)
        rows.writerow((m.id, label, m.points, *numbers))
    return text.getvalue()


def report_page(evaluation: Evaluation, pictures: Iterable[Figure]) -> Page:
    """The evaluation for a person."""
    summary, unit = evaluation.summary, evaluation.spec.unit
    page = Page(f"Reconstruction of {evaluation.source.name}", f"{summary.signals:,} signals of the {evaluation.split} split")
    page.tiles(key_figures(summary, unit))
    if summary.failed:
        page.text(f"{summary.failed} signals have no finite reconstruction; no figure here contains them.")
    if summary.exact:
        page.text(f"{summary.exact} signals are reproduced exactly; their infinite PSNR is left out of its statistics.")
    for picture in pictures:
        page.picture(
            png(picture), "The best, the median and the worst signal: original, reconstruction, and reconstruction minus original."
        )
    if summary.psnr.count > 1:
        page.picture(png(psnr_picture(evaluation.signals)), "Signals by PSNR; the line is the median.")
    if evaluation.by_class:
        page.heading("By class")
        page.table(*_class_table(evaluation))
    page.heading("The ten worst")
    worst = ranked(evaluation.signals)[: len(summary.worst)]
    page.table(("signal", "PSNR (dB)", "SSIM", f"MAE{_in(unit)}", f"largest error{_in(unit)}"), [_row(m) for m in worst])
    page.heading("Where this comes from")
    return page.table(("", ""), _provenance(evaluation))


def key_figures(summary: Summary, unit: str) -> dict[str, str]:
    """What a person asks first, name and text."""
    figures = {"mean PSNR": number(summary.psnr.mean, 2, " dB"), "median PSNR": number(summary.psnr.median, 2, " dB")}
    if summary.ssim.count:
        figures["mean SSIM"] = number(summary.ssim.mean, 4)
    return {**figures, "mean absolute error": significant(summary.mae.mean, unit), "signals": f"{summary.signals:,}"}


def number(value: float | None, digits: int, unit: str = "") -> str:
    """A number with so many decimals, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def significant(value: float | None, unit: str = "") -> str:
    """A number to three digits, or a dash."""
    return "–" if value is None else f"{value:.3g} {unit}".strip()


def _class_table(evaluation: Evaluation) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    header = ("class", "signals", "PSNR (dB)", "± std", "SSIM", f"MAE{_in(evaluation.spec.unit)}")
    rows = [
        (name, f"{s.signals:,}", number(s.psnr.mean, 2), number(s.psnr.std, 2), number(s.ssim.mean, 4), significant(s.mae.mean))
        for name, s in evaluation.by_class.items()
    ]
    return header, rows


def _row(m: SignalMetrics) -> Sequence[str]:
    if m.failed:
        return (m.id, "failed", "–", "–", "–")
    return (m.id, "exact" if m.exact else f"{m.psnr:.2f}", number(m.ssim, 4), significant(m.mae), significant(m.max_error))


def _provenance(evaluation: Evaluation) -> list[Sequence[str]]:
    source, run = evaluation.source, evaluation.run
    rows = [
        ("data", source.name),
        ("licence", source.licence),
        ("splits kept apart by", source.split_by),
        ("shared network", f"{run['fingerprint']}, {run['parameters']:,} parameters"),
        ("latent", f"{run['latent_size']:,} numbers a signal"),
        ("fit", f"{evaluation.fit.steps} inner steps"),
        ("time", f"{evaluation.seconds:.1f} s"),
    ]
    return [*rows, *(("left out", f"{entry.name}: {entry.reason}") for entry in evaluation.skipped)]


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""
