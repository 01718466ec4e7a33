"""Latents laid out in a plane, and the picture of that."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError, missing_extra
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.result import Result
from medfuncta._src.tasks.drawing.figure import HAIRLINE, caption, class_names, new_figure
from medfuncta._src.tasks.explore.sample import Sample
from medfuncta._src.types import ArrayLatents

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MapMethod = Literal["pca", "umap"]
Colour = Literal["label", "psnr"]
_COLOURS: Final = (
    *("#2a7f9e", "#d1495b", "#e8b04a", "#5b8c5a", "#7d5ba6", "#3b3f8c", "#c97b3a", "#4db6a6"),
)


@dataclass(frozen=True)
class MapPoint(Result):
    """A signal in the plane.

    Args:
        id: Of the signal.
        split: Where it lies.
        x, y: Along the horizontal and the vertical axis.
        psnr: Decibels; NaN where it is not known.
    """

    id: str
    split: str
    x: float
    y: float
    psnr: float


@dataclass(frozen=True, eq=False)
class Map(Result):
    """Signals in a plane.

    Args:
        sample: The signals.
        places: ``[rows, 2]``.
        horizontal, vertical: What the two axes are called.
    """

    json_keys: ClassVar = ("view", "signals", "left_out", "horizontal", "vertical", "points")
    view: ClassVar = "map"

    sample: Sample
    places: Float[ndarray, "rows 2"]
    horizontal: str
    vertical: str

    @property
    def signals(self) -> int:
        return len(self.places)

    @property
    def left_out(self) -> int:
        return self.sample.left_out

    @property
    def points(self) -> list[MapPoint]:
        """The signals with their places."""
        points = []
        psnr = self.sample.psnr.tolist()
        for row, (x, y) in enumerate(self.places.tolist()):
            points.append(MapPoint(self.sample.ids[row], self.sample.splits[row], x, y, psnr[row]))
        return points


@expecting
def make_map(sample: Sample, method: MapMethod = "pca") -> Map:
    """The two principal components, or UMAP's neighbourhood map (McInnes et al. 2018).

    Raises:
        DataError: If there are fewer than 3 latents.
        MedFunctaError: If UMAP is asked for and not installed.
    """
    latents = sample.latents
    if len(latents) < 3:
        raise DataError(f"{counted(len(latents), 'latent')}; a map needs at least 3")
    if method == "umap":
        return Map(sample, _umap(latents), "UMAP 1", "UMAP 2")
    from sklearn.decomposition import PCA

    pca = PCA(2, random_state=0)
    from_the_first = latents - latents[0]  # exactly 0 where all are alike
    with np.errstate(invalid="ignore"):
        places = pca.fit_transform(from_the_first)
    shares = np.nan_to_num(pca.explained_variance_ratio_)  # NaN where all latents are alike
    first, second = (100 * shares).tolist()
    return Map(
        sample,
        places,
        horizontal=f"component 1 ({first:.1f} % of the variance)",
        vertical=f"component 2 ({second:.1f} % of the variance)",
    )


def _umap(latents: ArrayLatents) -> Float[ndarray, "rows 2"]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it mentions TensorFlow, which this does not use
            import umap
    except ImportError as error:
        raise missing_extra("umap-learn", "umap") from error
    neighbours = min(15, len(latents) - 1)
    return umap.UMAP(n_neighbors=neighbours, random_state=0, n_jobs=1).fit_transform(latents)


def map_picture(latents: LatentSet, map: Map, colour: Colour) -> Figure:
    """Every signal a dot, coloured by its classes or its PSNR; grey where that is not known.

    Raises:
        DataError: If colour is PSNR and the set knows none.
    """
    psnr = map.sample.psnr
    if colour == "psnr" and not np.isfinite(psnr).any():
        raise DataError(
            "no PSNR is known for this set, as for one that was imported; colour the map by label"
        )
    with new_figure(7.5, 6) as figure:
        axes = figure.subplots()
        size = float(np.clip(6000 / map.signals, 3, 28))
        if colour == "psnr":
            known = np.isfinite(psnr)
            x, y = map.places[~known].T
            axes.scatter(x, y, s=size, color=HAIRLINE, linewidths=0)
            x, y = map.places[known].T
            dots = axes.scatter(x, y, c=psnr[known], s=size, cmap="viridis", linewidths=0)
            bar = figure.colorbar(dots, label="PSNR (dB)", fraction=0.04, pad=0.02)
            bar.outline.set_visible(False)  # type: ignore[union-attr]
        else:
            _draw_groups(axes, map.places, _groups(latents, map.sample), size)
        axes.set_xlabel(map.horizontal)
        axes.set_ylabel(map.vertical)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def _groups(latents: LatentSet, sample: Sample) -> list[str]:
    """The classes of each signal in words; combinations beyond the most frequent ones are one
    group."""
    names = []
    for classes in sample.classes:
        known = class_names(classes, latents.info.spec.label_names)
        names.append(", ".join(known) or "no label")
    frequent = {name for name, _ in Counter(names).most_common(len(_COLOURS))}
    return [name if name in frequent else "others" for name in names]


def _draw_groups(axes: Axes, places: np.ndarray, groups: Sequence[str], size: float) -> None:
    counts = Counter(groups)
    order = sorted(counts, key=lambda name: (name == "others", -counts[name], name))
    of_each = np.asarray(groups)
    for number, name in enumerate(order):  # the rarest group last, so that no other covers it
        x, y = places[of_each == name].T
        colour = HAIRLINE if name == "others" else _COLOURS[number]
        label = f"{caption(name)} ({counts[name]:,})"
        axes.scatter(x, y, s=size, color=colour, alpha=0.75, linewidths=0, label=label)
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=4, handletextpad=0.1, borderaxespad=0.2
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[30], alpha=1)
