"""The figures of studies: as wide as a column of a paper, in colours that everybody can tell apart
(Okabe and Ito 2008), each with a marker of its own for print in grey."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medfuncta._src.tasks.drawing.figure import HAIRLINE, INK, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Final = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7b8794"),
)
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
_INSIDE: Final = 3
"""Names of a legend that have room among the lines; more stand below the figure."""
_IN_A_ROW: Final = 4
COLUMN: Final = 3.5
"""Inches: one column of a paper; a panel of a wide figure."""
HEIGHT: Final = 2.6
_STYLE: Final[dict[Any, Any]] = {
    "axes.formatter.useoffset": False,
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8.5,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.fontsize": 7.5,
}

Points = Mapping[float, Sequence[float]]
"""By x, the y of each seed."""


@contextmanager
def panels(
    count: int = 1, *, height: float = HEIGHT, width: float = COLUMN
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of panels side by side, each as wide as a column."""
    import matplotlib

    with new_figure(width * count, height) as figure, matplotlib.rc_context(_STYLE):
        axes = figure.subplots(1, count, squeeze=False)[0]
        yield figure, list(axes)
        figure.draw_without_rendering()  # ticks are known after a first layout only


def draw_lines(axes: Axes, series: Mapping[str, Points], *, legend: bool = True) -> None:
    """A line through the means of each series, with a band from the lowest to the highest seed."""
    for number, (name, points) in enumerate(series.items()):
        xs = sorted(points)
        means = [float(np.mean(points[x])) for x in xs]
        lows = [min(points[x]) for x in xs]
        highs = [max(points[x]) for x in xs]
        colour = COLOURS[number % len(COLOURS)]
        marker = MARKERS[number % len(MARKERS)]
        axes.fill_between(xs, lows, highs, color=colour, alpha=0.18, linewidth=0)
        axes.plot(xs, means, color=colour, marker=marker, markersize=4, linewidth=1.3, label=name)
    axes.grid(axis="y", color=HAIRLINE, linewidth=0.5)
    axes.set_axisbelow(True)
    if legend and len(series) > _INSIDE:
        figure = axes.get_figure(root=True)
        assert figure is not None
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=_IN_A_ROW, handlelength=1.8)
    elif legend and len(series) > 1:
        axes.legend(loc="best", handlelength=1.8)


def draw_rows(axes: Axes, rows: Mapping[str, Sequence[float]]) -> None:
    """A row a name: a dot a seed and a bar to their mean, from the top down."""
    names = list(rows)
    for place, name in enumerate(names):
        values = list(rows[name])
        axes.plot(values, [place] * len(values), "o", color=COLOURS[0], markersize=4, alpha=0.8)
        mean = float(np.mean(values))
        axes.plot([mean, mean], [place - 0.3, place + 0.3], color=COLOURS[1], linewidth=1.6)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", color=HAIRLINE, linewidth=0.5)
    axes.set_axisbelow(True)


def draw_grid(
    axes: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float],
    *,
    digits: int = 1,
    framed: np.ndarray | None = None,
) -> Any:
    """A coloured cell with its number for each row and column; NaN stays blank, and cells that are
    framed are framed."""
    from matplotlib.patches import Rectangle

    image = axes.imshow(values, cmap="cividis", vmin=limits[0], vmax=limits[1], aspect="auto")
    middle = sum(limits) / 2
    for row, column in np.ndindex(*values.shape):
        value = values[row, column]
        if np.isfinite(value):
            ink = "white" if value < middle else "black"
            number = f"{value:.{digits}f}"
            axes.text(column, row, number, ha="center", va="center", color=ink, fontsize=7.5)
        if framed is not None and framed[row, column]:
            corner = (column - 0.44, row - 0.42)
            frame = Rectangle(corner, 0.88, 0.84, fill=False, edgecolor=COLOURS[1], linewidth=1.5)
            axes.add_patch(frame)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def mean_and_spread(values: Sequence[float], digits: int = 2) -> str:
    """The mean, and how far the seeds lie from each other.

    >>> mean_and_spread([30.0, 31.0])
    '30.50 (30.00 to 31.00)'
    """
    mean = f"{float(np.mean(values)):.{digits}f}"
    if len(values) < 2:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def mean_of(values: Sequence[float]) -> float:
    """The mean over seeds."""
    return float(np.mean(values))
