"""The loss of a field of components.

Its values are made on a grid for all points at once, so that points are never taken in parts: what
costs is the grid. Derivatives of the grid's values are PyTorch's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from medfuncta._src.field.components.config import ComponentsConfig
from medfuncta._src.field.components.interpolation import Interpolation, NodeGrid, read
from medfuncta._src.field.components.start import coverage_of
from medfuncta._src.field.objective import InnerGradient, Objective
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Coordinates, Latents, Losses

Sums = dict[str, Tensor]
_TAPE_NUMBERS = 40
"""Numbers that the graph of a gradient keeps for each cell and channel of the refinement, about."""


@runtime_checkable
class OnNodes(Protocol):
    """What is asked of the field: values on the nodes of a grid, and where a latent starts."""

    config: ComponentsConfig
    grid: NodeGrid
    mean: nn.Parameter

    def node_values(self, latents: Latents) -> Tensor:
        """``[batch, channels, *nodes]``."""
        ...

    def most_probable(self, points: Points, interpolation: Interpolation) -> Latents:
        """phi_0."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All that is learned."""
        ...


class ComponentsObjective(Objective[Sums]):
    """The weighted squared error of a field of components.

    Args:
        field: The field.
        channel_mean: Average the squared error over channels instead of summing it.
        autocast: ``"bfloat16"`` for convolutions in that type; ``""`` for the field's own.
    """

    concurrent = True
    by_points = False

    def __init__(self, field: OnNodes, *, channel_mean: bool = False, autocast: str = "") -> None:
        self._field = field
        self._channel_mean = channel_mean
        self._autocast = autocast == "bfloat16"
        self._last = _Last()

    def losses(self, latents: Latents, points: Points) -> Losses:
        with torch.no_grad():
            return self._losses(latents, points)

    def inner_gradient(self, latents: Latents, points: Points, *, keep: int = 0) -> InnerGradient:
        kept = keep >= points.count
        with torch.enable_grad():
            phi = latents.detach().requires_grad_()
            losses = self._losses(phi, points)
            (gradient,) = torch.autograd.grad(losses.sum(), phi, create_graph=kept)
        tape = (phi, gradient) if kept else None
        return InnerGradient(losses.detach(), gradient.detach(), tape)

    def outer_gradient(
        self, latents: Latents, points: Points, scale: float, sums: Sums
    ) -> tuple[Losses, Latents]:
        with torch.enable_grad():
            phi = latents.detach().requires_grad_()
            losses = self._losses(phi, points)
            gradient = self._add(scale * losses.sum(), phi, sums)
        return losses.detach(), gradient

    def directional(
        self, latents: Latents, tangent: Latents, points: Points, sums: Sums, tape: Any = None
    ) -> Latents:
        with torch.enable_grad():
            if tape is None:
                phi = latents.detach().requires_grad_()
                losses = self._losses(phi, points)
                (gradient,) = torch.autograd.grad(losses.sum(), phi, create_graph=True)
            else:
                phi, gradient = tape
            return self._add((gradient * tangent).sum(), phi, sums)

    def back_to_start(self, adjoint: Latents, points: Points, sums: Sums) -> None:
        with torch.enable_grad():
            phi = self._field.most_probable(points, self._interpolation(points.coordinates))
            self._add((phi * adjoint).sum(), phi, sums)

    def step_scale(self, points: Points) -> Tensor | None:
        """The part of the box that was observed: the weights of a signal add up to 1, however
        little there is of it, and what there is of a component then weighs more."""
        last = self._last
        if last.weights is not points.weights:
            with torch.no_grad():
                last.scale = coverage_of(points, self._interpolation(points.coordinates))
            last.weights = points.weights
        return last.scale

    def curvature(self, latents: Latents, points: Points) -> Latents:
        """That of the linear part on all of the box: its components are orthonormal there."""
        del points
        return torch.full_like(latents, self._share)

    def new_sums(self) -> Sums:
        return {name: torch.zeros_like(p) for name, p in self._field.named_parameters()}

    def finish(self, sums: Sequence[Sums]) -> dict[str, Tensor]:
        first, *others = sums
        for other in others:
            for name, total in first.items():
                total += other[name]
        return first

    def tape_bytes(self, points: int) -> int | None:
        config = self._field.config
        width = config.width / config.squeeze**config.dim
        numbers = points * (width + config.channels) * _TAPE_NUMBERS
        return round(numbers) * self._field.mean.element_size()

    @property
    def _share(self) -> float:
        """Of each channel in a loss."""
        return 1 / self._field.config.channels if self._channel_mean else 1.0

    def _losses(self, latents: Latents, points: Points) -> Losses:
        device = latents.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._autocast):
            nodes = self._field.node_values(latents)
        interpolation = self._interpolation(points.coordinates)
        error = read(interpolation, nodes.to(latents.dtype)) - points.values
        return self._share * (error.square().sum(-1) * points.weights).sum(-1)

    def _add(self, scalar: Tensor, phi: Latents, sums: Sums) -> Latents:
        """Derivatives of a number: those by the weights are added to ``sums``, those by ``phi``
        returned."""
        parameters = dict(self._field.named_parameters())
        inputs = [*parameters.values(), phi]
        gradients = torch.autograd.grad(scalar, inputs, allow_unused=True, materialize_grads=True)
        for name, gradient in zip(parameters, gradients, strict=False):
            sums[name] += gradient
        return gradients[-1]

    def _interpolation(self, coordinates: Coordinates) -> Interpolation:
        """How these points are read; that of the last ones is kept, since inner steps, and signals
        of one grid, have the very same."""
        last = self._last
        if last.interpolation is None or last.interpolation.coordinates is not coordinates:
            last.interpolation = Interpolation(self._field.grid, coordinates)
        return last.interpolation


class _Last(threading.local):
    """What was made of the points that a thread saw last."""

    interpolation: Interpolation | None = None
    weights: Tensor | None = None
    scale: Tensor | None = None
