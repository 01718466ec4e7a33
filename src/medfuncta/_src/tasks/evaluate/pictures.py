"""Pictures of an evaluation: originals beside their reconstructions, and how PSNR is spread over
signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medfuncta._src.signals.signal import Signal
from medfuncta._src.tasks.drawing.figure import (
    ACCENT,
    ERROR_MAP,
    HAIRLINE,
    INK,
    MUTED,
    SECOND,
    caption,
    new_figure,
    plain_powers,
    with_unit,
)
from medfuncta._src.tasks.drawing.panes import Pane, colours_of, panes, window_of
from medfuncta._src.tasks.drawing.traces import axis_of, draw_trace, lead_step, observed_values
from medfuncta._src.tasks.evaluate.baselines import Baselines
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, ranked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure, SubFigure

_WIDTH = 10.0
_WIDE = 14.0  # nine slices need more room
_BAR = 0.9  # of the width, for the colour bar
_SHOWN_ERRORS = 99.8
"""Per cent of an image's errors inside the colour scale: single points would else pale all
others."""


@dataclass(frozen=True, eq=False)
class Example:
    """A signal to look at.

    Args:
        rank: Why this one: ``"best"``, ``"median"``, ``"worst"``.
        metrics: Its quality.
        original, reconstruction: On the same domain.
    """

    rank: str
    metrics: SignalMetrics
    original: Signal
    reconstruction: Signal

    @property
    def title(self) -> str:
        psnr = "exact" if self.metrics.exact else f"{self.metrics.psnr:.2f} dB"
        return f"{self.rank}   {caption(self.metrics.id)}   {psnr}"

    @property
    def error(self) -> np.ndarray:
        """Reconstruction minus original in physical units, ``[*values]``; NaN where nothing was
        observed."""
        return self.reconstruction.values - observed_values(self.original)


def choose_examples(metrics: Sequence[SignalMetrics]) -> dict[str, SignalMetrics]:
    """The best, the median and the worst signal by PSNR among those that did not fail; each signal
    once."""
    order = ranked([m for m in metrics if not m.failed])
    if not order:
        return {}
    best, median, worst = order[-1], order[len(order) // 2], order[0]
    chosen = {"best": best}
    if median not in (best, worst):
        chosen["median"] = median
    if worst != best:
        chosen["worst"] = worst
    return chosen


def reconstruction_picture(examples: Sequence[Example]) -> Figure:
    """Original, reconstruction and error, one example below the other.

    Traces are laid over each other above their residual; images and the middle slices of volumes
    stand side by side. Grey values are windowed by the original, and all errors share one scale, so
    that rows compare.
    """
    dim = examples[0].original.domain.dim
    width = _WIDE if dim == 3 else _WIDTH
    limits, heights = [], []
    for example in examples:
        sizes = np.abs(example.error)
        limits.append(float(np.nanpercentile(sizes, 100 if dim == 1 else _SHOWN_ERRORS)))
        heights.append(2.6 if dim == 1 else _row_height(panes(example.original.domain), width))
    error_limit = max(limits) or 1.0
    with new_figure(width, sum(heights)) as figure:
        rows = figure.subfigures(len(examples), 1, height_ratios=heights, squeeze=False)[:, 0]
        for row, example in zip(rows, examples, strict=True):
            row.suptitle(example.title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
            if dim == 1:
                _draw_trace_row(row, example, error_limit)
            else:
                _draw_pane_row(row, example, error_limit)
    return figure


def _draw_trace_row(row: SubFigure, example: Example, error_limit: float) -> None:
    original, domain = example.original, example.original.domain
    top, bottom = row.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    step = lead_step(original)
    draw_trace(top, domain, observed_values(original), step, "original", color=INK, linewidth=1.5)
    restored = example.reconstruction.values
    draw_trace(top, domain, restored, step, "reconstruction", color=ACCENT, linewidth=0.9)
    if step:  # leads below each other have no common zero
        top.set_yticks([])
    row.legend(*top.get_legend_handles_labels(), loc="upper right", ncols=2, borderaxespad=0.1)
    bottom.axhline(0, color=HAIRLINE, linewidth=0.8)
    draw_trace(bottom, domain, example.error, color=SECOND, linewidth=0.8)
    bottom.set_ylim(-1.05 * error_limit, 1.05 * error_limit)
    bottom.set_xlabel(axis_of(domain)[1])
    top.set_ylabel(caption(original.unit) or "value")
    bottom.set_ylabel("error")
    row.align_ylabels()


def _row_height(views: Sequence[Pane], width: float) -> float:
    """Inches, so that three groups of these views fill the width."""
    captions = 0.55
    if any(view.name for view in views):
        captions += 0.2
    across = (width - _BAR) / 3 - 0.12 * len(views)
    tallest = max(view.height for view in views)
    return captions + across * tallest / sum(view.width for view in views)


def _draw_pane_row(row: SubFigure, example: Example, error_limit: float) -> None:
    views = panes(example.original.domain)
    original, reconstruction = colours_of(example.original), colours_of(example.reconstruction)
    window = window_of(original, example.original.channels)
    error, error_style = _error_colours(example, error_limit)
    columns = (
        ("original", original, window),
        ("reconstruction", reconstruction, window),
        ("error", error, error_style),
    )
    share = row.get_figure(root=True).get_figwidth() / _BAR - 1  # where the colour bar has 1
    widths = (share / 3, share / 3, share / 3, 1)
    *groups, last = row.subfigures(1, 4, width_ratios=widths, squeeze=False)[0]
    shown: list[ScalarMappable] = []
    for group, (heading, colours, style) in zip(groups, columns, strict=True):
        shown.append(_draw_group(group, views, heading, colours, style))
    for view, axes in zip(views, groups[0].axes, strict=True):
        view.mark(axes)
    bar = last.colorbar(shown[-1], cax=last.add_axes((0.05, 0.12, 0.16, 0.7)))
    bar.outline.set_visible(False)
    bar.set_label(with_unit("error", example.original.unit))


def _draw_group(
    group: SubFigure,
    views: Sequence[Pane],
    heading: str,
    colours: np.ndarray,
    style: dict[str, Any],
) -> ScalarMappable:
    group.suptitle(heading, fontsize=9, color=MUTED)
    widths = [view.width for view in views]
    grid = group.subplots(1, len(views), width_ratios=widths, squeeze=False)[0]
    drawn = []
    for axes, view in zip(grid, views, strict=True):
        drawn.append(view.draw(axes, colours, **style))
        axes.set_anchor("N")
        axes.set_xlabel(view.name, labelpad=3)
    return drawn[-1]


def _error_colours(example: Example, limit: float) -> tuple[np.ndarray, dict[str, Any]]:
    """The error of one channel with its sign; of three, its mean size, since their signs may
    differ."""
    if example.original.channels == 3:
        return np.abs(example.error).mean(axis=-1), {"cmap": "Blues", "vmin": 0, "vmax": limit}
    return example.error[..., 0], {"cmap": ERROR_MAP, "vmin": -limit, "vmax": limit}


def psnr_picture(metrics: Sequence[SignalMetrics]) -> Figure:
    """How many signals have which PSNR, with the median as a line."""
    from matplotlib.ticker import MaxNLocator

    psnr = np.array([m.psnr for m in metrics if np.isfinite(m.psnr)])
    with new_figure(_WIDTH, 2.4) as figure:
        axes = figure.subplots()
        axes.hist(
            psnr, bins=min(40, 5 + len(psnr) // 5), color=SECOND, edgecolor="white", linewidth=0.6
        )
        axes.axvline(float(np.median(psnr)), color=ACCENT, linewidth=1.4)
        axes.set_xlabel("PSNR (dB)")
        axes.set_ylabel("signals")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    return figure


def curve_picture(baselines: Baselines | None, fields: Sequence[tuple[int, float]]) -> Figure:
    """Mean PSNR over the numbers stored a signal.

    Args:
        baselines: What needs no network, as lines; None leaves them out.
        fields: Numbers of a latent and mean PSNR of each shared network, as dots on a line.
    """
    curves = []
    if baselines is not None:
        cosines = [(point.numbers, point.cosines) for point in baselines.curve]
        curves.append(_Curve("lowest cosines", cosines, color=MUTED, marker="o", markersize=3))
        components = []
        for point in baselines.curve:
            if point.components is not None:
                components.append((point.numbers, point.components))
        name = "principal components"
        curves.append(_Curve(name, components, color=SECOND, marker="s", markersize=3))
    name = "this field" if len(fields) == 1 else "fields"
    curves.append(_Curve(name, sorted(fields), color=ACCENT, marker="D", markersize=5))
    with new_figure(_WIDTH, 3.6) as figure:
        axes = figure.subplots()
        _draw_curves(axes, [curve for curve in curves if curve.points])
        axes.set_xlabel("numbers stored a signal")
        axes.set_ylabel("mean PSNR (dB)")
        axes.legend(loc="upper left")
    return figure


class _Curve:
    """A line of a picture.

    Args:
        name: In the legend.
        points: Numbers stored and mean PSNR.
        style: Of the line, as matplotlib takes it.
    """

    def __init__(self, name: str, points: Sequence[tuple[int, float]], **style: Any) -> None:
        self.name = name
        self.points = points
        self.style = style


def _draw_curves(axes: Axes, curves: Sequence[_Curve]) -> None:
    everywhere = set()
    for curve in curves:
        numbers, psnr = zip(*curve.points, strict=True)
        axes.plot(numbers, psnr, label=curve.name, linewidth=1.5, **curve.style)
        everywhere.update(numbers)
    axes.set_xscale("log", base=2)
    plain_powers(axes.xaxis)
    ticks = [2**power for power in range(21) if min(everywhere) <= 2**power <= max(everywhere)]
    if len(ticks) > 1:
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_axisbelow(True)
    axes.grid(color=HAIRLINE, linewidth=0.5)
