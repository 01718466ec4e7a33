"""The loss as a sum of squares that are nearly linear in the latent: its normal equations.

With r the weighted residuals and J = dr/dphi, L(phi + d) is about |r + J d|^2, which is least where (J^T J) d = -J^T r. The field sees a
latent only through its shifts, and a point's values depend on the shifts at that point alone, so one backward pass a channel gives J for
every point and every shift.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medfuncta.field.latent_field import LatentField
from medfuncta.signals.points import Points
from medfuncta.types import Latents, Losses

Unknowns: TypeAlias = Float[Tensor, "batch unknowns"]

_JACOBIAN = 2**18  # numbers of J that one signal holds at a time
_MATRICES = 2**20  # numbers of J^T J that one group of signals holds
_MOST_SIGNALS = 16  # of a group: more are not faster


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """What :class:`LeastSquares` knows at some latents, in its own unknowns.

    Args:
        losses: |r|^2 of each signal.
        gradient: J^T r.
        matrix: J^T J.
    """

    losses: Losses
    gradient: Unknowns
    matrix: Float[Tensor, "batch unknowns unknowns"]

    @property
    def mean_diagonal(self) -> Losses:
        return self.matrix.diagonal(dim1=1, dim2=2).mean(1)

    def solve(self, damping: Losses) -> Unknowns:
        """The step (J^T J + damping)^-1 (-J^T r); not finite where the matrix is singular to rounding."""
        damped = self.matrix.clone()
        damped.diagonal(dim1=1, dim2=2).add_(damping.unsqueeze(1))
        factor = torch.linalg.cholesky_ex(damped).L
        return torch.cholesky_solve(-self.gradient.unsqueeze(-1), factor).squeeze(-1)

    def predicted_fall(self, change: Unknowns) -> Losses:
        """|r|^2 - |r + J d|^2 of a step d."""
        return -(change * (2 * self.gradient + (self.matrix @ change.unsqueeze(-1)).squeeze(-1))).sum(1)

    def select(self, rows: Tensor) -> NormalEquations:
        """Those of some signals."""
        return NormalEquations(self.losses[rows], self.gradient[rows], self.matrix[rows])

    def where(self, these: Bool[Tensor, " batch"], others: NormalEquations) -> NormalEquations:
        """Row by row these equations or the others."""
        losses = torch.where(these, self.losses, others.losses)
        gradient = torch.where(these[:, None], self.gradient, others.gradient)
        return NormalEquations(losses, gradient, torch.where(these[:, None, None], self.matrix, others.matrix))


class LeastSquares(ABC):
    """Signals' losses as sums of squares."""

    @abstractmethod
    def at(self, latents: Latents, points: Points) -> NormalEquations:
        """The normal equations of each signal at its latent."""

    @abstractmethod
    def to_latents(self, change: Unknowns) -> Latents:
        """A change of the unknowns as one of the latents."""


class FieldLeastSquares(LeastSquares):
    """A field's loss (paper, Eq. 5). The unknowns are the entries of the latent, or the shifts where these are fewer: a latent follows
    from them as the smallest one that has them.

    Args:
        field: The shared network.
        channel_mean: Average the squared error over channels instead of summing it.
    """

    @torch.no_grad()
    def __init__(self, field: LatentField, *, channel_mean: bool = False) -> None:
        self._field = field
        self._scale = 1 / field.config.channels if channel_mean else 1.0
        shift_map = torch.cat([layer.shift.weight for layer in field.siren_layers if layer.shift is not None])  # [all shifts, latent]
        shifts, latent = shift_map.shape
        self._to_shifts = None if shifts <= latent else shift_map
        self._to_latents = _right_inverse(shift_map) if shifts <= latent else None
        self.unknowns = min(shifts, latent)
        self.group = max(1, min(_MOST_SIGNALS, _MATRICES // self.unknowns**2))
        """Signals that are worth having under way at once."""
        self._chunk = -(-_JACOBIAN // shifts)

    @torch.no_grad()
    def at(self, latents: Latents, points: Points) -> NormalEquations:
        losses = points.weights.new_zeros(points.batch)
        gradient = latents.new_zeros(points.batch, self.unknowns)
        matrix = latents.new_zeros(points.batch, self.unknowns, self.unknowns)
        for chunk in points.chunks(self._chunk):
            root = (self._scale * chunk.weights).sqrt().unsqueeze(-1)
            for residuals, jacobian in self._derivatives(latents, chunk):
                residuals = residuals.unsqueeze(-1) * root
                jacobian = jacobian * root if self._to_shifts is None else (jacobian @ self._to_shifts) * root
                losses += residuals.square().sum((1, 2))
                gradient += (jacobian.mT @ residuals).squeeze(-1)
                matrix.baddbmm_(jacobian.mT, jacobian)
        return NormalEquations(losses, gradient, matrix)

    def to_latents(self, change: Unknowns) -> Latents:
        return change if self._to_latents is None else change @ self._to_latents.T

    def _derivatives(self, latents: Latents, points: Points) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each channel the residuals ``[batch, points]`` and their derivatives by all shifts, ``[batch, points, shifts]``."""
        shared = [None if shift is None else shift.expand(-1, points.count, -1) for shift in self._field.shifts(latents)]
        shifts = [shift.requires_grad_() for shift in shared if shift is not None]
        with torch.enable_grad():
            values = self._field.from_shifts(points.coordinates, shared)
        for channel in range(values.shape[-1]):
            with torch.enable_grad():
                total = values[..., channel].sum()  # a value depends on the shifts at its own point only
            jacobian = torch.autograd.grad(total, shifts, retain_graph=channel + 1 < values.shape[-1])
            yield (values[..., channel] - points.values[..., channel]).detach(), torch.cat(jacobian, dim=-1)


def _right_inverse(wide: Tensor) -> Tensor:
    """R with ``wide @ R = 1`` and columns as small as can be: the pseudo-inverse of a matrix of full rank."""
    q, r = torch.linalg.qr(wide.T)
    return torch.linalg.solve_triangular(r.T, q, upper=False, left=False)
