"""Context sets: which points an inner step sees."""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from medfuncta._src.config import TrainConfig
from medfuncta._src.signals.points import Points

ContextIndex: TypeAlias = Int[Tensor, "batch subset"] | None
"""For each signal the points it sees, or None for all of them. Indices are kept instead of points:
an inner loop remembers them all."""


def draw_context(points: Points, config: TrainConfig, generator: torch.Generator) -> ContextIndex:
    """A fresh context set of ratio gamma for each signal, without repeats.

    ``"random"`` draws points independently of each other (the paper). ``"stratified"`` cuts each
    signal's points into as many stretches of neighbours as it draws points and takes one from each:
    the same ratio with less variance.

    Args:
        points: All points of the batch. A signal with fewer observed points draws fewer; its row is
            filled up with points of weight 0.
        generator: On the CPU, whatever the device of the points, so that a seed means the same
            everywhere.
    """
    if config.context_ratio == 1:
        return None
    observed = (points.weights > 0).cpu()
    available = observed.sum(dim=1, keepdim=True)
    counts = (config.context_ratio * available).round().long().clamp(min=1)
    width = int(counts.max())
    index = (_stratified if config.context == "stratified" else _random)(
        observed, available, counts, width, generator
    )
    surplus = torch.arange(width) >= counts
    unobserved = observed.int().argmin(
        dim=1, keepdim=True
    )  # exists wherever there is a surplus: shorter rows are padded
    index = torch.where(surplus, unobserved, index)
    return index.sort(dim=1).values.to(
        points.values.device
    )  # sorted: neighbours stay neighbours in memory


def _random(
    observed: Tensor, available: Tensor, counts: Tensor, width: int, generator: torch.Generator
) -> Tensor:
    """``width`` different points of every row, observed ones first."""
    keys = torch.rand(observed.shape, generator=generator) - observed.float()
    return keys.topk(width, dim=1, largest=False).indices


def _stratified(
    observed: Tensor, available: Tensor, counts: Tensor, width: int, generator: torch.Generator
) -> Tensor:
    """One point of each of ``counts`` equal stretches of the observed points of every row."""
    observed_first = observed.int().argsort(dim=1, descending=True, stable=True)
    offset = torch.rand(
        len(observed), width, generator=generator, dtype=torch.float64
    )  # float32 cannot tell neighbours among millions
    position = ((torch.arange(width) + offset) * available / counts).long()
    return observed_first.gather(1, position.clamp(max=observed.shape[1] - 1))


def context_points(points: Points, index: ContextIndex) -> Points:
    """The points of a context set."""
    return points if index is None else points.take(index)
