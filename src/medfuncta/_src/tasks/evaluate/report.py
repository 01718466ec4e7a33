"""An evaluation as files: numbers for programs, pictures and a page for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from medfuncta._src.disk.atomic import write_atomically, write_json, write_text
from medfuncta._src.disk.places import place
from medfuncta._src.door.wording import counted
from medfuncta._src.latents.likeness import Likeness
from medfuncta._src.signals.psnr import BEST_PSNR
from medfuncta._src.tasks.drawing.figure import class_names, png, with_unit
from medfuncta._src.tasks.drawing.page import Page
from medfuncta._src.tasks.evaluate.evaluation import Evaluation
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, Summary, ranked
from medfuncta._src.tasks.evaluate.pictures import (
    curve_picture,
    psnr_picture,
    reconstruction_picture,
)

_COLUMNS = ("id", "label", "points", "psnr", "ssim", "mse", "mae", "max_error")


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write ``report.json``, ``signals.csv``, ``report.html`` and, unless every signal failed,
    ``reconstructions.png``."""
    write_json(folder / "report.json", evaluation.to_json())
    write_text(folder / "signals.csv", _signals_table(evaluation))
    picture = None
    if evaluation.examples:
        picture = png(reconstruction_picture(evaluation.examples))
        write_atomically(
            folder / "reconstructions.png", lambda temporary: temporary.write_bytes(picture)
        )
    curve = None
    if _has_curve(evaluation):
        curve = png(curve_picture(evaluation.baselines, evaluation.fields))
        write_atomically(folder / "curve.png", lambda temporary: temporary.write_bytes(curve))
    _report_page(evaluation, picture, curve).save(place(folder, "report.html"))


def _has_curve(evaluation: Evaluation) -> bool:
    """Whether there is anything over the numbers stored."""
    return evaluation.baselines is not None or len(evaluation.fields) > 1


def _signals_table(evaluation: Evaluation) -> str:
    """CSV with a row a signal. What is not defined is blank, all metrics of a failed signal
    included."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for m in evaluation.signals:
        label = ";".join(class_names(m.label, evaluation.spec.label_names))
        numbers = (m.psnr, m.ssim, m.mse, m.mae, m.max_error)
        if m.failed:
            numbers = (None,) * 5
        rows.writerow((m.id, label, m.points, *numbers))
    return text.getvalue()


def _report_page(evaluation: Evaluation, picture: bytes | None, curve: bytes | None) -> Page:
    """The evaluation for a person, with the PNGs of its examples and of the curve over numbers."""
    summary, unit = evaluation.summary, evaluation.spec.unit
    page = Page(
        f"Reconstruction of {evaluation.source.name}",
        f"{counted(summary.signals, 'signal')} of the {evaluation.split} split",
    )
    for remark in evaluation.remarks:
        page.text(f"Remark: {remark}.")
    page.tiles(key_figures(summary, unit))
    if summary.failed:
        page.text(
            f"{summary.failed} signals have no finite reconstruction; no figure here contains them."
        )
    if summary.exact:
        page.text(
            f"{summary.exact} signals are reproduced exactly; they count with {BEST_PSNR:.0f} dB."
        )
    if picture is not None:
        page.picture(
            picture,
            "The best, the median and the worst signal: original, reconstruction, and "
            "reconstruction minus original.",
        )
    if summary.psnr.count > 1:
        page.picture(
            png(psnr_picture(evaluation.signals)), "Signals by PSNR; the line is the median."
        )
    if curve is not None:
        _add_curve(page, evaluation, curve)
    if evaluation.by_class:
        page.heading("By class")
        page.table(*_without_blank_columns(*_class_table(evaluation)))
    worst = ranked(evaluation.signals)[: len(summary.worst)]
    page.heading(f"The {len(worst)} worst")
    page.table(*_without_blank_columns(*_worst_table(worst, unit)))
    if evaluation.likeness is not None and evaluation.likeness.traits:
        page.heading("Beside what the network was trained on")
        page.table(*likeness_table(evaluation.likeness))
    page.heading("Where this comes from")
    page.facts(_provenance(evaluation))
    if evaluation.skipped:
        page.heading("Left out")
        page.facts({entry.name: entry.reason for entry in evaluation.skipped})
    return page


def _add_curve(page: Page, evaluation: Evaluation, curve: bytes) -> None:
    page.heading("What so many numbers a signal are worth")
    page.table(*curve_table(evaluation))
    words = "Mean PSNR over the numbers stored a signal."
    if evaluation.baselines is not None and evaluation.baselines.training_signals:
        words += (
            " The principal components are those of "
            f"{evaluation.baselines.training_signals:,} training signals."
        )
    if evaluation.gap:
        words += f" {evaluation.gap[0].upper()}{evaluation.gap[1:]}."
    page.picture(curve, words)


def curve_table(evaluation: Evaluation) -> tuple[Sequence[str], list[Sequence[str]]]:
    """A row for each shared network, beside what needs none with as many numbers."""
    baselines, latent_size = evaluation.baselines, evaluation.run.latent_size
    fields = [("this field", latent_size, evaluation.summary.psnr.mean)]
    for other in evaluation.compared:
        fields.append((other.name, other.numbers, other.psnr))
    header = ["mean PSNR (dB)", "numbers a signal", "field"]
    if baselines is not None:
        header += ["lowest cosines", "principal components"]
    rows = []
    for name, numbers, psnr in sorted(fields, key=lambda field: field[1]):
        row = [name, f"{numbers:,}", number(psnr, 2)]
        point = None
        if baselines is not None:
            point = baselines.at(numbers)
        if point is not None:
            row += [number(point.cosines, 2), number(point.components, 2)]
        rows.append(row)
    return header, rows


def likeness_table(likeness: Likeness) -> tuple[Sequence[str], list[Sequence[str]]]:
    """The data beside that of training, trait by trait."""
    rows = []
    for trait in likeness.traits:
        rows.append((trait.name, trait.trained, trait.here, "differs" if trait.differs else ""))
    return ("", "trained on", "this data", ""), rows


def key_figures(summary: Summary, unit: str) -> dict[str, str]:
    """What a person asks first, name and text."""
    figures = {
        "mean PSNR": number(summary.psnr.mean, 2, " dB"),
        "median PSNR": number(summary.psnr.median, 2, " dB"),
    }
    if summary.ssim.count:
        figures["mean SSIM"] = number(summary.ssim.mean, 4)
    figures["mean absolute error"] = _significant(summary.mae.mean, unit)
    figures["signals"] = f"{summary.signals:,}"
    return figures


def number(value: float | None, digits: int, unit: str = "") -> str:
    """A number with so many decimals, or a dash."""
    if value is None:
        return "–"
    return f"{value:.{digits}f}{unit}"


def _significant(value: float | None, unit: str = "") -> str:
    """A number to three digits, or a dash."""
    if value is None:
        return "–"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"
    return f"{digits} {unit}".strip()


_Rows = Sequence[Sequence[str]]


def _class_table(evaluation: Evaluation) -> tuple[Sequence[str], _Rows]:
    header = (
        "class",
        "signals",
        "PSNR (dB)",
        "± std",
        "SSIM",
        with_unit("MAE", evaluation.spec.unit),
    )
    rows = []
    for name, s in evaluation.by_class.items():
        psnr, std = number(s.psnr.mean, 2), number(s.psnr.std, 2)
        ssim, mae = number(s.ssim.mean, 4), _significant(s.mae.mean)
        rows.append((name, f"{s.signals:,}", psnr, std, ssim, mae))
    return header, rows


def _worst_table(worst: Iterable[SignalMetrics], unit: str) -> tuple[Sequence[str], _Rows]:
    header = (
        "signal",
        "PSNR (dB)",
        "SSIM",
        with_unit("MAE", unit),
        with_unit("largest error", unit),
    )
    return header, list(map(_row, worst))


def _row(m: SignalMetrics) -> Sequence[str]:
    if m.failed:
        return (m.id, "failed", "–", "–", "–")
    psnr = "exact" if m.exact else f"{m.psnr:.2f}"
    return (m.id, psnr, number(m.ssim, 4), _significant(m.mae), _significant(m.max_error))


def _without_blank_columns(header: Sequence[str], rows: _Rows) -> tuple[Sequence[str], _Rows]:
    """Leave out the columns that say nothing in any row, such as the SSIM of traces."""
    columns = [column for column in zip(header, *rows, strict=True) if set(column[1:]) != {"–"}]
    header, *rows = zip(*columns, strict=True)
    return header, rows


def _provenance(evaluation: Evaluation) -> dict[str, str]:
    source, run = evaluation.source, evaluation.run
    return {
        "data": source.name,
        "licence": source.licence,
        "splits kept apart by": source.split_by,
        "shared network": f"{run.fingerprint}, {run.parameters:,} parameters",
        "trained on": str(run.training.get("source", "not known")),
        "latent": f"{counted(run.latent_size, 'number')} a signal",
        "fit": str(evaluation.fit.plan),
        "time": f"{evaluation.seconds:.1f} s",
    }
