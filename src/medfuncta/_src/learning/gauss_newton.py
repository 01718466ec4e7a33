"""The loss as a sum of squares that are nearly linear in the latent: its normal equations.

With r the weighted residuals and J = dr/dphi, L(phi + d) is about |r + J d|^2, which is least where
(J^T J) d = -J^T r. The field sees a latent only through its shifts, and a point's values depend on
the shifts at that point alone, so one backward pass a channel gives J for every point and every
shift.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medfuncta._src.field.objective import Objective
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents, Losses

Unknowns: TypeAlias = Float[Tensor, "batch unknowns"]

_JACOBIAN = (
    2**16
)  # numbers of J that one signal holds at a time: a group of signals stays near the cache
_MATRICES = 2**20  # numbers of J^T J that one group of signals holds
_MOST_SIGNALS = 16  # of a group: more are not faster


class NormalEquations(ABC):
    """What :class:`LeastSquares` knows at some latents, in its own unknowns."""

    losses: Losses
    """|r|^2 of each signal."""
    gradient: Unknowns
    """J^T r."""

    @property
    @abstractmethod
    def mean_diagonal(self) -> Losses:
        """Of J^T J."""

    @abstractmethod
    def solve(self, damping: Losses) -> Unknowns:
        """The step (J^T J + damping)^-1 (-J^T r); not finite where the matrix is singular to
        rounding."""

    @abstractmethod
    def applied(self, change: Unknowns) -> Unknowns:
        """J^T J d."""

    @abstractmethod
    def select(self, rows: Tensor) -> NormalEquations:
        """Those of some signals."""

    @abstractmethod
    def where(self, these: Bool[Tensor, " batch"], others: Any) -> NormalEquations:
        """Row by row these equations or the others, which are of the same type."""

    def predicted_fall(self, change: Unknowns) -> Losses:
        """|r|^2 - |r + J d|^2 of a step d."""
        return -(change * (2 * self.gradient + self.applied(change))).sum(1)


@dataclass(frozen=True, eq=False)
class FullEquations(NormalEquations):
    """With J^T J as a matrix, ``[batch, unknowns, unknowns]``."""

    losses: Losses
    gradient: Unknowns
    matrix: Float[Tensor, "batch unknowns unknowns"]

    @property
    def mean_diagonal(self) -> Losses:
        return self.matrix.diagonal(dim1=1, dim2=2).mean(1)

    def solve(self, damping: Losses) -> Unknowns:
        damped = self.matrix.clone()
        damped.diagonal(dim1=1, dim2=2).add_(damping.unsqueeze(1))
        factor = torch.linalg.cholesky_ex(damped).L
        return torch.cholesky_solve(-self.gradient.unsqueeze(-1), factor).squeeze(-1)

    def applied(self, change: Unknowns) -> Unknowns:
        return (self.matrix @ change.unsqueeze(-1)).squeeze(-1)

    def select(self, rows: Tensor) -> FullEquations:
        return FullEquations(self.losses[rows], self.gradient[rows], self.matrix[rows])

    def where(self, these: Bool[Tensor, " batch"], others: FullEquations) -> FullEquations:
        losses = torch.where(these, self.losses, others.losses)
        gradient = torch.where(these[:, None], self.gradient, others.gradient)
        matrix = torch.where(these[:, None, None], self.matrix, others.matrix)
        return FullEquations(losses, gradient, matrix)


@dataclass(frozen=True, eq=False)
class DiagonalEquations(NormalEquations):
    """With a diagonal in place of J^T J, ``[batch, unknowns]``."""

    losses: Losses
    gradient: Unknowns
    diagonal: Unknowns

    @property
    def mean_diagonal(self) -> Losses:
        return self.diagonal.mean(1)

    def solve(self, damping: Losses) -> Unknowns:
        return -self.gradient / (self.diagonal + damping.unsqueeze(1))

    def applied(self, change: Unknowns) -> Unknowns:
        return self.diagonal * change

    def select(self, rows: Tensor) -> DiagonalEquations:
        return DiagonalEquations(self.losses[rows], self.gradient[rows], self.diagonal[rows])

    def where(self, these: Bool[Tensor, " batch"], others: DiagonalEquations) -> DiagonalEquations:
        losses = torch.where(these, self.losses, others.losses)
        gradient = torch.where(these[:, None], self.gradient, others.gradient)
        diagonal = torch.where(these[:, None], self.diagonal, others.diagonal)
        return DiagonalEquations(losses, gradient, diagonal)


class LeastSquares(ABC):
    """Signals' losses as sums of squares."""

    @abstractmethod
    def at(self, latents: Latents, points: Points) -> NormalEquations:
        """The normal equations of each signal at its latent."""

    @abstractmethod
    def losses(self, latents: Latents, points: Points) -> Losses:
        """Their losses alone."""

    @abstractmethod
    def to_latents(self, change: Unknowns) -> Latents:
        """A change of the unknowns as one of the latents."""


class FieldLeastSquares(LeastSquares):
    """A field's loss (paper, Eq. 5). The unknowns are the entries of the latent, or, where these
    are fewer, what the field's latent map makes of them (a SIREN's shifts): the latent that follows
    from them is the smallest one that has them.

    Args:
        objective: The loss and its derivatives.
        latent_size: P.
        chunk: Points a signal at a time; chosen when None. Changes results by rounding only.
    """

    def __init__(
        self, objective: Objective[Any], latent_size: int, *, chunk: int | None = None
    ) -> None:
        self._objective = objective
        self._latent_map: Tensor | None = None
        self._to_latents: Tensor | None = None
        mapped = objective.latent_map
        columns = latent_size if mapped is None else len(mapped)
        if mapped is not None and columns <= latent_size:
            self._to_latents = _right_inverse(mapped)
        elif mapped is not None:
            self._latent_map = mapped
        self.unknowns = min(columns, latent_size)
        self.group = max(1, min(_MOST_SIGNALS, _MATRICES // self.unknowns**2))
        """Signals that are worth having under way at once."""
        self._chunk = chunk or -(-_JACOBIAN // columns)  # rounded up

    @torch.no_grad()
    def at(self, latents: Latents, points: Points) -> NormalEquations:
        diagonal = self._objective.curvature(latents, points)
        if diagonal is not None:
            found = self._objective.inner_gradient(latents, points)
            return DiagonalEquations(found.losses, found.gradient / 2, diagonal)
        losses = points.weights.new_zeros(points.batch)
        gradient = latents.new_zeros(points.batch, self.unknowns)
        matrix = latents.new_zeros(points.batch, self.unknowns, self.unknowns)
        for chunk in points.chunks(self._chunk):
            for residuals, by_unknowns in self._objective.residuals(latents, chunk):
                jacobian = by_unknowns
                if self._latent_map is not None:
                    jacobian = by_unknowns @ self._latent_map
                losses += residuals.square().sum(1)
                gradient += (jacobian.mT @ residuals.unsqueeze(-1)).squeeze(-1)
                matrix.baddbmm_(jacobian.mT, jacobian)
        return FullEquations(losses, gradient, matrix)

    def losses(self, latents: Latents, points: Points) -> Losses:
        return self._objective.losses(latents, points)

    def to_latents(self, change: Unknowns) -> Latents:
        if self._to_latents is None:
            return change
        return change @ self._to_latents.T


def _right_inverse(wide: Tensor) -> Tensor:
    """R with ``wide @ R = 1`` and columns as small as can be: the pseudo-inverse of a matrix of
    full rank."""
    q, r = torch.linalg.qr(wide.T)
    return torch.linalg.solve_triangular(r.T, q, upper=False, left=False)
