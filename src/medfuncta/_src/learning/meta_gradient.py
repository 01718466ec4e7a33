"""The exact gradient of the outer loss through the inner loop, without a stored graph.

With g_t = dL_t/dphi at phi_t, the inner loop is m_{t+1} = mu m_t + g_t, phi_{t+1} = phi_t - alpha
m_{t+1}. Going back from the outer loss at phi_G with adjoints a_t = dL/dphi_t and b_t = dL/dm_t,
each step needs one directional derivative of its full gradient along u:

    u       = b_{t+1} - alpha a_{t+1}
    a_t     = a_{t+1} + d/de grad_phi   L_t(theta, phi_t + e u)
    theta' += d/de grad_theta L_t(theta, phi_t + e u)
    b_t     = mu u

and at the end a_0 dphi_0/dtheta, where phi_0 is not 0 but depends on theta too.

Only the phi_t are remembered (and activations, when a memory budget allows). Signals are
independent of each other through the whole inner loop, so a batch is processed a few signals at a
time: memory depends neither on the batch nor on G, nor, since every term is a sum over points, on
the resolution.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from medfuncta._src.config import InnerConfig
from medfuncta._src.field.objective import Objective
from medfuncta._src.learning.adapt import Adaptation, adapt, scaled
from medfuncta._src.learning.context import ContextIndex, context_points
from medfuncta._src.learning.outer_loss import OuterDerivative
from medfuncta._src.learning.workers import side_by_side, workers_for
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents, Losses


@dataclass(frozen=True, eq=False)
class MetaGradient:
    """Result of one meta-step's differentiation.

    Args:
        gradients: d(outer loss)/dtheta by parameter name, a mean over signals.
        losses: L of each signal at its adapted latent, on its target set.
        latents: phi_G, a row a signal.
    """

    gradients: dict[str, Tensor]
    losses: Losses
    latents: Latents


def meta_gradient(
    objective: Objective[Any],
    initial: Latents,
    targets: Points,
    contexts: Sequence[ContextIndex],
    inner: InnerConfig,
    *,
    outer: OuterDerivative = None,
    first_order: bool = False,
    memory: int = 2**27,
    workers: int | None = None,
) -> MetaGradient:
    """Differentiate the outer loss on ``targets`` after ``len(contexts)`` inner steps.

    Args:
        objective: The loss and its derivatives.
        initial: phi_0; made of the first context where it depends on the signals.
        targets: All points of each signal: the target set, and what contexts are taken from.
        contexts: The context set of each inner step; their number is G.
        inner: alpha, momentum.
        outer: The outer loss, told by its derivative; the mean of L when None.
        first_order: Take the adapted latents for constants (no second-order terms).
        memory: Bytes that kept activations may take. Inner steps beyond it are evaluated again on
            the way back.
        workers: Groups of signals under way at once; as many as PyTorch has threads on the CPU when
            None.
    """
    if not objective.concurrent:
        workers = 1
    workers = min(workers or workers_for(targets.values.device), targets.batch)
    plan = _plan(objective, targets, contexts, memory // workers, workers)
    keep = 0 if first_order else plan.kept_points

    def work(spans: Sequence[tuple[int, int]]) -> tuple[Any, list[tuple[Losses, Latents]]]:
        """What one worker makes of its groups of signals, one after the other."""
        sums = objective.new_sums()
        results = []
        for start, stop in spans:
            group = _Group(
                objective=objective,
                targets=targets.signals(start, stop),
                contexts=[None if index is None else index[start:stop] for index in contexts],
                inner=inner,
                sums=sums,
            )
            adapted = group.adapt(initial[start:stop], keep)
            losses, adjoint = group.outer_gradient(adapted.latents, outer, 1 / targets.batch)
            if not first_order:
                group.back_through(adapted, adjoint)
            results.append((losses, adapted.latents))
        return sums, results

    spans = _spans(targets.batch, plan.groups)
    share = _ceil(len(spans), workers)
    shares = [spans[first : first + share] for first in range(0, len(spans), share)]
    done = side_by_side([partial(work, mine) for mine in shares])
    losses, latents = [], []
    for _, results in done:
        for loss, latent in results:
            losses.append(loss)
            latents.append(latent)
    gradients = objective.finish([sums for sums, _ in done])
    return MetaGradient(gradients, torch.cat(losses), torch.cat(latents))


@dataclass(frozen=True, eq=False)
class _Group:
    """Signals whose inner loop is gone through, there and back, together.

    Args:
        objective: The loss and its derivatives.
        targets: All their points.
        contexts: The context set of each inner step.
        inner: alpha, momentum.
        sums: Where theta's part of the gradient goes.
    """

    objective: Objective[Any]
    targets: Points
    contexts: Sequence[ContextIndex]
    inner: InnerConfig
    sums: Any

    def context(self, step: int) -> Points:
        """The points that an inner step sees."""
        return context_points(self.targets, self.contexts[step])

    def adapt(self, initial: Latents, keep: int) -> Adaptation:
        """The inner loop, with activations of ``keep`` points a signal kept."""
        steps = len(self.contexts)
        return adapt(self.objective, initial, self.context, steps, self.inner, keep=keep)

    def outer_gradient(
        self, latents: Latents, outer: OuterDerivative, scale: float
    ) -> tuple[Losses, Latents]:
        """L of each signal and ``scale`` times d(outer loss)/dphi at the adapted latents."""
        if outer is None:
            return self.objective.outer_gradient(latents, self.targets, scale, self.sums)
        losses = self.objective.losses(latents, self.targets)
        weights = self.targets.weights * outer(losses).unsqueeze(1)
        weighted = replace(self.targets, weights=weights)  # L is linear in the weights
        _, adjoint = self.objective.outer_gradient(latents, weighted, scale, self.sums)
        return losses, adjoint

    def back_through(self, adapted: Adaptation, adjoint: Latents) -> None:
        """Add the second-order terms, from the last inner step to the first."""
        tangent = torch.zeros_like(adjoint)  # mu u of the step after: dL/dm
        for step in reversed(range(len(self.contexts))):
            tangent = self.inner.momentum * tangent - self.inner.step_size * adjoint
            visited = adapted.steps.pop()  # frees the tape once it is used
            context = self.context(step)
            along = scaled(tangent, self.objective.step_scale(context))
            adjoint = adjoint + self.objective.directional(
                visited.latents, along, context, self.sums, visited.tape
            )
        first = self.context(0) if self.contexts else self.targets
        self.objective.back_to_start(adjoint, first, self.sums)


@dataclass(frozen=True)
class _Plan:
    """How the memory is spent.

    Args:
        groups: Into how many groups the signals go, the same number for each worker.
        kept_points: Of how many points a signal activations are kept, those of all inner steps
            together.
    """

    groups: int
    kept_points: int


def _plan(
    objective: Objective[Any],
    targets: Points,
    contexts: Sequence[ContextIndex],
    memory: int,
    workers: int,
) -> _Plan:
    """As few groups as fit into ``memory`` a worker with all activations kept; where not even one
    signal fits, one signal a group and as many of its points as fit."""
    batch = targets.batch
    points = 0
    for index in contexts:
        points += targets.count if index is None else index.shape[1]
    bytes_a_signal = objective.tape_bytes(points)
    if not bytes_a_signal:
        return _Plan(groups=workers, kept_points=0)
    fitting = min(batch, memory // bytes_a_signal)
    if fitting < 1:
        groups = workers * _ceil(batch, workers)
        return _Plan(groups=groups, kept_points=memory * points // bytes_a_signal)
    groups = _even_groups(batch, workers * _ceil(batch, workers * fitting), workers)
    return _Plan(groups=groups, kept_points=points)


def _even_groups(batch: int, least: int, workers: int) -> int:
    """``least`` groups, or up to a quarter more where that makes all of one size: their arrays then
    fit where those of the group before lay."""
    for groups in range(least, least * 5 // 4 + 1, workers):
        if batch % groups == 0:
            return groups
    return least


def _ceil(number: int, divisor: int) -> int:
    """The quotient of two whole numbers, rounded up."""
    return -(-number // divisor)


def _spans(batch: int, groups: int) -> list[tuple[int, int]]:
    """The batch cut into groups of about equal size; none is empty."""
    edges = [index * batch // groups for index in range(groups + 1)]
    return [(start, stop) for start, stop in itertools.pairwise(edges) if start < stop]
