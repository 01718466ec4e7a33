"""Context sets: which points an inner step sees."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from medfuncta.config import TrainConfig
from medfuncta.signals.points import Points

ContextIndex = Int[Tensor, "batch subset"] | None
"""For each signal the points it sees, or None for all of them. Indices are kept instead of points: an inner loop remembers them all."""


def draw_context(points: Points, config: TrainConfig, generator: torch.Generator) -> ContextIndex:
    """A fresh context set of ratio gamma for each signal, without repeats.

    ``"random"`` draws points independently of each other (the paper). ``"stratified"`` cuts each signal's points into as many stretches of
    neighbours as it draws points and takes one from each: the same ratio with less variance.

    Args:
        points: All points of the batch; those of weight 0 (padding, missing) are drawn only when nothing else is left.
        generator: On the CPU, whatever the device of the points, so that a seed means the same everywhere.
    """
    if config.context_ratio == 1:
        return None
    observed = (points.weights > 0).cpu()
    count = max(1, round(config.context_ratio * int(observed.sum(dim=1).max())))
    if config.context == "stratified":
        index = _stratified(observed, count, generator)
    else:
        keys = torch.rand(observed.shape, generator=generator) - observed.float()  # observed points sort first
        index = keys.topk(count, dim=1, largest=False).indices
    return index.sort(dim=1).values.to(points.values.device)  # sorted: neighbours in memory


def _stratified(observed: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """One of each of ``count`` equal stretches of the observed points of every row."""
    first_observed = observed.int().argsort(dim=1, descending=True, stable=True)
    available = observed.sum(dim=1, keepdim=True)
    offset = torch.rand(len(observed), count, generator=generator)
    position = ((torch.arange(count) + offset) * available / count).long()
    return first_observed.gather(1, position.clamp(max=observed.shape[1] - 1))


def context_points(points: Points, index: ContextIndex) -> Points:
    """The points of a context set."""
    return points if index is None else points.take(index)
