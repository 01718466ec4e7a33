"""True and predicted structures on the slices of unseen signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from medfuncta._src.errors import DataError
from medfuncta._src.signals.signal import Signal
from medfuncta._src.tasks.drawing.figure import INK, caption, new_figure
from medfuncta._src.tasks.drawing.panes import Pane, Slice, colours_of, panes, window_of
from medfuncta._src.tasks.segment.segmentation import FIELD, Segmentation, SegmentedVolume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS: Final = ("#4db6a6", "#e8b04a", "#d1495b", "#7d5ba6", "#5b8c5a", "#c97b3a")
_CELL: Final = 2.4


def shown_volumes(segmentation: Segmentation) -> list[SegmentedVolume]:
    """The best, the median and the worst test signal by mean Dice; fewer when there are fewer."""
    ordered = sorted(segmentation.segmented[FIELD], key=lambda volume: -volume.mean_dice)
    return [ordered[index] for index in dict.fromkeys((0, len(ordered) // 2, len(ordered) - 1))]


def segmentation_picture(segmentation: Segmentation, originals: Sequence[Signal]) -> Figure:
    """Three orthogonal slices (one for images) of some test signals with the outlines of every
    structure.

    Args:
        segmentation: What was found.
        originals: The signals of :func:`shown_volumes`, in that order.

    Raises:
        DataError: If the signals are traces.
    """
    from matplotlib.lines import Line2D

    if originals[0].domain.dim == 1:
        raise DataError("traces have no outlines to draw; run without --out")
    volumes = shown_volumes(segmentation)
    columns = len(panes(originals[0].domain))
    with new_figure(_CELL * columns + 0.4, (_CELL + 0.25) * len(volumes) + 0.5) as figure:
        rows = figure.subfigures(len(volumes), 1, squeeze=False)[:, 0]
        for row, volume, original in zip(rows, volumes, originals, strict=True):
            title = f"{caption(original.id)}   Dice: {_dice_text(segmentation.structures, volume)}"
            row.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
            cells = row.subplots(1, columns, squeeze=False)[0]
            for axes, view in zip(cells, panes(original.domain), strict=True):
                _draw(axes, _through(view, volume.entry.mask), original, volume)
        keys = []
        for number, name in enumerate(segmentation.structures):
            keys.append(Line2D([], [], color=_colour(number), label=caption(name)))
        keys.append(Line2D([], [], color=INK, linestyle="-", label="true"))
        keys.append(Line2D([], [], color=INK, linestyle=":", label="predicted"))
        figure.legend(handles=keys, loc="outside lower left", ncols=6)
    return figure


def _dice_text(structures: Sequence[str], volume: SegmentedVolume) -> str:
    parts = []
    for name, dice in zip(structures, volume.dice, strict=True):
        parts.append(f"{name} -" if dice is None else f"{name} {dice:.2f}")
    return ", ".join(parts)


def _through(view: Pane, mask: np.ndarray) -> Pane:
    """The slice of this direction in which the structures are largest."""
    if not isinstance(view, Slice) or view.axis is None:
        return view
    axis = view.axis
    if view.turn is not None:
        axis = int(np.argmax(view.turn[:, 0] == view.axis))
    slices = [replace(view, index=index) for index in range(mask.shape[axis])]
    return max(slices, key=lambda one: np.count_nonzero(one.image(mask)))


def _draw(axes: Axes, view: Pane, original: Signal, volume: SegmentedVolume) -> None:
    colours = colours_of(original)
    view.draw(axes, colours, **window_of(colours, original.channels))
    view.mark(axes)
    axes.set_xlabel(view.name, labelpad=3)
    axes.set_anchor("N")
    if not isinstance(view, Slice):
        return
    for number in range(1, 1 + len(volume.dice)):
        _outline(axes, view, volume.entry.mask == number, _colour(number - 1), "solid")
        _outline(axes, view, volume.predicted == number, _colour(number - 1), "dotted")


def _outline(axes: Axes, view: Slice, mask: np.ndarray, colour: str, style: str) -> None:
    shape = view.image(mask)
    if not shape.any() or shape.all():
        return
    rows, columns = shape.shape
    across = (np.arange(columns) + 0.5) * view.width / columns
    down = (np.arange(rows) + 0.5) * view.height / rows
    axes.contour(across, down, shape, levels=[0.5], colors=colour, linewidths=1.3, linestyles=style)


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]
