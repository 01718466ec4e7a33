"""Where the points of a signal lie: on a grid or scattered, and how that becomes coordinates in
[-1, 1].

Convention ``"longest-side"``: the box that the samples fill (half a spacing beyond the outer sample
centres) is centred on 0 and its longest physical side spans [-1, 1]; the other sides keep their
physical proportion. Where no spacing is known, each axis spans [-1, 1] by itself. Samples are voxel
centres, so decoding at another resolution covers the same box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from numbers import Real
from typing import Annotated, Any, Final, Literal, TypeAlias

import numpy as np
from msgspec import Meta

from medfuncta._src.door.declared import Fault, convert, convert_known, plain
from medfuncta._src.door.limits import MAX_POINTS, Name, Shape
from medfuncta._src.door.wording import counted, shown
from medfuncta._src.errors import DataError
from medfuncta._src.types import ArrayCoordinates

Convention: TypeAlias = Literal["longest-side"]
COORDINATE_CONVENTION: Final[Convention] = "longest-side"


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid of samples.

    Args:
        shape: Samples along each axis, length ``dim`` (1, 2 or 3).
        spacing: Physical distance between neighbours along each axis (seconds in 1D, millimetres in
            2D and 3D), or None.
        affine: ``[4, 4]`` matrix from voxel index to world coordinates in millimetres (NIfTI,
            RAS+), or None.
        unit: Unit of ``spacing``: ``"s"``, ``"mm"`` or ``""``.

    Raises:
        DataError: If the shape is empty, a spacing is not positive and finite, or the affine is
            not a finite ``[4, 4]``.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None = None
    affine: np.ndarray | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.shape) <= 3 or min(self.shape) < 1:
            raise DataError(
                f"a grid of shape {self.shape}; expected 1 to 3 axes with at least one sample each"
            )
        if self.spacing is not None and not self._is_spacing(self.spacing):
            raise DataError(
                f"a spacing of {self.spacing} for shape {self.shape}; expected one positive "
                "number an axis"
            )
        affine = self.affine
        if affine is not None and (affine.shape != (4, 4) or not np.isfinite(affine).all()):
            raise DataError("a grid's affine is not a 4 x 4 matrix of finite numbers; repair it")

    def _is_spacing(self, spacing: tuple[float, ...]) -> bool:
        positive = all(isinstance(s, Real) and 0 < s < np.inf for s in spacing)
        return len(spacing) == len(self.shape) and positive

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        ours = (self.shape, self.spacing, self.unit)
        theirs = (other.shape, other.spacing, other.unit)
        if self.affine is None or other.affine is None:
            return ours == theirs and self.affine is other.affine
        return ours == theirs and np.array_equal(self.affine, other.affine)

    def is_close(self, other: Grid) -> bool:
        """Whether samples lie in the same places but for rounding, to a hundredth of a sample."""
        if self.shape != other.shape or self.unit != other.unit:
            return False
        if self.affine is None or other.affine is None:
            if self.affine is not other.affine or (self.spacing is None) != (other.spacing is None):
                return False
            return self.spacing is None or np.allclose(self.spacing, other.spacing or (), rtol=1e-4)
        away = np.linalg.inv(self.affine) @ other.affine - np.eye(4)
        sides = np.array([*(n - 1 for n in self.shape), *(1,) * (4 - self.dim)], float)
        return bool((np.abs(away[: self.dim]) @ sides <= 0.01).all())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON: ``shape``, ``spacing``, ``affine`` (rows), ``unit``."""
        plain: dict[str, Any] = {
            "shape": list(self.shape),
            "spacing": None,
            "affine": None,
            "unit": self.unit,
        }
        if self.spacing is not None:
            plain["spacing"] = list(self.spacing)
        if self.affine is not None:
            plain["affine"] = self.affine.tolist()
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Grid:
        """The inverse of :meth:`to_dict`.

        Raises:
            MedFunctaError: If ``data`` is something else, or a shape is empty or beyond any
                signal's.
        """
        plain = convert_known(dict(data), _PlainGrid, "the grid")
        affine = None
        if plain.affine is not None:
            affine = np.array(plain.affine, float)
        return cls(plain.shape, plain.spacing, affine, plain.unit)

    @property
    def dim(self) -> int:
        return len(self.shape)

    @property
    def points(self) -> int:
        return prod(self.shape)

    @property
    def half_sides(self) -> tuple[float, ...]:
        """Half the length of each side of the box in coordinates; the longest is 1."""
        if self.spacing is None:
            return (1.0,) * self.dim
        sides = [n * s for n, s in zip(self.shape, self.spacing, strict=True)]
        return tuple(side / max(sides) for side in sides)

    def coordinates(self) -> ArrayCoordinates:
        """Coordinates of all samples, ``[points, dim]`` float32, the last axis running fastest."""
        return self.coordinates_of(np.arange(self.points))

    def coordinates_of(self, index: np.ndarray) -> ArrayCoordinates:
        """Coordinates of the samples with these flat indices (C order), ``[len(index), dim]``;
        never builds the whole grid."""
        return self.coordinates_at(np.stack(np.unravel_index(index, self.shape), axis=-1))

    def coordinates_at(self, positions: np.ndarray) -> ArrayCoordinates:
        """Coordinates of positions in voxel indices, ``[points, dim]``; they may lie between
        samples or outside the box."""
        along_sides = (2 * positions + 1) / np.array(self.shape) - 1
        return (along_sides * np.array(self.half_sides)).astype(np.float32)

    def with_shape(self, shape: Sequence[int]) -> Grid:
        """The same box sampled at another shape; spacing and affine follow.

        Raises:
            DataError: If the number of axes differs, or one is not a whole number of at least 1.
        """
        new = _whole(shape)
        if len(new) != self.dim:
            raise DataError(
                f"a shape of {counted(len(new), 'axis', 'axes')} {new} for a {self.dim}D signal; "
                f"give {self.dim} "
                "numbers"
            )
        factor = np.array([old / n for old, n in zip(self.shape, new, strict=True)])
        spacing, affine = self.spacing, self.affine
        if spacing is not None:
            spacing = tuple((np.array(spacing) * factor).tolist())
        if affine is not None:
            step = np.eye(4)
            step[range(self.dim), range(self.dim)] = factor
            first_centre = (factor - 1) / 2  # of the new voxels, in old voxel indices
            step[: self.dim, 3] = first_centre
            affine = affine @ step
        return replace(self, shape=new, spacing=spacing, affine=affine)

    def with_spacing(self, spacing: Sequence[float]) -> Grid:
        """The same box sampled about this far apart; the shape is rounded so that the box stays
        whole.

        Raises:
            DataError: If this grid has no spacing, or the number of axes differs, or a distance is
                not positive.
        """
        if self.spacing is None:
            raise DataError(
                "a spacing was asked for, but this signal has no physical spacing; give a shape "
                "instead"
            )
        if len(spacing) != self.dim:
            raise DataError(
                f"a spacing of {counted(len(spacing), 'number')} for a {self.dim}D signal; give "
                f"{self.dim}"
            )
        if not self._is_spacing(tuple(spacing)):
            raise DataError(f"a spacing of {shown(spacing)}; expected one positive number an axis")
        shape = []
        for samples, old, new in zip(self.shape, self.spacing, spacing, strict=True):
            wanted = samples * old / new
            if not wanted <= MAX_POINTS:
                raise DataError(
                    f"a spacing of {new:g} for {counted(samples, 'sample')} {old:g} apart asks for "
                    f"{wanted:.3g} samples; expected at most {MAX_POINTS:,} along an axis"
                )
            shape.append(max(1, round(wanted)))
        return self.with_shape(shape)


def _whole(shape: Any) -> tuple[int, ...]:
    """A shape, once all of its numbers are known to be such; numbers of NumPy's become Python's.

    Raises:
        DataError: If one is not.
    """
    try:
        return convert(plain(list(shape)), Shape, "a shape")
    except (Fault, TypeError) as error:
        raise DataError(
            f"a shape of {shown(shape)}; expected 1 to 3 whole numbers from 1 to {MAX_POINTS:,}"
        ) from error


Spacing: TypeAlias = Annotated[
    tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=1, max_length=3)
]
"""A distance along each axis, as a file may state it."""
_Row: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True)
class _PlainGrid:
    """A grid in JSON."""

    shape: Shape
    spacing: Spacing | None
    affine: tuple[_Row, _Row, _Row, _Row] | None
    unit: Name


@dataclass(frozen=True, eq=False)
class Scatter:
    """Samples at positions of their own, inside a box.

    Args:
        positions: ``[points, dim]`` physical positions.
        low: The lowest corner of the box that spans the signal, ``dim`` numbers. The box belongs to
            the signal and not to the samples that happen to be left of it, so that dropping samples
            moves no coordinate.
        high: Its highest corner.
        unit: Unit of the positions.

    Raises:
        DataError: If a position lies outside the box or is not finite, there is none, or the box
            has no extent.
    """

    positions: np.ndarray
    low: tuple[float, ...]
    high: tuple[float, ...]
    unit: str = ""

    def __post_init__(self) -> None:
        dim = len(self.low)
        sound = 1 <= dim <= 3 and len(self.high) == dim
        if not sound or not 0 < max(np.subtract(self.high, self.low)) < np.inf:
            raise DataError(
                f"a box from {self.low} to {self.high}; expected two corners of 1 to 3 finite "
                "numbers, the lower one first"
            )
        positions = self.positions
        if positions.ndim != 2 or positions.shape[1] != dim or not len(positions):
            raise DataError(
                f"positions of shape {positions.shape}; expected at least one, [points, {dim}]"
            )
        inside = (positions >= self.low) & (positions <= self.high) & np.isfinite(positions)
        if not inside.all():
            raise DataError(
                f"{int((~inside).sum())} positions outside the box {self.low} to {self.high}; "
                "expected finite positions [points, dim] inside it"
            )

    def __repr__(self) -> str:
        return f"Scatter({self.points} positions from {self.low} to {self.high} {self.unit})"

    def to_dict(self) -> dict[str, Any]:
        """The box as plain data, for JSON: ``low``, ``high``, ``unit``. Positions are many numbers
        and are kept as an array beside it."""
        return {"low": list(self.low), "high": list(self.high), "unit": self.unit}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], positions: np.ndarray) -> Scatter:
        """The inverse of :meth:`to_dict`, told the positions.

        Raises:
            MedFunctaError: If ``data`` is something else, or the positions do not lie in its box.
        """
        box = convert_known(dict(data), _PlainBox, "the box")
        return cls(positions, box.low, box.high, box.unit)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of values without channels: ``(points,)``."""
        return (len(self.positions),)

    @property
    def dim(self) -> int:
        return len(self.low)

    @property
    def points(self) -> int:
        return len(self.positions)

    def coordinates(self) -> ArrayCoordinates:
        """Coordinates of all samples, ``[points, dim]`` float32."""
        return self.coordinates_of(np.arange(self.points))

    def coordinates_of(self, index: np.ndarray) -> ArrayCoordinates:
        """Coordinates of the samples with these indices."""
        low, high = np.asarray(self.low), np.asarray(self.high)
        return ((2 * self.positions[index] - low - high) / (high - low).max()).astype(np.float32)


@dataclass(frozen=True)
class _PlainBox:
    """The box of scattered samples in JSON."""

    low: Annotated[tuple[float, ...], Meta(min_length=1, max_length=3)]
    high: Annotated[tuple[float, ...], Meta(min_length=1, max_length=3)]
    unit: Name


Domain: TypeAlias = Grid | Scatter
