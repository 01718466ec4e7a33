"""The comparison as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy import ndarray

from medfuncta._src.tasks.classify.comparison import ClassifierReport, Comparison
from medfuncta._src.tasks.classify.metrics import METRICS
from medfuncta._src.tasks.drawing.figure import (
    HAIRLINE,
    INK,
    MUTED,
    caption,
    clear_frame,
    new_figure,
    plain_powers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_COLOURS: Final = (
    *("#2a7f9e", "#d1495b", "#e8b04a", "#5b8c5a", "#7d5ba6", "#7b8794"),
    *("#8cc7dc", "#eba3ac", "#8a6414", "#a9cfa8", "#c3aee0", "#3d4650"),
)
_WIDTH: Final = 10.0
_MOST_COLUMNS: Final = 6
_LETTERS: Final = 60
"""Side by side below a row of confusion matrices."""
_MOST_COUNTS: Final = 10
"""Classes up to which a confusion matrix shows its numbers."""


def comparison_picture(comparison: Comparison) -> Figure:
    """Bars of every metric with their intervals; below them the confusion matrices, and learning
    curves where a network learned."""
    reports = comparison.classifiers
    learned = any(report.trainings[0].curve for report in reports)
    rows = -(-len(reports) // _MOST_COLUMNS)
    columns = max(-(-len(reports) // rows), 3)  # a single matrix would fill the page
    heights = [3.0, rows * (_WIDTH / columns * 0.82 + 0.35)]
    if learned:
        heights.append(2.3)
    with new_figure(_WIDTH, sum(heights)) as figure:
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        _draw_bars(parts[0].subplots(), reports)
        _draw_confusions(parts[1], comparison, rows, columns)
        if learned:
            _draw_curves(parts[2].subplots(), reports, comparison.labelling.multi_label)
    return figure


def _draw_bars(axes: Axes, reports: Sequence[ClassifierReport]) -> None:
    names = list(reports[0].metrics)
    width = 0.82 / len(reports)
    for number, report in enumerate(reports):
        estimates = [report.metrics[name] for name in names]
        values = np.array([each.value for each in estimates], float)  # None becomes NaN
        low = np.array([each.low for each in estimates], float)
        high = np.array([each.high for each in estimates], float)
        places = np.arange(len(names)) + (number - (len(reports) - 1) / 2) * width
        label = f"{report.name} (cut short)" if report.cut_short else report.name
        axes.bar(places, values, width * 0.9, color=_colour(number), label=label)
        axes.vlines(places, low, high, color=INK, linewidth=1.1)
        for place, value, top in zip(places, values, high, strict=True):
            if np.isfinite(value):
                axes.annotate(
                    f"{value:.2f}".removeprefix("0"),
                    (place, np.nanmax([value, top])),
                    (0, 2),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7,
                )
    axes.set_xticks(range(len(names)), [METRICS[name] for name in names], color=INK)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.55, len(names) - 0.45)
    axes.set_ylim(0, max(1.06, axes.get_ylim()[1]))
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=HAIRLINE, linewidth=0.5)
    axes.spines["left"].set_visible(False)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=6,
        borderaxespad=0,
        handlelength=1,
        handleheight=1,
    )


def _draw_confusions(part: SubFigure, comparison: Comparison, rows: int, columns: int) -> None:
    title, aspect = "Predicted classes (columns) of each true class (rows)", "equal"
    across = comparison.labelling.names
    if comparison.labelling.multi_label:
        title, aspect = "Positives found and negatives rejected", "auto"
        across = ("found", "rejected")
    part.suptitle(f"{title}, in percent", x=0.005, ha="left", fontsize=9, color=MUTED)
    grid = part.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(comparison.classifiers) :]:
        axes.set_visible(False)
    names = comparison.labelling.names
    for number, (axes, report) in enumerate(zip(grid, comparison.classifiers, strict=False)):
        shares = _shares(report.confusion)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect=aspect)
        clear_frame(axes)
        axes.set_title(report.name, color=_colour(number), fontweight="bold")
        if len(names) <= 2 * _MOST_COUNTS:
            room = _LETTERS // columns
            _name_classes(axes, across, names, room, first=number % columns == 0)
        if len(names) <= _MOST_COUNTS:
            _write_shares(axes, shares)


def _name_classes(
    axes: Axes, across: Sequence[str], down: Sequence[str], room: int, *, first: bool
) -> None:
    """Names at the edges of a matrix; at its left only where it is the first of its row, side by
    side below it where there is room for so many letters."""
    across, down = list(map(caption, across)), list(map(caption, down))
    style = {"rotation": 40, "ha": "right"}
    if sum(map(len, across)) <= room:
        style = {"rotation": 0, "ha": "center"}
    axes.set_xticks(range(len(across)), across, **style)
    axes.set_yticks(range(len(down)), down if first else [""] * len(down))
    axes.tick_params(length=0)


def _shares(confusion: ndarray) -> ndarray:
    """Each row as shares of its true class; for a multi-label task ``[labels, 2]``: positives
    found, negatives rejected."""
    whole = confusion.sum(axis=-1, keepdims=True)
    shares = np.divide(confusion, whole, out=np.full(confusion.shape, np.nan), where=whole > 0)
    if confusion.ndim == 3:
        return np.stack([shares[:, 1, 1], shares[:, 0, 0]], axis=1)
    return shares


def _write_shares(axes: Axes, shares: ndarray) -> None:
    for (row, column), share in np.ndenumerate(shares):
        text = "-" if np.isnan(share) else f"{100 * share:.0f}"
        colour = "white" if share > 0.55 else INK
        axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)


def _draw_curves(axes: Axes, reports: Sequence[ClassifierReport], multi_label: bool) -> None:
    """The validation score against training time, one line a seed; a dot marks the weights that
    were kept."""
    for number, report in enumerate(reports):
        for training in report.trainings:
            seconds = [epoch.seconds for epoch in training.curve]
            scores = [epoch.val_score for epoch in training.curve]
            axes.plot(seconds, scores, color=_colour(number), linewidth=1)
            kept = training.kept
            if kept is not None:
                axes.plot(kept.seconds, kept.val_score, "o", color=_colour(number), markersize=4)
    axes.set_xscale("log")
    plain_powers(axes.xaxis)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("validation AUC" if multi_label else "validation balanced accuracy")
    axes.set_title(
        "Learning curves; a dot marks the weights that were kept", loc="left", color=MUTED
    )


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]
