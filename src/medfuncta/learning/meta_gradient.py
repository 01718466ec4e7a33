"""The exact gradient of the outer loss through the inner loop, without a stored graph.

With g_t = dL_t/dphi at phi_t, the inner loop is m_{t+1} = mu m_t + g_t, phi_{t+1} = phi_t - alpha
m_{t+1}. Going back from the outer loss at phi_G with adjoints a_t = dL/dphi_t and b_t = dL/dm_t,
each step needs one directional derivative of its full gradient along u:

    u       = b_{t+1} - alpha a_{t+1}
    a_t     = a_{t+1} + d/de grad_phi   L_t(theta, phi_t + e u)
    theta' += d/de grad_theta L_t(theta, phi_t + e u)
    b_t     = mu u

Only the phi_t are remembered (and activations, when a memory budget allows). Signals are
independent of each other through the whole inner loop, so a batch is processed a few signals at a
time: memory depends neither on the batch nor on G, nor, since every term is a sum over points, on
the resolution.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from medfuncta.config import InnerConfig
from medfuncta.learning.adapt import adapt
from medfuncta.learning.context import ContextIndex, context_points
from medfuncta.learning.objective import Objective
from medfuncta.learning.workers import side_by_side, workers_for
from medfuncta.signals.points import Points
from medfuncta.types import Latents, Losses


@dataclass(frozen=True, eq=False)
class MetaGradient:
    """Result of one meta-step's differentiation.

    Args:
        gradients: d(mean outer loss)/dtheta by parameter name.
        losses: The outer loss of each signal, on its target set.
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
    first_order: bool = False,
    memory: int = 2**27,
    workers: int | None = None,
) -> MetaGradient:
    """Differentiate the mean outer loss on ``targets`` after ``len(contexts)`` inner steps.

    Args:
        objective: The loss and its derivatives.
        initial: phi_0.
        targets: All points of each signal: the target set, and what contexts are taken from.
        contexts: The context set of each inner step; their number is G.
        inner: alpha, momentum.
        first_order: Take the adapted latents for constants (no second-order terms).
        memory: Bytes that kept activations may take. Inner steps beyond it are evaluated again on
            the way back.
        workers: Groups of signals under way at once; as many as PyTorch has threads on the CPU when
            None.
    """
    workers = (
        min(workers or workers_for(targets.values.device), targets.batch)
        if objective.concurrent
        else 1
    )
    groups, keep = _plan(objective, targets, contexts, memory // workers, workers)
    spans = _spans(targets.batch, groups)

    def work(mine: Sequence[tuple[int, int]]) -> tuple[Any, list[tuple[Losses, Latents]]]:
        sums = objective.new_sums()
        results = []
        for start, stop in mine:
            part = [index if index is None else index[start:stop] for index in contexts]
            scale = 1 / targets.batch
            results.append(
                _there_and_back(
                    objective,
                    initial[start:stop],
                    targets.signals(start, stop),
                    part,
                    inner,
                    sums,
                    keep,
                    first_order,
                    scale,
                )
            )
        return sums, results

    share = -(-len(spans) // workers)
    done = side_by_side(
        [partial(work, spans[first : first + share]) for first in range(0, len(spans), share)]
    )
    losses, latents = zip(*itertools.chain(*(results for _, results in done)), strict=True)
    return MetaGradient(
        objective.finish([sums for sums, _ in done]), torch.cat(losses), torch.cat(latents)
    )


def _there_and_back(
    objective: Objective[Any],
    initial: Latents,
    targets: Points,
    contexts: Sequence[ContextIndex],
    inner: InnerConfig,
    sums: Any,
    keep: int,
    first_order: bool,
    scale: float,
) -> tuple[Losses, Latents]:
    """Inner loop and way back for a group of signals; theta's part goes into ``sums``."""

    def context(step: int) -> Points:
        return context_points(targets, contexts[step])

    adapted = adapt(
        objective, initial, context, len(contexts), inner, keep=0 if first_order else keep
    )
    losses, adjoint = objective.outer_gradient(adapted.latents, targets, scale, sums)
    if first_order:
        return losses, adapted.latents
    tangent = torch.zeros_like(adjoint)  # mu u of the step after: dL/dm
    for step in reversed(range(len(contexts))):
        tangent = inner.momentum * tangent - inner.step_size * adjoint
        visited = adapted.steps.pop()  # frees the tape once it is used
        adjoint = adjoint + objective.directional(
            visited.latents, tangent, context(step), sums, visited.tape
        )
    return losses, adapted.latents


def _plan(
    objective: Objective[Any],
    targets: Points,
    contexts: Sequence[ContextIndex],
    memory: int,
    workers: int,
) -> tuple[int, int]:
    """Into how many groups the signals go, the same number for each worker, and of how many points
    a signal activations are kept, those of all inner steps together.

    Where a few more groups make all equal, it is those: their arrays fit where those of the group
        before lay.
    """
    batch = targets.batch
    points = sum(targets.count if index is None else index.shape[1] for index in contexts)
    size = objective.tape_bytes(points)
    if not size:
        return workers, 0
    signals = min(batch, memory // size)
    if signals >= 1:
        least = workers * -(-batch // (workers * signals))
        return next(
            (groups for groups in range(least, least * 5 // 4 + 1, workers) if batch % groups == 0),
            least,
        ), points
    return workers * -(-batch // workers), memory * points // size


def _spans(batch: int, groups: int) -> list[tuple[int, int]]:
    """The batch cut into groups of about equal size; none is empty."""
    edges = [index * batch // groups for index in range(groups + 1)]
    return [span for span in itertools.pairwise(edges) if span[0] < span[1]]
