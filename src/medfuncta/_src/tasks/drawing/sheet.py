"""Small pictures of many signals: a contact sheet, and what it is made of."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medfuncta._src.door.wording import shortened
from medfuncta._src.signals.signal import Signal
from medfuncta._src.tasks.drawing.figure import INK, clear_frame, new_figure
from medfuncta._src.tasks.drawing.panes import colours_of, panes, window_of
from medfuncta._src.tasks.drawing.traces import draw_trace, lead_step, observed_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 10.0
_SMALL = 7.5  # points, of titles of small pictures
_LONGEST_TITLE = 200
_LETTER = 0.6  # of a font's size: how wide a letter is


def contact_sheet(signals: Sequence[Signal], titles: Sequence[str], columns: int = 6) -> Figure:
    """Small pictures of signals in rows: traces, images, and the first slice of volumes."""
    columns = min(columns, len(signals))
    rows = -(-len(signals) // columns)
    cell = _WIDTH / max(columns, 4)
    wrapped = [wrap_title(title, cell) for title in titles]
    lines = 1 + max(title.count("\n") for title in wrapped)
    height = cell * min(_height(signals), 1.5) + 0.17 + 0.13 * lines
    with new_figure(cell * columns, rows * height) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid:
            clear_frame(axes)
        for axes, signal, title in zip(grid, signals, wrapped, strict=False):
            draw_signal(axes, signal)
            axes.set_anchor("N")
            axes.set_title(title, fontsize=_SMALL)
    return figure


def _height(signals: Sequence[Signal]) -> float:
    """Of the tallest small picture, in units of its width."""
    if signals[0].domain.dim == 1:
        return 0.6
    first = [panes(signal.domain)[0] for signal in signals]
    return max(pane.height / pane.width for pane in first)


def wrap_title(title: str, inches: float) -> str:
    """A title in lines that are no longer than the small picture below them is wide; names stay in
    one piece where they fit."""
    title = shortened(title, _LONGEST_TITLE)
    return textwrap.fill(title, int(inches * 72 / (_LETTER * _SMALL)), break_on_hyphens=False)


def draw_signal(axes: Axes, signal: Signal) -> None:
    """One signal, small and without an axis."""
    if signal.domain.dim == 1:
        values, step = observed_values(signal), lead_step(signal)
        draw_trace(axes, signal.domain, values, step, color=INK, linewidth=0.9)
        clear_frame(axes)
        return
    colours = colours_of(signal)
    panes(signal.domain)[0].draw(axes, colours, **window_of(colours, signal.channels))
