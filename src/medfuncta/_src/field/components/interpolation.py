"""Values on a regular grid, read at any point: cubic convolution (Keys 1981), which keeps the
values of the nodes, and the transpose of it.

Reading is linear in the values, so that the transpose is its derivative and the other way round:
:func:`read` and :func:`spread` can be differentiated any number of times.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final

import torch
from torch import Tensor

from medfuncta._src.types import Coordinates, Values

_CHUNK: Final = 2**15
"""Points at a time; changes memory only."""
_ON_A_NODE: Final = 1e-4
"""A coordinate that is this near to a node, in nodes, is taken for one: float32 coordinates of 4096
samples are no finer."""


@dataclass(frozen=True)
class NodeGrid:
    """Nodes at the centres of equal cells that fill a box around 0.

    Args:
        nodes: Along each axis.
        half_sides: Half the length of each side of the box.
    """

    nodes: tuple[int, ...]
    half_sides: tuple[float, ...]

    @property
    def dim(self) -> int:
        return len(self.nodes)

    @property
    def count(self) -> int:
        return prod(self.nodes)

    def axis(self, axis: int, *, device: Any = None, dtype: Any = None) -> Tensor:
        """Coordinates of the nodes along one axis."""
        nodes = self.nodes[axis]
        position = torch.arange(nodes, device=device, dtype=dtype or torch.float32)
        return ((2 * position + 1) / nodes - 1) * self.half_sides[axis]

    def positions(self, coordinates: Tensor, axis: int) -> Tensor:
        """Coordinates along one axis, counted in nodes; beyond the outer nodes, those."""
        nodes = self.nodes[axis]
        position = ((coordinates / self.half_sides[axis] + 1) * nodes - 1) / 2
        return position.clamp(0, nodes - 1)

    def taps(self, coordinates: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """The four nodes along an axis that a value is made of, and their weights, ``[..., 4]``
        each."""
        nodes = self.nodes[axis]
        position = self.positions(coordinates, axis)
        below = position.floor().clamp(max=max(0, nodes - 2))
        index = below.long().unsqueeze(-1) + torch.arange(-1, 3, device=coordinates.device)
        return index.clamp(0, nodes - 1), _keys(position - below)

    def matrix(self, coordinates: Tensor, axis: int) -> Tensor | None:
        """The weights as a matrix ``[points, nodes]``; None where it is the identity."""
        nodes = self.nodes[axis]
        if len(coordinates) == nodes:
            off = self.positions(coordinates, axis) - torch.arange(nodes, device=coordinates.device)
            if bool((off.abs() < _ON_A_NODE).all()):
                return None
        index, weights = self.taps(coordinates, axis)
        matrix = coordinates.new_zeros(len(coordinates), nodes)
        return matrix.scatter_add_(1, index, weights)


def _keys(t: Tensor) -> Tensor:
    """Weights of the nodes at -1, 0, 1 and 2 of a point at ``t`` in [0, 1] (Keys, Eq. 15)."""
    squared, cubed = t * t, t * t * t
    weights = (
        -0.5 * cubed + squared - 0.5 * t,
        1.5 * cubed - 2.5 * squared + 1,
        -1.5 * cubed + 2 * squared + 0.5 * t,
        0.5 * cubed - 0.5 * squared,
    )
    return torch.stack(weights, dim=-1)


class Interpolation:
    """How values at some points follow from those of the nodes.

    Points that are a grid themselves are read axis by axis, others tap by tap.

    Args:
        grid: The nodes.
        coordinates: ``[1, points, dim]`` for all signals, or ``[batch, points, dim]``.
    """

    def __init__(self, grid: NodeGrid, coordinates: Coordinates) -> None:
        self.grid = grid
        self.coordinates = coordinates
        self._rows = _readings(grid, coordinates)

    @property
    def by_axes(self) -> bool:
        """Whether the points of every signal are a grid, and are read axis by axis."""
        return self._rows is not None

    @property
    def on_nodes(self) -> bool:
        """Whether the points are the nodes."""
        if self._rows is None or len(self._rows) > 1:
            return False
        (row,) = self._rows
        return row.padding is None and all(matrix is None for matrix in row.matrices)

    def read(self, nodes: Tensor) -> Values:
        """``[batch, channels, *nodes]`` to ``[batch, points, channels]``."""
        if self._rows is None:
            return self._read_by_taps(nodes)
        if len(self._rows) == 1:
            return self._rows[0].read(nodes)
        signals = [
            row.read(of_signal) for row, of_signal in zip(self._rows, nodes.split(1), strict=True)
        ]
        return torch.cat(signals)

    def spread(self, values: Values) -> Tensor:
        """The transpose of :meth:`read`."""
        if self._rows is None:
            return self._spread_by_taps(values)
        if len(self._rows) == 1:
            return self._rows[0].spread(values)
        signals = [
            row.spread(of_signal)
            for row, of_signal in zip(self._rows, values.split(1), strict=True)
        ]
        return torch.cat(signals)

    def _read_by_taps(self, nodes: Tensor) -> Values:
        flat = nodes.flatten(2).transpose(1, 2).contiguous()
        points = self.coordinates.shape[1]
        values = flat.new_zeros(len(flat), points, flat.shape[2])
        for start in range(0, points, _CHUNK):
            part = values[:, start : start + _CHUNK]
            for index, weights in self._taps(start):
                part += weights.unsqueeze(-1) * _rows(flat, index)
        return values

    def _spread_by_taps(self, values: Values) -> Tensor:
        batch, _, channels = values.shape
        flat = values.new_zeros(batch, self.grid.count, channels)
        for start in range(0, self.coordinates.shape[1], _CHUNK):
            part = values[:, start : start + _CHUNK]
            for index, weights in self._taps(start):
                _add_rows(flat, index, weights.unsqueeze(-1) * part)
        return flat.transpose(1, 2).reshape(batch, channels, *self.grid.nodes)

    def _taps(self, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Flat indices of nodes and their weights, ``[1 or batch, points]`` each, tap by tap, of a
        chunk of the points."""
        part = self.coordinates[:, start : start + _CHUNK]
        axes = [self.grid.taps(part[..., axis], axis) for axis in range(self.grid.dim)]
        for taps in itertools.product(range(4), repeat=self.grid.dim):
            index: Any = 0
            weights: Any = 1
            for axis, tap in enumerate(taps):
                nodes, of_nodes = axes[axis]
                index = index * self.grid.nodes[axis] + nodes[..., tap]
                weights = weights * of_nodes[..., tap]
            yield index, weights


def read(interpolation: Interpolation, nodes: Tensor) -> Values:
    """:meth:`Interpolation.read`, differentiable in the values of the nodes."""
    return _Applied.apply(nodes, interpolation, False)  # type: ignore[no-any-return]


def spread(interpolation: Interpolation, values: Values) -> Tensor:
    """:meth:`Interpolation.spread`, differentiable in the values."""
    return _Applied.apply(values, interpolation, True)  # type: ignore[no-any-return]


class _Applied(torch.autograd.Function):
    """An interpolation or its transpose: each is the derivative of the other."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, interpolation: Interpolation, transposed: bool) -> Tensor:
        ctx.interpolation, ctx.transposed = interpolation, transposed
        return interpolation.spread(values) if transposed else interpolation.read(values)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Any:  # type: ignore[override]
        return _Applied.apply(cotangent, ctx.interpolation, not ctx.transposed), None, None


@dataclass(frozen=True, eq=False)
class _GridReading:
    """How the points of one signal, which are a grid, are read axis by axis.

    Args:
        matrices: One an axis, ``[points along it, nodes]``; None where it is the identity.
        shape: Points along each axis.
        padding: How the origin is read, which stands behind the points of a signal that has fewer
            than others; None where there is nothing behind them.
        padded: How many such points there are.
    """

    matrices: list[Tensor | None]
    shape: tuple[int, ...]
    padding: _GridReading | None = None
    padded: int = 0

    def read(self, nodes: Tensor) -> Values:
        """``[batch, channels, *nodes]`` to ``[batch, points, channels]``."""
        values = _along_axes(nodes, self.matrices).flatten(2).transpose(1, 2)
        if self.padding is None:
            return values
        behind = self.padding.read(nodes).expand(-1, self.padded, -1)
        return torch.cat([values, behind], dim=1)

    def spread(self, values: Values) -> Tensor:
        """The transpose of :meth:`read`."""
        batch, _, channels = values.shape
        own = values[:, : prod(self.shape)]
        transposed = [None if matrix is None else matrix.T for matrix in self.matrices]
        samples = own.transpose(1, 2).reshape(batch, channels, *self.shape)
        nodes = _along_axes(samples, transposed)
        if self.padding is None:
            return nodes
        behind = values[:, prod(self.shape) :].sum(1, keepdim=True)
        return nodes + self.padding.spread(behind)


def _readings(grid: NodeGrid, coordinates: Coordinates) -> list[_GridReading] | None:
    """One for each row of coordinates, be it that of all signals or of one; None where the points
    of one are no grid."""
    origin = _reading(grid, coordinates.new_zeros(1, grid.dim))
    rows = []
    for points in coordinates:
        count = _without_padding(points)
        row = _reading(grid, points[:count])
        if row is None:
            return None
        if count < len(points):
            row = replace(row, padding=origin, padded=len(points) - count)
        rows.append(row)
    return rows


def _without_padding(points: Tensor) -> int:
    """How many points there are before those at the end that are all at the origin."""
    elsewhere = points.ne(0).any(1).nonzero()
    return int(elsewhere[-1]) + 1 if len(elsewhere) else 1


def _reading(grid: NodeGrid, points: Tensor) -> _GridReading | None:
    """None where the points are no grid, or not in its order."""
    axes = _axes_of(points)
    shape = tuple(len(axis) for axis in axes)
    if prod(shape) != len(points):
        return None
    product = torch.cartesian_prod(*axes).reshape(len(points), grid.dim)
    if not torch.equal(product, points):
        return None
    return _GridReading([grid.matrix(along, axis) for axis, along in enumerate(axes)], shape)


def _axes_of(points: Tensor) -> list[Tensor]:
    """Coordinates along each axis, if these are the points of a grid in its order, the last axis
    first."""
    axes: list[Tensor] = []
    stride, dim = 1, points.shape[1]
    for axis in reversed(range(dim)):
        along = points[::stride, axis]
        if axis:
            changed = points[::stride, axis - 1].ne(points[0, axis - 1]).nonzero()
            along = along[: int(changed[0])] if len(changed) else along
        axes.insert(0, along)
        stride *= max(1, len(along))
    return axes


def along_axis(values: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """``[batch, channels, *axes]`` with a matrix ``[new, old]`` applied along one axis."""
    last = values.ndim - 1
    return (values.transpose(axis + 2, last) @ matrix.T).transpose(axis + 2, last)


def _along_axes(values: Tensor, matrices: Sequence[Tensor | None]) -> Tensor:
    """The same along every axis; None stands for the identity."""
    for axis, matrix in enumerate(matrices):
        if matrix is not None:
            values = along_axis(values, matrix, axis)
    return values


def _rows(flat: Tensor, index: Tensor) -> Tensor:
    """``flat[batch, nodes, channels]`` at ``index[1 or batch, points]``."""
    if index.shape[0] == 1:
        return flat[:, index[0]]
    return flat.gather(1, index.unsqueeze(-1).expand(-1, -1, flat.shape[2]))


def _add_rows(flat: Tensor, index: Tensor, values: Tensor) -> None:
    """The transpose of :func:`_rows`, added to ``flat``."""
    if index.shape[0] == 1:
        flat.index_add_(1, index[0], values)
    else:
        flat.scatter_add_(1, index.unsqueeze(-1).expand_as(values), values)
