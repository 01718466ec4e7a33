"""Label maps in files of their own: whole numbers, met with their signal's samples in the world."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from medfuncta._src.door.files import lies_outside
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.contents import LabelMap, LabelMaps
from medfuncta._src.sources.splitting import Item

_BESIDE: Final = 0.1
"""How far, in samples of the label map, a sample of the signal may lie from one of the label map:
headers hold float32, and programs round."""
_WHOLE: Final = 1e-3
"""How far a class number may be from a whole one; a slope in the header leaves such rests."""


def label_maps_beside(
    path_of: Callable[[Path], Path | None],
    read: Callable[[Path], LabelMap],
    grid_of: Callable[[Path], Grid],
    names: Mapping[int, str] | None = None,
) -> LabelMaps:
    """Label maps that lie in files of their own.

    Args:
        path_of: Where the label map of a signal's file would lie; None where none can.
        read: Reads a label map, as its file has it.
        grid_of: Where the samples of a signal's file lie.
        names: Names of the classes by number.
    """

    def read_item(item: Item) -> LabelMap | None:
        signal = item.paths[0]
        path = path_of(signal)
        if path is None or not path.is_file():
            return None
        if lies_outside(path, Path(os.path.commonpath([signal, path]))):
            raise DataError(
                f"the label map of {signal.name} is a link that leaves its folder; copy the file "
                "into the folder, or give --follow-links"
            )
        grid = grid_of(signal)
        return LabelMap(on_grid(read(path), grid, f"the label map of {signal.name}"), grid)

    return LabelMaps(names or {}, read_item)


def whole_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Class numbers, int32.

    Raises:
        DataError: If one is NaN, no whole number or beyond 32 bits.
    """
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = np.rint(values)
            broken = ~(np.abs(values - whole) <= _WHOLE)
        if broken.any():
            raise DataError(
                f"the label map {name} holds {float(values[broken].flat[0]):.4g}; expected class "
                "numbers, which are whole"
            )
        values = whole
    limits = np.iinfo(np.int32)
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        raise DataError(
            f"the label map {name} goes from {int(values.min())} to {int(values.max())}; expected "
            "class numbers of 32 bits"
        )
    return values.astype(np.int32)


def on_grid(labels: LabelMap, grid: Grid, name: str) -> np.ndarray:
    """The class numbers at the samples of another grid, ``[*grid.shape]``: axes are swapped and
    turned as the matrices of both say, and nothing is interpolated.

    Args:
        labels: With the grid of its file.
        grid: Of the signal.
        name: What an error calls the label map.

    Raises:
        DataError: If a sample of the grid is none of the label map.
    """
    if labels.grid.affine is None or grid.affine is None:
        if not labels.grid.is_close(grid):
            raise _elsewhere(labels.grid, grid, name)
        return labels.values
    shape = (*grid.shape, *(1,) * (3 - grid.dim))
    values = labels.values.reshape(*labels.grid.shape, *(1,) * (3 - labels.grid.dim))
    to_labels = np.linalg.inv(labels.grid.affine) @ grid.affine
    start = np.rint(to_labels[:3, 3])
    along: dict[int, int] = {}  # axis of the label map by the signal's
    picked = [start[[axis]].astype(int) for axis in range(3)]
    far = np.abs(to_labels[:3, 3] - start).max()
    for axis in (axis for axis in range(3) if shape[axis] > 1):
        step = np.rint(to_labels[:3, axis])
        far = max(far, np.abs(to_labels[:3, axis] - step).max() * (shape[axis] - 1))
        target = int(np.abs(step).argmax())
        if np.abs(step).sum() != 1 or target in along.values():
            raise _elsewhere(labels.grid, grid, name)
        along[axis] = target
        picked[target] = (start[target] + step[target] * np.arange(shape[axis])).astype(int)
    for indices, size in zip(picked, values.shape, strict=True):
        if far > _BESIDE or indices.min() < 0 or indices.max() >= size:
            raise _elsewhere(labels.grid, grid, name)
    left = iter(sorted(set(range(3)) - set(along.values())))
    order = [along[axis] if axis in along else next(left) for axis in range(3)]
    return np.ascontiguousarray(values[np.ix_(*picked)].transpose(order).reshape(grid.shape))


def _elsewhere(labels: Grid, grid: Grid, name: str) -> DataError:
    return DataError(
        f"{name} has {_said(labels)}, the signal {_said(grid)}: they do not meet in the world; "
        "resample the label map to the signal's grid, or give it the place that it has"
    )


def _said(grid: Grid) -> str:
    """A grid in a few words: shape, spacing and first sample."""
    text = f"a shape of {grid.shape}"
    if grid.spacing is not None:
        text += f" at {' x '.join(f'{size:.3g}' for size in grid.spacing)} {grid.unit}"
    if grid.affine is not None:
        text += f" from ({', '.join(f'{place:.4g}' for place in grid.affine[:3, 3])})"
    return text
