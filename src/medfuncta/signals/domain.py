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
from typing import Any

import numpy as np

from medfuncta.errors import DataError
from medfuncta.types import ArrayCoordinates

COORDINATE_CONVENTION = "longest-side"


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
        DataError: If the shape is empty or a spacing is not positive and finite.
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
        if self.spacing is not None:
            ok = len(self.spacing) == len(self.shape) and all(
                np.isfinite(s) and s > 0 for s in self.spacing
            )
            if not ok:
                raise DataError(
                    f"a spacing of {self.spacing} for shape {self.shape}; expected one positive "
                    "number an axis"
                )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        same_affine = (self.affine is None) == (other.affine is None) and (
            self.affine is None or other.affine is None or np.array_equal(self.affine, other.affine)
        )
        return (self.shape, self.spacing, self.unit) == (
            other.shape,
            other.spacing,
            other.unit,
        ) and same_affine

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON: ``shape``, ``spacing``, ``affine`` (rows), ``unit``."""
        return {
            "shape": list(self.shape),
            "spacing": None if self.spacing is None else list(self.spacing),
            "affine": None if self.affine is None else self.affine.tolist(),
            "unit": self.unit,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Grid:
        """The inverse of :meth:`to_dict`.

        Raises:
            KeyError, TypeError, ValueError: If ``data`` is something else.
            DataError: If the shape is empty or a spacing is not positive and finite.
        """
        spacing, affine = data["spacing"], data["affine"]
        return cls(
            shape=tuple(data["shape"]),
            spacing=None if spacing is None else tuple(spacing),
            affine=None if affine is None else np.reshape(np.asarray(affine, float), (4, 4)),
            unit=data["unit"],
        )

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
        return (
            ((2 * positions + 1) / np.array(self.shape) - 1) * np.array(self.half_sides)
        ).astype(np.float32)

    def with_shape(self, shape: Sequence[int]) -> Grid:
        """The same box sampled at another shape; spacing and affine follow.

        Raises:
            DataError: If the number of axes differs.
        """
        new = tuple(int(n) for n in shape)
        if len(new) != self.dim:
            raise DataError(
                f"a shape of {len(new)} axes {new} for a {self.dim}D signal; give {self.dim} "
                "numbers"
            )
        factor = np.array([old / n for old, n in zip(self.shape, new, strict=True)])
        spacing = (
            None
            if self.spacing is None
            else tuple(float(s * f) for s, f in zip(self.spacing, factor, strict=True))
        )
        affine = None
        if self.affine is not None:
            step = np.eye(4)
            step[range(self.dim), range(self.dim)] = factor
            step[: self.dim, 3] = (
                factor - 1
            ) / 2  # the first new voxel centre, in old voxel indices
            affine = self.affine @ step
        return replace(self, shape=new, spacing=spacing, affine=affine)

    def with_spacing(self, spacing: Sequence[float]) -> Grid:
        """The same box sampled about this far apart; the shape is rounded so that the box stays
        whole."""
        if self.spacing is None:
            raise DataError(
                "a spacing was asked for, but this signal has no physical spacing; give a shape "
                "instead"
            )
        if len(spacing) != self.dim:
            raise DataError(
                f"a spacing of {len(spacing)} numbers for a {self.dim}D signal; give {self.dim}"
            )
        shape = [
            max(1, round(n * old / new))
            for n, old, new in zip(self.shape, self.spacing, spacing, strict=True)
        ]
        return self.with_shape(shape)


@dataclass(frozen=True, eq=False)
class Scatter:
    """Samples at positions of their own, inside a box.

    Args:
        positions: ``[points, dim]`` physical positions.
        low, high: The corners of the box that spans the signal, ``dim`` numbers each. It belongs to
            the signal and not to the samples that happen to be left of it, so that dropping samples
            moves no coordinate.
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
        if (
            not 1 <= dim <= 3
            or len(self.high) != dim
            or not 0 < max(np.subtract(self.high, self.low)) < np.inf
        ):
            raise DataError(
                f"a box from {self.low} to {self.high}; expected two corners of 1 to 3 finite "
                "numbers, the lower one first"
            )
        if self.positions.ndim != 2 or self.positions.shape[1] != dim or not len(self.positions):
            raise DataError(
                f"positions of shape {self.positions.shape}; expected at least one, [points, {dim}]"
            )
        inside = (
            np.isfinite(self.positions)
            & (self.positions >= self.low)
            & (self.positions <= self.high)
        )
        if not inside.all():
            raise DataError(
                f"{int((~inside).sum())} positions outside the box {self.low} to {self.high}; "
                "expected finite positions [points, dim] inside it"
            )

    def __repr__(self) -> str:
        return f"Scatter({self.points} positions from {self.low} to {self.high} {self.unit})"

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


Domain = Grid | Scatter
