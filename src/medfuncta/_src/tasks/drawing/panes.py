"""The flat views of an image, a volume or scattered points: what to look at, and how large it
is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal
from medfuncta._src.tasks.drawing.figure import BACKGROUND, LETTERS, clear_frame
from medfuncta._src.tasks.drawing.traces import observed_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

_PLANES = ((2, "axial", "RLAP"), (1, "coronal", "RLSI"), (0, "sagittal", "APSI"))
"""World axis cut through, its name, and the directions at the left, right, top and bottom edge
(radiological convention)."""


@dataclass(frozen=True)
class Pane(ABC):
    """One flat view of a domain of two or three dimensions.

    Args:
        name: ``"axial"``, ``"axis 0"``, or ``""`` when there is only one.
        width, height: Physical size; samples count when no spacing is known.
    """

    name: str
    width: float
    height: float

    @abstractmethod
    def draw(self, axes: Axes, colours: np.ndarray, **style: Any) -> ScalarMappable:
        """Draw numbers ``[*values without channels]`` (NaN stays blank) or RGBA ``[..., 4]``;
        ``style`` is a colour map and its limits."""

    def mark(self, axes: Axes) -> None:  # noqa: B027
        """Say which way is which, where that is known."""


@dataclass(frozen=True)
class Slice(Pane):
    """The middle slice of a grid, or all of an image.

    Args:
        axis: The array axis that is cut through, None for an image.
        index: Where.
        turn: For oriented volumes, as ``nibabel.orientations`` has it: how array axes become the
            world's right, anterior, superior.
        letters: The directions at the left, right, top and bottom edge, or ``""``.
    """

    axis: int | None = None
    index: int = 0
    turn: np.ndarray | None = None
    letters: str = ""

    def image(self, colours: np.ndarray) -> np.ndarray:
        """The view as ``[rows, columns]`` or ``[rows, columns, 4]``, ready to be shown with row 0
        on top."""
        if self.axis is None:
            return colours
        if self.turn is None:
            return np.take(colours, self.index, self.axis)
        from nibabel.orientations import apply_orientation

        upright = np.take(apply_orientation(colours, self.turn), self.index, self.axis)
        return np.swapaxes(upright, 0, 1)[::-1, ::-1]

    def draw(self, axes: Axes, colours: np.ndarray, **style: Any) -> ScalarMappable:
        image = self.image(colours)
        shown = axes.imshow(
            image,
            extent=(0, self.width, self.height, 0),
            aspect="equal",
            interpolation="nearest",
            **style,
        )
        clear_frame(axes)
        return shown

    def mark(self, axes: Axes) -> None:
        from matplotlib.patheffects import withStroke

        outline = [withStroke(linewidth=1.6, foreground="black")]
        places = ((0.03, 0.5), (0.97, 0.5), (0.5, 0.97), (0.5, 0.03))
        alignments = (
            ("left", "center"),
            ("right", "center"),
            ("center", "top"),
            ("center", "bottom"),
        )
        for letter, place, (ha, va) in zip(self.letters, places, alignments, strict=False):
            axes.text(
                *place,
                letter,
                transform=axes.transAxes,
                color=LETTERS,
                fontsize=7,
                ha=ha,
                va=va,
                path_effects=outline,
            )


@dataclass(frozen=True)
class Projection(Pane):
    """Scattered points seen along one axis.

    Args:
        positions: ``[points, 2]``, horizontal and vertical.
    """

    positions: np.ndarray

    def draw(self, axes: Axes, colours: np.ndarray, **style: Any) -> ScalarMappable:
        size = min(40.0, 8000 / len(self.positions))
        if colours.ndim == 2:  # RGBA already
            style = {}
        across, down = self.positions.T
        dots = axes.scatter(across, down, c=colours, s=size, linewidths=0, **style)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.set_facecolor(BACKGROUND)
        clear_frame(axes)
        return dots


def panes(domain: Domain) -> Sequence[Pane]:
    """The views that show a domain of two (one view) or three dimensions (three orthogonal
    ones)."""
    if isinstance(domain, Scatter):
        return _projections(domain)
    sides = np.multiply(domain.shape, domain.spacing or (1.0,) * domain.dim)
    if domain.dim == 2:
        return [Slice("", width=sides[1], height=sides[0])]
    if domain.affine is not None:
        return _anatomical(domain, domain.affine, sides)
    views = []
    for axis, (down, across) in enumerate(((1, 2), (0, 2), (0, 1))):
        middle = domain.shape[axis] // 2
        views.append(Slice(f"axis {axis}", sides[across], sides[down], axis, middle))
    return views


def _anatomical(domain: Grid, affine: np.ndarray, sides: np.ndarray) -> list[Pane]:
    from nibabel.orientations import io_orientation

    turn = io_orientation(affine)
    order = np.argsort(turn[:, 0])  # array axis of each world axis
    shape, sides = np.asarray(domain.shape)[order], sides[order]
    planes = []
    for axis, name, letters in _PLANES:
        across, up = np.delete(sides, axis)
        planes.append(Slice(name, across, up, axis, int(shape[axis]) // 2, turn, letters))
    return planes


def _projections(domain: Scatter) -> list[Pane]:
    sides = np.subtract(domain.high, domain.low)
    if domain.dim == 2:
        return [Projection("", sides[1], sides[0], domain.positions[:, ::-1])]
    views = []
    for axis, (down, across) in enumerate(((1, 2), (0, 2), (0, 1))):
        seen = domain.positions[:, [across, down]]
        views.append(Projection(f"along axis {axis}", sides[across], sides[down], seen))
    return views


def colours_of(signal: Signal) -> np.ndarray:
    """What is shown of values: physical numbers ``[...]``, or RGBA ``[..., 4]`` when there are
    three channels.

    Of any other number of channels the first is shown. Missing points are NaN, or transparent.
    """
    values = observed_values(signal)
    if signal.channels != 3:
        return values[..., 0]
    opaque = np.isfinite(values[..., :1])
    colours = np.where(opaque, signal.range.normalise(values).clip(0, 1), 0)
    return np.concatenate([colours, opaque], axis=-1)


def window_of(colours: np.ndarray, channels: int = 1) -> dict[str, Any]:
    """A grey scale that spans the numbers but for the outermost half per cent; nothing for three
    channels, which are colours already."""
    if channels == 3:
        return {}
    low, high = np.nanpercentile(colours, (0.5, 99.5))
    return {"cmap": "gray", "vmin": low, "vmax": high}
