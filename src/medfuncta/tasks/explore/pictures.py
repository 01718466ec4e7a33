"""One picture for each way of exploring a latent set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import torch

from medfuncta.errors import DataError
from medfuncta.latents.decode import reconstruct
from medfuncta.latents.latent_set import LatentSet
from medfuncta.signals.signal import Signal
from medfuncta.tasks.drawing.figure import (
    ACCENT,
    HAIRLINE,
    INK,
    MUTED,
    SECOND,
    clear_frame,
    new_figure,
)
from medfuncta.tasks.drawing.labels import class_names
from medfuncta.tasks.drawing.sheet import contact_sheet, draw_signal, wrap_title
from medfuncta.tasks.explore.map import Map
from medfuncta.tasks.explore.means import ClassMean
from medfuncta.tasks.explore.outliers import UNUSUAL, Outliers
from medfuncta.tasks.explore.sample import Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colour = Literal["label", "psnr"]
_COLOURS: Final = (
    "#2a7f9e",
    "#d1495b",
    "#e8b04a",
    "#5b8c5a",
    "#7d5ba6",
    "#3b3f8c",
    "#c97b3a",
    "#4db6a6",
)
_ROW = 8


def map_picture(latents: LatentSet, sample: Sample, map: Map, colour: Colour) -> Figure:
    """Every signal a dot, coloured by its classes or its PSNR.

    Raises:
        DataError: If colour is PSNR and the set knows none.
    """
    if colour == "psnr" and not np.isfinite(sample.psnr).any():
        raise DataError(
            "no PSNR is known for this set, as for one that was imported; colour the map by label"
        )
    with new_figure(7.5, 6) as figure:
        axes = figure.subplots()
        size = float(np.clip(6000 / len(map.places), 3, 28))
        if colour == "psnr":
            dots = axes.scatter(*map.places.T, c=sample.psnr, s=size, cmap="viridis", linewidths=0)
            figure.colorbar(dots, label="PSNR (dB)", fraction=0.04, pad=0.02).outline.set_visible(
                False
            )  # type: ignore[union-attr]
        else:
            _draw_groups(axes, map.places, _groups(latents, sample), size)
        axes.set_xlabel(map.axes[0])
        axes.set_ylabel(map.axes[1])
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def _groups(latents: LatentSet, sample: Sample) -> list[str]:
    """The classes of each signal in words; combinations beyond the most frequent ones are one
    group."""
    names = [
        ", ".join(class_names(classes, latents.info.spec.label_names)) or "no label"
        for classes in sample.classes
    ]
    frequent = {name for name, _ in Counter(names).most_common(len(_COLOURS))}
    return [name if name in frequent else "others" for name in names]


def _draw_groups(axes: Axes, places: np.ndarray, groups: Sequence[str], size: float) -> None:
    counts = Counter(groups)
    order = sorted(counts, key=lambda name: (name == "others", -counts[name], name))
    of_each = np.asarray(groups)
    for number, name in enumerate(order):  # the rarest group last, so that no other covers it
        colour = HAIRLINE if name == "others" else _COLOURS[number]
        axes.scatter(
            *places[of_each == name].T,
            s=size,
            color=colour,
            alpha=0.75,
            linewidths=0,
            label=f"{name} ({counts[name]:,})",
        )
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=4, handletextpad=0.1, borderaxespad=0.2
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[30], alpha=1)


def interpolation_picture(signals: Sequence[Signal], first: str, second: str) -> Figure:
    """The signals from one end of the line to the other."""
    shares = np.linspace(0, 1, len(signals))
    titles = [first, *(f"{share:.2f}" for share in shares[1:-1]), second]
    return contact_sheet(signals, titles, columns=min(len(signals), _ROW))


def means_picture(latents: LatentSet, means: Sequence[ClassMean]) -> Figure:
    """The mean of each class as its latent decodes it, beside it the signal of the class that is
    nearest to the mean."""
    signals, titles = [], []
    for mean in means:
        decoded = [
            reconstruct(latents.run, torch.tensor(each), mean.typical.header)
            for each in (mean.latent, mean.typical.latent)
        ]
        signals += decoded
        titles += [f"{mean.name}, mean of {mean.signals:,}", f"nearest: {mean.typical.id}"]
    return contact_sheet(signals, titles, columns=min(len(signals), _ROW))


def outliers_picture(latents: LatentSet, sample: Sample, outliers: Outliers, shown: int) -> Figure:
    """Every signal by its distance and its PSNR; the most unusual ones are numbered there and shown
    below."""
    worst: list[int] = outliers.order[:shown].tolist()
    rows = -(-len(worst) // _ROW)
    with new_figure(10, 4.2 + 1.5 * rows) as figure:
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.2, 1.5 * rows))[:, 0]
        _draw_scatter(top.subplots(), sample, outliers, worst)
        grid = bottom.subplots(rows, _ROW, squeeze=False).ravel()
        for axes in grid:
            clear_frame(axes)
        for number, (axes, row) in enumerate(zip(grid.tolist(), worst, strict=False), start=1):
            found = latents.row(sample.ids[row], sample.splits[row])
            draw_signal(axes, reconstruct(latents.run, torch.tensor(found.latent), found.header))
            axes.set_title(
                wrap_title(f"{number}   {found.id}", 10 / _ROW),
                fontsize=7,
                color=ACCENT if outliers.scores[row] > UNUSUAL else MUTED,
            )
    return figure


def _draw_scatter(axes: Axes, sample: Sample, outliers: Outliers, worst: Sequence[int]) -> None:
    unusual = outliers.scores > UNUSUAL
    known = np.isfinite(sample.psnr)
    heights = np.where(
        known, sample.psnr, sample.psnr[known].max(initial=0)
    )  # what has no PSNR lies on top
    size = float(np.clip(6000 / len(unusual), 3, 24))
    for which, colour, name in ((~unusual, SECOND, "usual"), (unusual, ACCENT, f"z > {UNUSUAL}")):
        label = f"{name} ({int(which.sum()):,})"
        axes.scatter(
            outliers.distances[which],
            heights[which],
            s=size,
            color=colour,
            alpha=0.7,
            linewidths=0,
            label=label,
        )
    for number, row in enumerate(worst, start=1):
        place = (outliers.distances[row], heights[row])
        axes.annotate(
            str(number), place, (3, 3), textcoords="offset points", fontsize=7.5, color=INK
        )
    axes.set_xlabel("distance from the other latents")
    axes.set_ylabel("PSNR of the reconstruction (dB)")
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handletextpad=0.1, borderaxespad=0.2
    )
