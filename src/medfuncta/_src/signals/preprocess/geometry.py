"""Steps that move samples: crop and pad, resample, reorient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Grid, Shape, Spacing
from medfuncta._src.signals.preprocess.step import GridStep

_AXES = ("LR", "PA", "IS")


@dataclass(frozen=True)
class CropPad(GridStep):
    """Cut or pad every axis to ``shape``.

    Args:
        shape: Samples along each axis afterwards.
        fill: Physical value of padded samples; None leaves them unobserved, so that they never
            enter a loss.
        align: ``"centre"`` keeps the middle (an odd remainder goes to the end), ``"start"`` keeps
            the first sample.
    """

    name: ClassVar[str] = "crop-pad"
    adds_samples: ClassVar[bool] = True
    shape: Shape
    fill: float | None = None
    align: Literal["centre", "start"] = "centre"

    @property
    def padding(self) -> float | None:
        return self.fill

    def place(self, grid: Grid) -> tuple[Grid, np.ndarray]:
        _check_axes(self.name, self.shape, grid)
        matrix = np.eye(grid.dim + 1)
        matrix[:-1, -1] = self._starts(grid)
        return replace(grid, shape=self.shape, affine=_affine_after(grid.affine, matrix)), matrix

    def _starts(self, grid: Grid) -> list[int]:
        """Index in ``grid`` of the first sample that is kept; negative where samples are added."""
        if self.align == "start":
            return [0] * grid.dim
        cut = np.array(grid.shape) - self.shape
        return (np.sign(cut) * (np.abs(cut) // 2)).tolist()

    def _moved(self, image: np.ndarray, grid: Grid, order: int, fill: float) -> np.ndarray:
        return _cut(image, self._starts(grid), self.shape, fill)


@dataclass(frozen=True)
class Resample(GridStep):
    """Sample the same physical box at another shape or spacing; exactly one of the two is given.

    Args:
        shape: Samples along each axis afterwards.
        spacing: Distance between samples afterwards, in the grid's unit; rounded so that the box
            stays whole.
        method: ``"linear"`` or ``"cubic"`` splines after a Gaussian blur against aliasing where
            samples get sparser (standard deviation (factor - 1) / 2 samples, scikit-image's rule),
            or ``"mean"``, the average over the samples that each new one replaces.
    """

    name: ClassVar[str] = "resample"
    shape: Shape | None = None
    spacing: Spacing | None = None
    method: Literal["linear", "cubic", "mean"] = "linear"

    def __post_init__(self) -> None:
        if (self.shape is None) == (self.spacing is None):
            raise ConfigError("resampling needs either a shape or a spacing; give one of the two")

    @property
    def order(self) -> int:
        return 3 if self.method == "cubic" else 1

    def place(self, grid: Grid) -> tuple[Grid, np.ndarray]:
        if self.shape is not None:
            new = grid.with_shape(self.shape)
        else:
            new = grid.with_spacing(self.spacing or ())
        factor = np.divide(grid.shape, new.shape)
        matrix = np.diag([*factor, 1.0])
        matrix[:-1, -1] = (factor - 1) / 2
        return new, matrix

    def _moved(self, image: np.ndarray, grid: Grid, order: int, fill: float) -> np.ndarray:
        after, _ = self.place(grid)
        if self.method == "mean" and order > 0:
            return _averaged(image, after.shape)
        return _resized(image, after.shape, order)


@dataclass(frozen=True)
class Reorient(GridStep):
    """Flip and swap the axes of a volume so that they point as ``axes`` say, without interpolation.

    Args:
        axes: Where each axis points, one of L or R, P or A, I or S for each, in any order;
            ``"RAS"`` is NIfTI's.
    """

    name: ClassVar[str] = "reorient"
    axes: str = "RAS"

    def __post_init__(self) -> None:
        pointed = [sum(letter in self.axes for letter in pair) for pair in _AXES]
        if len(self.axes) != 3 or pointed != [1, 1, 1]:
            raise ConfigError(
                f"an orientation of '{self.axes}'; expected one of L or R, one of P or A and one "
                "of I or S, such as RAS"
            )

    def place(self, grid: Grid) -> tuple[Grid, np.ndarray]:
        from nibabel.orientations import inv_ornt_aff

        turn = self._turn(grid)
        matrix = inv_ornt_aff(turn, grid.shape)
        old_axes = np.argsort(turn[:, 0])  # which of them each new one is
        shape = tuple(grid.shape[axis] for axis in old_axes)
        spacing = grid.spacing
        if spacing is not None:
            spacing = tuple(spacing[axis] for axis in old_axes)
        affine = _affine_after(grid.affine, matrix)
        return replace(grid, shape=shape, spacing=spacing, affine=affine), matrix

    def _turn(self, grid: Grid) -> np.ndarray:
        from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

        if grid.dim != 3 or grid.affine is None:
            raise DataError(
                f"an orientation was asked for a {grid.dim}D signal or one without an affine; "
                "expected a volume that has one"
            )
        return ornt_transform(io_orientation(grid.affine), axcodes2ornt(tuple(self.axes)))

    def _moved(self, image: np.ndarray, grid: Grid, order: int, fill: float) -> np.ndarray:
        from nibabel.orientations import apply_orientation

        return np.ascontiguousarray(apply_orientation(image, self._turn(grid)))


def _check_axes(name: str, shape: tuple[int, ...], grid: Grid) -> None:
    if len(shape) != grid.dim:
        raise DataError(
            f"{name} to a shape of {counted(len(shape), 'axis', 'axes')} {shape}, but the signal "
            f"has {grid.dim}; give "
            f"{counted(grid.dim, 'number')}"
        )


def _affine_after(affine: np.ndarray | None, matrix: np.ndarray) -> np.ndarray | None:
    """An affine ``[4, 4]`` after voxel indices went through ``matrix`` (new to old, of the grid's
    own dimension)."""
    if affine is None:
        return None
    dim = len(matrix) - 1
    full = np.eye(4)
    full[:dim, :dim] = matrix[:-1, :-1]
    full[:dim, 3] = matrix[:-1, -1]
    return affine @ full


def _cut(image: np.ndarray, starts: list[int], shape: tuple[int, ...], fill: float) -> np.ndarray:
    """The block of ``shape`` whose first sample is ``starts``; what lies outside the image is
    ``fill``."""
    kept, pads = [], []
    for start, samples, old in zip(starts, shape, image.shape, strict=True):
        stop = start + samples
        kept.append(slice(max(start, 0), max(stop, 0)))
        pads.append((max(-start, 0), max(stop - old, 0)))
    return np.pad(image[tuple(kept)], pads, constant_values=np.asarray(fill, image.dtype))


def _resized(image: np.ndarray, shape: tuple[int, ...], order: int) -> np.ndarray:
    """Spline interpolation between sample centres that keeps the box (``grid_mode``)."""
    if image.shape == shape:
        return image
    from scipy import ndimage  # here, since it takes a while to import

    factor = np.divide(image.shape, shape)
    if order > 0:
        image = ndimage.gaussian_filter(image, np.maximum(0, (factor - 1) / 2), mode="nearest")
    return np.asarray(ndimage.zoom(image, 1 / factor, order=order, mode="nearest", grid_mode=True))


def _averaged(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """PyTorch's area interpolation: the plain block mean where shapes divide."""
    batch = torch.from_numpy(np.ascontiguousarray(image))[None, None]
    return torch.nn.functional.interpolate(batch, shape, mode="area")[0, 0].numpy()
