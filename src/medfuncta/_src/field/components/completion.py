"""What was not observed of a signal, told from the rest of it before its latent is fitted.

A latent that is fitted to what is left of a signal says nothing sure of a gap: many latents fit.
So values are put into the gaps first: straight lines along the axes between what was observed, and
a correction of these by a network of convolutions, which also sees what the components say of the
gap (:mod:`medfuncta._src.field.components.start`). It is trained beside the meta-gradient, on gaps
that are drawn into training signals, and starts at no correction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn

from medfuncta._src.field.components.config import ComponentsConfig
from medfuncta._src.field.components.interpolation import Interpolation, NodeGrid
from medfuncta._src.field.components.refinement import Refinement
from medfuncta._src.signals.points import BatchPart, Points

Guess: TypeAlias = Callable[[Points], Tensor]
"""What the components say of signals, ``[batch, channels, *nodes]``."""
_SEEN: Final = 0.1
"""Of a node, from which on it counts as observed."""
_FAR: Final = 16.0
"""Nodes to the nearest observed one, from which on it is all the same."""
_WIDEST: Final = 2
"""Convolutions look at every node, then at every second, then at every fourth: across a gap."""
_FLOOR: Final = 1e-5
"""Mean squared error below which a gap is good enough: 50 dB."""


class Completion(nn.Module):
    """Values for the nodes that were not observed.

    Args:
        config: Sizes.
        generator: Where the initial weights are drawn from.
    """

    def __init__(self, config: ComponentsConfig, generator: torch.Generator) -> None:
        super().__init__()
        self._channels = config.channels
        self._grid = NodeGrid(config.nodes, config.box)
        sizes = replace(config, channels=2 * config.channels + 2, layers=config.completion)
        self.correction = Refinement(sizes, generator)
        for number, layer in enumerate(self.correction.hidden):
            _widen(layer, 2 ** min(number, _WIDEST))

    def forward(self, values: Tensor, known: Tensor, guess: Guess) -> Tensor:
        """``[batch, channels, *nodes]``, as they were where ``known[batch, 1, *nodes]``."""
        filled, distance = filled_between(values, known)
        missing = (~known).to(values.dtype)
        with torch.no_grad():
            guessed = guess(self._as_points(values, known)).nan_to_num()  # none was observed
            guessed = torch.where(known, values, guessed)
        hints = [guessed, missing, (distance / _FAR).clamp(max=1.0)]
        correction = self.correction(torch.cat([filled, *hints], dim=1))
        return filled + missing * correction[:, : self._channels]

    def _as_points(self, values: Tensor, known: Tensor) -> Points:
        """The nodes; those that are not known weigh nothing."""
        axes = []
        for axis in range(self._grid.dim):
            axes.append(self._grid.axis(axis, device=values.device, dtype=values.dtype))
        coordinates = torch.cartesian_prod(*axes).reshape(1, -1, self._grid.dim)
        weights = known.flatten(1).to(values.dtype)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1)
        return Points(coordinates, values.flatten(2).transpose(1, 2), weights)

    @torch.no_grad()
    def completed(self, points: Points, guess: Guess) -> Points:
        """The points with values at those that were not observed, which weigh as much as the
        others then; the padding of shorter signals is left alone."""
        missing = points.weights == 0
        if points.coordinates.shape[0] > 1:
            missing = missing & points.coordinates.ne(0).any(-1)  # padding lies at the origin
        if not bool(missing.any()):
            return points
        interpolation = Interpolation(self._grid, points.coordinates)
        nodes = self(*_on_nodes(points, interpolation), guess)
        told = interpolation.read(nodes)
        values = torch.where(missing.unsqueeze(-1), told, points.values)
        counted = (missing | (points.weights > 0)).to(points.weights.dtype)
        return replace(points, values=values, weights=counted / counted.sum(1, keepdim=True))

    def loss(
        self,
        points: Points,
        guess: Guess,
        generator: torch.Generator,
        part: BatchPart | None = None,
    ) -> Tensor:
        """The mean over signals of log L in gaps that are drawn into them, or into all of the batch
        that they are a part of."""
        part = part or BatchPart(0, points.batch, points.batch)
        with torch.no_grad():
            interpolation = Interpolation(self._grid, points.coordinates)
            values, known = _on_nodes(points, interpolation)
            gaps = drawn_gaps(part.of, self._grid.nodes, generator)[part.rows].to(known.device)
        wanted = (known & gaps).to(values.dtype)
        error = (self(values, known & ~gaps, guess) - values).square().mean(1, keepdim=True)
        count = wanted.flatten(1).sum(1)
        losses = (error * wanted).flatten(1).sum(1) / count.clamp(min=1)
        return (losses + _FLOOR).log().mul(count > 0).mean()


def _widen(layer: nn.Module, stride: int) -> None:
    """Let a convolution see nodes so far apart."""
    assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    dim = len(layer.kernel_size)
    layer.dilation = (stride,) * dim  # type: ignore[assignment]
    layer.padding = (stride * (layer.kernel_size[0] // 2),) * dim


def _on_nodes(points: Points, interpolation: Interpolation) -> tuple[Tensor, Tensor]:
    """Values on the nodes, and which of them were observed."""
    observed = (points.weights > 0).to(points.values.dtype).unsqueeze(-1)
    seen = interpolation.spread(observed)
    known = seen > _SEEN
    values = interpolation.spread(points.values * observed) / torch.where(known, seen, 1.0)
    return torch.where(known, values, 0.0), known


def filled_between(values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Values on straight lines between known nodes, and how far the nearest known one is.

    Lines go along every axis on which there is something on either side, or the one value there is;
    the shorter they are, the more they count. What no line reaches is filled from what was filled
    before.

    Args:
        values: ``[batch, channels, *nodes]``.
        known: ``[batch, 1, *nodes]``.

    Returns:
        ``[batch, channels, *nodes]`` and ``[batch, 1, *nodes]``, in nodes along an axis.
    """
    dim = values.ndim - 2
    distance = torch.where(known, 0.0, _FAR).to(values.dtype)
    for number in range(dim):
        total, sureness = torch.zeros_like(values), torch.zeros_like(values[:, :1])
        for axis in range(2, dim + 2):
            line, sure, away = _line(values, known, axis)
            total, sureness = total + sure * line, sureness + sure
            if number == 0:
                distance = torch.minimum(distance, away)
        reached = sureness > 0
        filled = total / torch.where(reached, sureness, 1.0)
        values = torch.where(known, values, filled)
        known = known | reached
    return values, distance


def _line(values: Tensor, known: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Along one axis: values, how sure they are, 0 where nothing is known, and the distance to the
    nearest known node."""
    nodes = values.shape[axis]
    shape = [1] * values.ndim
    shape[axis] = nodes
    place = torch.arange(nodes, device=values.device).reshape(shape)
    before = torch.where(known, place, -1).cummax(axis).values
    after = torch.where(known, place, nodes).flip(axis).cummin(axis).values.flip(axis)
    first, last = before < 0, after >= nodes
    left = torch.where(first, after, before).clamp(0, nodes - 1)
    right = torch.where(last, before, after).clamp(0, nodes - 1)
    length = (right - left).to(values.dtype)
    share = (place - left) / torch.where(length > 0, length, 1.0)
    share = torch.where(length > 0, share, 0.0)
    of_all = (-1, values.shape[1], *[-1] * (values.ndim - 2))
    start = values.gather(axis, left.expand(of_all))
    line = start + share * (values.gather(axis, right.expand(of_all)) - start)
    away = torch.minimum((place - left).abs(), (right - place).abs()).to(values.dtype)
    extent = torch.where(length > 0, length, 2 * away + 1)  # one side alone says less
    sure = torch.where(first & last, 0.0, extent.clamp(min=1).pow(-2))
    return line, sure, torch.where(first & last, _FAR, away)


def drawn_gaps(batch: int, nodes: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Nodes that are taken away, ``[batch, 1, *nodes]``: for each signal single ones, or stretches
    of an axis, or all but every second to fourth of an axis."""
    gaps = torch.zeros(batch, 1, *nodes, dtype=torch.bool)
    for signal in range(batch):
        kind, axis, number = (_whole(count, generator) for count in (4, len(nodes), 3))
        part = float(torch.rand((), generator=generator))
        if kind == 0:
            gaps[signal] = torch.rand(1, *nodes, generator=generator) < 0.1 + 0.5 * part
            continue
        if kind <= 2:
            along = _stretches(nodes[axis], number + 2, 0.15 + 0.2 * part, generator)
        else:
            along = torch.arange(nodes[axis]) % (number + 2) != 0
        shape = [1] * len(nodes)
        shape[axis] = nodes[axis]
        gaps[signal, 0] = along.reshape(shape)
    return gaps


def _stretches(nodes: int, count: int, part: float, generator: torch.Generator) -> Tensor:
    """A part of an axis, in so many stretches of equal length, which may overlap."""
    length = max(1, round(part * nodes / count))
    gaps = torch.zeros(nodes, dtype=torch.bool)
    for _ in range(count):
        start = _whole(max(1, nodes - length), generator)
        gaps[start : start + length] = True
    return gaps


def _whole(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))
