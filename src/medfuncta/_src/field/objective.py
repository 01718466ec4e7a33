"""The loss of a field on points, and the derivatives of it that meta-learning and fitting need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents, Losses

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
    by_points = True
    """Whether half of the points cost half of the time."""

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

    def step_scale(self, points: Points) -> Tensor | None:
        """What the inner step size of each signal is multiplied by, ``[batch, 1]``, where these
        points would make steps too large for some; None where one size suits all. It depends on
        where the points lie, not on parameters or values."""
        del points
        return None

    def back_to_start(self, adjoint: Latents, points: Points, sums: Sums) -> None:
        """Add to ``sums`` the theta part of ``adjoint * d phi_0 / d theta``, where phi_0, made of
        ``points``, depends on theta (:meth:`Field.initial_latents`)."""
        del adjoint, points, sums

    @abstractmethod
    def new_sums(self) -> Sums:
        """Zero sums for gradients with respect to theta."""

    @abstractmethod
    def finish(self, sums: Sequence[Sums]) -> dict[str, Tensor]:
        """Gradients by parameter name, of the sums of all threads together, which are used up."""

    def residuals(
        self, latents: Latents, points: Points
    ) -> Iterator[tuple[Float[Tensor, "batch points"], Float[Tensor, "batch points unknowns"]]]:
        """Of each channel the residuals whose squares add up to L, and their derivatives by the
        unknowns; an array may be written over when the next channel is asked for.

        The unknowns are the entries of the latent, or, with :attr:`latent_map`, what it maps to. A
        field gives these or :meth:`curvature`.
        """
        raise NotImplementedError

    def curvature(self, latents: Latents, points: Points) -> Latents | None:
        """The diagonal of a matrix that stands for J^T J of :meth:`residuals` in Gauss-Newton
        steps, ``[batch, latent]``, for a field whose Jacobian costs too much; None where the
        residuals are to be used."""
        del latents, points
        return None

    @property
    def latent_map(self) -> Float[Tensor, "unknowns latent"] | None:
        """The linear map through which alone a latent acts on the values; None for a field that
        has none, where the unknowns of :meth:`residuals` are the latent itself."""
        return None

    def tape_bytes(self, points: int) -> int | None:
        """Memory of one signal's tape of one inner step with that many points, or None when tapes
        are not made."""
        del points
        return None
