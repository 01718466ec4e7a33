"""The objective of any field, differentiated by ``torch.func``.

It is the reference that hand-written derivatives are compared with, and what every field has that
brings none of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, jvp, vmap

from medfuncta._src.field.objective import InnerGradient, Objective
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents, Losses


class FunctionalObjective(Objective[dict[str, Tensor]]):
    """The weighted squared error of a module ``(coordinates, latents) -> values``.

    Args:
        field: The module. A value must depend on its own coordinate and latent only.
        channel_mean: Average the squared error over channels instead of summing it.
        autocast: ``"bfloat16"`` for matrix products in that type; ``""`` for the field's own.
        chunk: Points a signal that are processed at a time; bounds memory, changes results by
            rounding only.
    """

    def __init__(
        self,
        field: nn.Module,
        *,
        channel_mean: bool = False,
        autocast: str = "",
        chunk: int = 65536,
    ) -> None:
        self._field = field
        self._channel_mean = channel_mean
        self._autocast = autocast == "bfloat16"
        self._chunk = chunk

    @torch.no_grad()
    def losses(self, latents: Latents, points: Points) -> Losses:
        parameters = self._parameters
        return _total(
            self._losses(parameters, latents, chunk) for chunk in points.chunks(self._chunk)
        )

    def inner_gradient(self, latents: Latents, points: Points, *, keep: int = 0) -> InnerGradient:
        del keep
        parameters = self._parameters
        derivative = grad(self._loss_sum, argnums=1, has_aux=True)
        losses, gradients = [], []
        for chunk in points.chunks(self._chunk):
            gradient, loss = derivative(parameters, latents, chunk)
            gradients.append(gradient)
            losses.append(loss)
        return InnerGradient(losses=_total(losses), gradient=_total(gradients))

    def outer_gradient(
        self, latents: Latents, points: Points, scale: float, sums: dict[str, Tensor]
    ) -> tuple[Losses, Latents]:
        parameters = self._parameters
        derivative = grad(self._loss_sum, argnums=(0, 1), has_aux=True)
        losses, gradients = [], []
        for chunk in points.chunks(self._chunk):
            (theta_part, phi_part), loss = derivative(parameters, latents, chunk)
            _add(sums, theta_part, scale)
            gradients.append(phi_part * scale)
            losses.append(loss)
        return _total(losses), _total(gradients)

    def directional(
        self,
        latents: Latents,
        tangent: Latents,
        points: Points,
        sums: dict[str, Tensor],
        tape: Any = None,
    ) -> Latents:
        del tape
        parameters = self._parameters
        derivative = grad(self._loss_sum, argnums=(0, 1), has_aux=True)
        latent_parts = []
        for chunk in points.chunks(self._chunk):

            def gradients(phi: Tensor, chunk: Points = chunk) -> tuple[dict[str, Tensor], Tensor]:
                return derivative(parameters, phi, chunk)[0]

            tangents = jvp(gradients, (latents.contiguous(),), (tangent,))[1]
            theta_part, phi_part = tangents
            _add(sums, theta_part, 1.0)
            latent_parts.append(phi_part)
        return _total(latent_parts)

    @torch.no_grad()
    def residuals(self, latents: Latents, points: Points) -> Iterator[tuple[Tensor, Tensor]]:
        parameters = self._parameters
        coordinates = points.coordinates.expand(points.batch, -1, -1)

        def value(phi: Tensor, coordinate: Tensor) -> tuple[Tensor, Tensor]:
            values = self._values(parameters, coordinate[None, None], phi[None])[0, 0]
            return values, values

        at_one_point = jacrev(value, has_aux=True)
        at_points_of_one_signal = vmap(at_one_point, in_dims=(None, 0))
        jacobian, values = vmap(at_points_of_one_signal)(latents.contiguous(), coordinates)
        share = 1 / values.shape[-1] if self._channel_mean else 1.0
        root = (share * points.weights).sqrt()
        for channel in range(values.shape[-1]):
            difference = values[..., channel] - points.values[..., channel]
            yield root * difference, root.unsqueeze(-1) * jacobian[..., channel, :]

    def new_sums(self) -> dict[str, Tensor]:
        return {name: torch.zeros_like(parameter) for name, parameter in self._parameters.items()}

    def finish(self, sums: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        (only,) = sums  # it is not concurrent
        return only

    @property
    def _parameters(self) -> dict[str, Tensor]:
        return {name: parameter.detach() for name, parameter in self._field.named_parameters()}

    def _values(
        self, parameters: Mapping[str, Tensor], coordinates: Tensor, latents: Tensor
    ) -> Tensor:
        device = coordinates.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._autocast):
            values = functional_call(self._field, dict(parameters), (coordinates, latents))
        return values.to(latents.dtype)

    def _losses(self, parameters: Mapping[str, Tensor], latents: Tensor, points: Points) -> Tensor:
        error = self._values(parameters, points.coordinates, latents) - points.values
        squares = error.square()
        per_point = squares.mean(-1) if self._channel_mean else squares.sum(-1)
        return (per_point * points.weights).sum(-1)

    def _loss_sum(
        self, parameters: Mapping[str, Tensor], latents: Tensor, points: Points
    ) -> tuple[Tensor, Tensor]:
        losses = self._losses(parameters, latents, points)
        return losses.sum(), losses


def _total(parts: Iterable[Tensor]) -> Tensor:
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


def _add(sums: dict[str, Tensor], parts: Mapping[str, Tensor], scale: float) -> None:
    for name, part in parts.items():
        sums[name].add_(part, alpha=scale)
