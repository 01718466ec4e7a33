"""Levenberg-Marquardt steps on the latents: far fewer evaluations than gradient steps need, and a
lower loss in the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medfuncta._src.learning.adapt import on_all_cores
from medfuncta._src.learning.gauss_newton import (
    FieldLeastSquares,
    LeastSquares,
    NormalEquations,
    Unknowns,
)
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents, Losses

_FIRST_GROWTH = (
    2.0  # of the damping after a step that lowered nothing; doubles with each further one in a row
)
_HOPELESS = 2.0**8  # growth after seven of them: what is left to win is rounding
_EASING = (
    0.1,
    2.0,
)  # what the damping is multiplied by after a step that was taken, at the least and at the most


@dataclass(frozen=True, eq=False)
class Refinement:
    """Latents and their losses; NaN for a signal whose loss was not finite at the start."""

    latents: Latents
    losses: Losses


@torch.no_grad()
def refine(
    problem: LeastSquares,
    latents: Latents,
    points: Points,
    steps: int,
    *,
    tolerance: float = 0.0,
    damping: float = 0.1,
) -> Refinement:
    """Up to ``steps`` damped Gauss-Newton steps for each signal, each taken only if it lowers the
    signal's loss.

    The damping follows the ratio of the loss's fall to the predicted one (Nielsen 1999; Madsen,
    Nielsen and Tingleff 2004, algorithm 3.16). Each signal has its own, and leaves the batch when
    it is done, so that it never depends on its batch mates.

    Args:
        problem: The losses as sums of squares.
        latents: Where to start; not changed.
        points: What to fit.
        steps: Steps at the most.
        tolerance: A signal is done when a step that was taken lowers its loss by no more than this
            part of it.
        damping: At the start, as a multiple of the mean diagonal of the normal equations.

    Returns:
        Latents that are never worse than the start.
    """
    equations = problem.at(latents, points)
    here = _Position(
        latents,
        equations,
        damping * equations.mean_diagonal,
        torch.full_like(equations.losses, _FIRST_GROWTH),
    )
    going = equations.losses.isfinite()
    best = Refinement(
        torch.where(going.unsqueeze(1), latents, torch.nan),
        torch.where(going, equations.losses, torch.nan),
    )
    under_way = torch.arange(points.batch, device=latents.device)
    for steps_after in reversed(range(steps)):
        if not going.all():
            left = going.nonzero().squeeze(1)
            under_way, here, points = under_way[left], here.select(left), points.select(left)
        if not len(under_way):
            break
        if not steps_after:
            best.latents[under_way], best.losses[under_way] = _last_step(problem, here, points)
            break
        before, here = here, _step(problem, here, points)
        best.latents[under_way], best.losses[under_way] = here.latents, here.equations.losses
        fall = before.equations.losses - here.equations.losses
        settled = (fall > 0) & (fall <= tolerance * before.equations.losses)
        going = ~settled & (here.growth < _HOPELESS)
    return best


def refine_to(
    problem: FieldLeastSquares,
    latents: Latents,
    points: Points,
    steps: int,
    *,
    tolerance: float = 0.0,
) -> Latents:
    """The latents of :func:`refine`, a few signals at a time, on the CPU on all cores."""

    def work(mine: Latents, points: Points) -> Latents:
        starts = range(0, points.batch, problem.group)
        groups = [
            (mine[start : start + problem.group], points.signals(start, start + problem.group))
            for start in starts
        ]
        return torch.cat(
            [refine(problem, *group, steps, tolerance=tolerance).latents for group in groups]
        )

    return on_all_cores(work, latents, points)


@dataclass(frozen=True, eq=False)
class _Position:
    """Where the signals under way are, and the damping of each and its growth should the next step
    fail."""

    latents: Latents
    equations: NormalEquations
    damping: Losses
    growth: Losses

    def proposal(self, problem: LeastSquares) -> tuple[Unknowns, Latents]:
        """The step that the damping allows, and where it leads."""
        change = self.equations.solve(self.damping)
        return change, self.latents + problem.to_latents(change)

    def select(self, rows: Tensor) -> _Position:
        return _Position(
            self.latents[rows], self.equations.select(rows), self.damping[rows], self.growth[rows]
        )


def _step(problem: LeastSquares, here: _Position, points: Points) -> _Position:
    """The next position of each signal, or the same one with more damping."""
    equations = here.equations
    change, latents = here.proposal(problem)
    there = problem.at(latents, points)
    fall = equations.losses - there.losses
    taken = fall > 0  # False for NaN
    ratio = fall / equations.predicted_fall(change)
    easing = (1 - (2 * ratio - 1) ** 3).clamp(*_EASING)
    return _Position(
        torch.where(taken.unsqueeze(1), latents, here.latents),
        there.where(taken, equations),
        here.damping * torch.where(taken, easing, here.growth),
        torch.where(taken, _FIRST_GROWTH, 2 * here.growth),
    )


def _last_step(problem: LeastSquares, here: _Position, points: Points) -> tuple[Latents, Losses]:
    """Latents and losses of each signal's next position, after which no equations are needed."""
    _, latents = here.proposal(problem)
    losses, before = problem.losses(latents, points), here.equations.losses
    taken = losses < before  # False for NaN
    return torch.where(taken.unsqueeze(1), latents, here.latents), torch.where(
        taken, losses, before
    )
