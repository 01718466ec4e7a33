"""The course of a training run as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medfuncta._src.errors import RunError
from medfuncta._src.learning.run_log import read_log
from medfuncta._src.tasks.drawing.figure import ACCENT, INK, MUTED, SECOND, new_figure, plain_powers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curve_picture(metrics_csv: Path) -> Figure:
    """Validation and training PSNR over meta-steps, and the loss below with the learning rate.

    Args:
        metrics_csv: A run's ``metrics.csv`` with the columns ``step``, ``seconds``, ``loss``,
            ``learning_rate``, ``gradient_norm``, ``train_psnr`` and ``val_psnr``; a cell may be
            empty.

    Raises:
        RunError: If the file is missing, empty or lacks the columns ``step`` and ``loss``.
    """
    columns = _read(metrics_csv)
    with new_figure(9.0, 5.2) as figure:
        quality, loss = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        faint = {"color": MUTED, "linewidth": 0.8, "alpha": 0.7}
        strong = {"color": ACCENT, "linewidth": 1.6, "marker": "o", "markersize": 3.5}
        _draw(quality, columns, "train_psnr", label="training", **faint)
        _draw(quality, columns, "val_psnr", label="validation", **strong)
        _mark_best(quality, columns)
        quality.set_ylabel("PSNR (dB)")
        if quality.lines:
            quality.legend(loc="lower right")
        _draw(loss, columns, "loss", color=INK, linewidth=1.0)
        loss.set_ylabel("loss", color=INK)
        loss.set_xlabel(_step_label(columns))
        if all(value > 0 for _, value in columns.get("loss", ())):
            loss.set_yscale("log")
            plain_powers(loss.yaxis)
        rate = loss.twinx()
        _draw(rate, columns, "learning_rate", color=SECOND, linewidth=1.0, linestyle="--")
        rate.set_ylabel("learning rate", color=SECOND)
        rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        rate.set_ylim(bottom=0)
    return figure


def _read(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Each column as pairs of step and value; empty cells and those of diverged steps are left
    out."""
    table = read_log(path)
    try:
        rows = [dict(zip(table[0], row, strict=True)) for row in table[1:] if row]
        columns: dict[str, list[tuple[float, float]]] = {name: [] for name in rows[0]}
        for row in rows:
            for name, column in columns.items():
                if _finite(row[name]):
                    column.append((float(row["step"]), float(row[name])))
        if not columns["loss"]:
            raise KeyError("loss")
    except (IndexError, KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"{path.name} is not a training log; expected the columns step and loss, and numbers "
            "in them"
        ) from error
    return columns


def _finite(cell: str) -> bool:
    return bool(cell) and math.isfinite(float(cell))


def _draw(
    axes: Axes, columns: Mapping[str, Sequence[tuple[float, float]]], name: str, **style: object
) -> None:
    if columns.get(name):
        steps, values = zip(*columns[name], strict=True)
        axes.plot(steps, values, **style)  # type: ignore[arg-type]


def _mark_best(axes: Axes, columns: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    if not columns.get("val_psnr"):
        return
    step, best = max(columns["val_psnr"], key=lambda pair: pair[1])
    axes.axhline(best, color=ACCENT, linewidth=0.6, linestyle=":")
    axes.annotate(
        f"best {best:.2f} dB at step {step:.0f}",
        (0, best),
        (4, 4),
        ("axes fraction", "data"),
        "offset points",
        color=ACCENT,
        fontsize=8,
    )


def _step_label(columns: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    if not columns.get("seconds"):
        return "meta-step"
    return f"meta-step ({columns['seconds'][-1][1] / 60:.1f} minutes in all)"
