"""The inner loop: gradient steps on the latents with the shared network held still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from medfuncta._src.config import InnerConfig
from medfuncta._src.field.objective import Objective
from medfuncta._src.learning.shared_points import sharing_points
from medfuncta._src.learning.workers import side_by_side, workers_for
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents, Losses


@dataclass(frozen=True, eq=False)
class InnerStep:
    """One inner step: phi_t before it, the context loss there, and what its derivative can
    reuse."""

    latents: Latents
    losses: Losses
    tape: Any


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The latents after the last inner step, and the way to them."""

    latents: Latents
    steps: list[InnerStep]


def adapt(
    objective: Objective[Any],
    latents: Latents,
    context: Callable[[int], Points],
    steps: int,
    inner: InnerConfig,
    *,
    keep: int = 0,
) -> Adaptation:
    """``steps`` inner steps (paper, Eq. 4): m <- momentum * m + g, phi <- phi - alpha * m, with g =
    dL/dphi (times :meth:`Objective.step_scale`).

    Each signal's loss is its own, so its latent never depends on its batch mates, and a signal with
    NaN values spoils its own row only.

    Args:
        latents: phi_0, not changed.
        context: The points that step t sees.
        keep: Of how many points a signal to keep activations for the meta-gradient, those of the
            last steps first.
    """
    path: list[InnerStep] = []
    velocity: Latents | None = None
    for step in range(steps):
        points = context(step)
        points_of_later_steps = (steps - 1 - step) * points.count
        keep_here = max(0, keep - points_of_later_steps)
        found = objective.inner_gradient(latents, points, keep=keep_here)
        path.append(InnerStep(latents, found.losses, found.tape))
        gradient = scaled(found.gradient, objective.step_scale(points))
        if velocity is None:
            velocity = gradient
        else:
            velocity = inner.momentum * velocity + gradient
        latents = latents - inner.step_size * velocity
    return Adaptation(latents, path)


def scaled(rows: Latents, scale: torch.Tensor | None) -> Latents:
    """Rows times a number each, or as they are where there is none."""
    if scale is None:
        return rows
    return scale * rows


def adapt_to(
    objective: Objective[Any], latents: Latents, points: Points, steps: int, inner: InnerConfig
) -> Latents:
    """The latents after ``steps`` inner steps on all points; on the CPU, signals, or their points,
    are shared out among the cores."""
    objective = sharing_points(objective, points)

    def work(mine: Latents, points: Points) -> Latents:
        return adapt(objective, mine, lambda _: points, steps, inner).latents

    if not objective.concurrent:
        return work(latents, points)
    return on_all_cores(work, latents, points)


def on_all_cores(
    work: Callable[[Latents, Points], Latents], latents: Latents, points: Points
) -> Latents:
    """What ``work`` makes of the latents of some signals; on the CPU, the signals are shared out
    among the cores."""
    share = -(-points.batch // workers_for(points.values.device))  # rounded up
    tasks = []
    for start in range(0, points.batch, share):
        stop = min(start + share, points.batch)
        tasks.append(partial(work, latents[start:stop], points.signals(start, stop)))
    return torch.cat(side_by_side(tasks))
