"""The pictures of the studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.studies.findings import Trial
from medfuncta._src.studies.restoration import Depleted, Restoration
from medfuncta._src.tasks.drawing.figure import (
    ACCENT,
    BACKGROUND,
    HAIRLINE,
    INK,
    LETTERS,
    MUTED,
    SECOND,
    caption,
    new_figure,
)
from medfuncta._src.tasks.drawing.panes import Slice, colours_of, window_of
from medfuncta._src.tasks.drawing.traces import axis_of, draw_trace, lead_step, observed_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS: Final = (ACCENT, SECOND, LETTERS)
"""Of methods, in the order of their trial."""


def _draw_quality(axes: Axes, trial: Trial) -> None:
    """The PSNR of every signal by method: a box over the middle half, its median, and a dot a
    signal."""
    for place, (metrics, colour) in enumerate(zip(trial.metrics.values(), _COLOURS, strict=False)):
        psnr = np.array([m.psnr for m in metrics if np.isfinite(m.psnr)])
        thin = {"color": MUTED, "linewidth": 0.8}
        axes.boxplot(
            psnr,
            positions=[place],
            widths=0.5,
            showfliers=False,
            whis=(5, 95),
            boxprops=thin,
            whiskerprops=thin,
            capprops=thin,
            medianprops={"color": INK, "linewidth": 1.6},
        )
        aside = np.linspace(-0.2, 0.2, len(psnr))
        if len(psnr) == 1:
            aside = np.zeros(1)
        axes.plot(place + aside, psnr, "o", markersize=2.5, color=colour, alpha=0.8)
    names = [method.replace(" ", "\n", 1) for method in trial.metrics]
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("PSNR (dB)")


def quality_picture(trials: Sequence[Trial]) -> Figure:
    """The PSNR of every signal, a panel a trial."""
    with new_figure(5.5 * len(trials), 3.4) as figure:
        panels = figure.subplots(1, len(trials), squeeze=False)[0]
        for axes, trial in zip(panels, trials, strict=True):
            _draw_quality(axes, trial)
            axes.set_title(trial.condition, loc="left")
    return figure


def missing_samples_picture(trials: Sequence[Trial], examples: Sequence[Restoration]) -> Figure:
    """For each trial its first signal, with what was removed shaded, and the PSNR of all signals
    beside it."""
    with new_figure(12.0, 3.3 * len(trials)) as figure:
        panels = figure.subplots(len(trials), 2, width_ratios=(2.6, 1), squeeze=False)
        for (left, right), trial, example in zip(panels, trials, examples, strict=True):
            _draw_trace(left, example)
            left.set_title(f"{trial.condition}: {_scores(example)}", loc="left")
            _draw_quality(right, trial)
            right.set_title(f"all {counted(trial.signals, 'signal')}", loc="left")
        panels[0, 0].legend(loc="upper right", ncols=len(trials[0].metrics) + 1)
    return figure


def _draw_trace(axes: Axes, example: Restoration) -> None:
    original, domain = example.depleted.original, example.depleted.original.domain
    where, name = axis_of(domain)
    half = (where[1] - where[0]) / 2
    for start, stop in _stretches(example.depleted.removed):
        left, right = where[start] - half, where[stop - 1] + half
        axes.axvspan(left, right, color=BACKGROUND, linewidth=0, zorder=0)
    step = lead_step(original)
    values = observed_values(original)
    draw_trace(axes, domain, values, step, "original", color=INK, linewidth=2.2, alpha=0.35)
    for (method, signal), colour in zip(_in_order(example), _COLOURS, strict=False):
        draw_trace(axes, domain, signal.values, step, method, color=colour, linewidth=1.0)
    axes.set_xlabel(name)
    axes.set_ylabel(caption(original.unit) or "value")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.18 * (high - low))  # for the legend


def _stretches(flags: np.ndarray) -> list[tuple[int, int]]:
    """Where stretches of True begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def missing_slices_picture(trials: Sequence[Trial], examples: Sequence[Restoration]) -> Figure:
    """Across and along the removed slices of the first trial's first volume: original, what was
    left, and what each method made of it."""
    trial, example = trials[0], examples[0]
    depleted = example.depleted
    shown: dict[str, Signal] = {
        "original": depleted.original,
        "left to fit": depleted.remainder,
        **dict(_in_order(example)),
    }
    rows = _cuts(depleted)
    with new_figure(2.1 * len(shown) + 3.6, 2.3 * len(rows) + 0.5) as figure:
        widths = (2.1 * len(shown), 3.6)
        pictures, chart = figure.subfigures(1, 2, squeeze=False, width_ratios=widths)[0]
        grid = pictures.subplots(len(rows), len(shown), squeeze=False)
        style = window_of(colours_of(depleted.original), depleted.original.channels)
        for panels, (name, cut) in zip(grid, rows.items(), strict=True):
            for axes, signal in zip(panels, shown.values(), strict=True):
                cut.draw(axes, colours_of(signal), **style)
                axes.set_facecolor(HAIRLINE)
                axes.patch.set_visible(True)
            panels[0].set_ylabel(name)
        for axes, name in zip(grid[0], shown, strict=True):
            axes.set_title(f"{name}\n{_decibels(example, name)}")
        axes = chart.subplots()
        _draw_quality(axes, trial)
        axes.set_title(f"all {trial.signals} volumes", loc="left")
    return figure


def _cuts(depleted: Depleted) -> Mapping[str, Slice]:
    """A view across the removed slices, and the removed slice in the middle."""
    domain, axis = depleted.original.domain, depleted.axis
    assert isinstance(domain, Grid)
    sides = np.multiply(domain.shape, domain.spacing or (1.0,) * domain.dim)
    across = 1 if axis == 0 else 0
    removed = np.flatnonzero(depleted.removed)
    middle = int(removed[len(removed) // 2])
    return {
        "across the slices": _cut(sides, across, domain.shape[across] // 2),
        f"removed slice {middle}": _cut(sides, axis, middle),
    }


def _cut(sides: np.ndarray, axis: int, index: int) -> Slice:
    height, width = np.delete(sides, axis).tolist()
    return Slice("", width, height, axis, index)


def _in_order(example: Restoration) -> list[tuple[str, Signal]]:
    order = []
    for method in example.metrics:
        if method in example.restored:
            order.append((method, example.restored[method]))
    return order


def _decibels(example: Restoration, name: str) -> str:
    metrics = example.metrics.get(name)
    if metrics is None:
        return ""
    return f"{metrics.psnr:.1f} dB"


def _scores(example: Restoration) -> str:
    """Short enough for a line above a trace."""
    scores = []
    for method in example.metrics:
        scores.append(f"{method.removesuffix(' interpolation')} {_decibels(example, method)}")
    return ", ".join(scores)
