"""The loss of a field on points, and the three derivatives of it that meta-learning needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp

from medfuncta.signals.points import Points
from medfuncta.types import Latents, Losses

Sums = TypeVar("Sums")


@dataclass(frozen=True, eq=False)
class InnerGradient:
    """What one inner step needs, and what its derivative can reuse.

    Args:
        losses: L_t of each signal.
        gradient: g_t = dL_t/dphi, a row a signal.
        tape: What :meth:`Objective.directional` can reuse, activations only when they were asked
            for; only the objective that made it can read it.
    """

    losses: Losses
    gradient: Latents
    tape: Any = None


class Objective(ABC, Generic[Sums]):
    """L(theta, phi): for each signal the weighted squared error of the field on its points (paper,
    Eq. 5).

    A gradient with respect to theta is summed over signals, inner steps and chunks of points into
    ``Sums``, an object that :meth:`new_sums` makes and :meth:`finish` turns into named gradients.
    Derivatives with respect to phi have one row a signal, which depends on that signal only. No
    method leaves an autograd graph.
    """

    concurrent = False
    """Whether several threads may use it at once, each with sums of its own."""

    @abstractmethod
    def losses(self, latents: Latents, points: Points) -> Losses:
        """L of each signal."""

    @abstractmethod
    def inner_gradient(self, latents: Latents, points: Points, *, keep: int = 0) -> InnerGradient:
        """L and dL/dphi of each signal; activations of at most ``keep`` points a signal are kept
        for :meth:`directional`."""

    @abstractmethod
    def outer_gradient(
        self, latents: Latents, points: Points, scale: float, sums: Sums
    ) -> tuple[Losses, Latents]:
        """L of each signal and ``scale * dL/dphi``; ``scale * dL/dtheta`` is added to ``sums``."""

    @abstractmethod
    def directional(
        self, latents: Latents, tangent: Latents, points: Points, sums: Sums, tape: Any = None
    ) -> Latents:
        """``d/de grad L(theta, phi + e tangent)`` at e = 0: the phi part is returned, the theta
        part added to ``sums``."""

    @abstractmethod
    def new_sums(self) -> Sums:
        """Zero sums for gradients with respect to theta."""

    @abstractmethod
    def finish(self, sums: Sequence[Sums]) -> dict[str, Tensor]:
        """Gradients by parameter name, of the sums of all threads together, which are used up."""

    def tape_bytes(self, points: int) -> int | None:
        """Memory of one signal's tape of one inner step with that many points, or None when tapes
        are not made."""
        del points
        return None


class FunctionalObjective(Objective[dict[str, Tensor]]):
    """Any field, differentiated by ``torch.func``: the reference that faster forms are compared
    with, and the path for other fields.

    Args:
        field: A module ``(coordinates, latents) -> values``.
        channel_mean: Average the squared error over channels instead of summing it.
        chunk: Points a signal that are processed at a time; bounds memory, changes results by
            rounding only.
    """

    def __init__(self, field: nn.Module, *, channel_mean: bool = False, chunk: int = 65536) -> None:
        self._field = field
        self._channel_mean = channel_mean
        self._chunk = chunk

    @property
    def _parameters(self) -> dict[str, Tensor]:
        return {name: parameter.detach() for name, parameter in self._field.named_parameters()}

    def _losses(self, parameters: Mapping[str, Tensor], latents: Tensor, points: Points) -> Tensor:
        values = functional_call(self._field, dict(parameters), (points.coordinates, latents))
        error = (values - points.values).square()
        per_point = error.mean(-1) if self._channel_mean else error.sum(-1)
        return (per_point * points.weights).sum(-1)

    def _loss_sum(
        self, parameters: Mapping[str, Tensor], latents: Tensor, points: Points
    ) -> tuple[Tensor, Tensor]:
        losses = self._losses(parameters, latents, points)
        return losses.sum(), losses

    @torch.no_grad()
    def losses(self, latents: Latents, points: Points) -> Losses:
        return _total(
            self._losses(self._parameters, latents, chunk) for chunk in points.chunks(self._chunk)
        )

    def inner_gradient(self, latents: Latents, points: Points, *, keep: int = 0) -> InnerGradient:
        del keep
        parameters = self._parameters
        derivative = grad(self._loss_sum, argnums=1, has_aux=True)
        parts = [derivative(parameters, latents, chunk) for chunk in points.chunks(self._chunk)]
        return InnerGradient(
            losses=_total(losses for _, losses in parts),
            gradient=_total(gradient for gradient, _ in parts),
        )

    def outer_gradient(
        self, latents: Latents, points: Points, scale: float, sums: dict[str, Tensor]
    ) -> tuple[Losses, Latents]:
        parameters = self._parameters
        derivative = grad(self._loss_sum, argnums=(0, 1), has_aux=True)
        losses, latent_gradient = [], []
        for chunk in points.chunks(self._chunk):
            (theta_part, phi_part), loss = derivative(parameters, latents, chunk)
            _add(sums, theta_part, scale)
            latent_gradient.append(phi_part * scale)
            losses.append(loss)
        return _total(losses), _total(latent_gradient)

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
            _, derivatives = jvp(
                lambda phi, chunk=chunk: derivative(parameters, phi, chunk)[0],
                (latents.contiguous(),),
                (tangent,),
            )[:2]
            theta_part, phi_part = derivatives
            _add(sums, theta_part, 1.0)
            latent_parts.append(phi_part)
        return _total(latent_parts)

    def new_sums(self) -> dict[str, Tensor]:
        return {name: torch.zeros_like(parameter) for name, parameter in self._parameters.items()}

    def finish(self, sums: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        (only,) = sums  # it is not concurrent
        return only


def _total(parts: Any) -> Tensor:
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


def _add(sums: dict[str, Tensor], parts: Mapping[str, Tensor], scale: float) -> None:
    for name, part in parts.items():
        sums[name].add_(part, alpha=scale)
