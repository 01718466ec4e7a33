"""Context sets: which points an inner step sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from medfuncta._src.config import TrainConfig
from medfuncta._src.signals.points import BatchPart, Points
from medfuncta._src.signals.signal_set import SignalSet

ContextIndex: TypeAlias = Int[Tensor, "batch subset"] | None
"""For each signal the points it sees, or None for all of them. Indices are kept instead of points:
an inner loop remembers them all."""


@dataclass(frozen=True, eq=False)
class WholeBatch:
    """The batch that the signals of one process are a part of: what is drawn for a signal does not
    depend on how many processes there are.

    Args:
        part: Which of its signals are here.
        points: Of its longest signal, padding included.
        observed: ``[of, 1]`` how many points of each of its signals were observed.
    """

    part: BatchPart
    points: int
    observed: Tensor

    @classmethod
    def of(cls, signals: SignalSet, indices: Sequence[int], part: BatchPart) -> WholeBatch:
        """The batch of these signals of a set."""
        longest = max(signals.headers[index].domain.points for index in indices)
        observed = torch.tensor(signals.observed_counts(indices)).unsqueeze(1)
        return cls(part, longest, observed)

    def own(self, drawn: Tensor, width: int) -> Tensor:
        """The rows of the signals that are here, of what was drawn for all."""
        return drawn[self.part.rows, :width]


def draw_context(
    points: Points,
    config: TrainConfig,
    generator: torch.Generator,
    whole: WholeBatch | None = None,
) -> ContextIndex:
    """A fresh context set of ratio gamma for each signal, without repeats.

    ``"random"`` draws points independently of each other (the paper). ``"stratified"`` cuts each
    signal's points into as many stretches of neighbours as it draws points and takes one from each:
    the same ratio with less variance.

    Args:
        points: All points of the batch. A signal with fewer observed points draws fewer; its row is
            filled up with points of weight 0.
        generator: On the CPU, whatever the device of the points, so that a seed means the same
            everywhere.
        whole: The batch, where ``points`` are those of a part of it.
    """
    if config.context_ratio == 1:
        return None
    observed = (points.weights > 0).cpu()
    available = observed.sum(dim=1, keepdim=True)
    if whole is None:
        whole = WholeBatch(BatchPart(0, points.batch, points.batch), points.count, available)
    counts = _counts(available, config)
    width = int(counts.max())
    if config.context == "stratified":
        widest = int(_counts(whole.observed, config).max())
        index = _stratified(observed, available, counts, widest, generator, whole)
    else:
        index = _random(observed, width, generator, whole)
    surplus = torch.arange(width) >= counts
    unobserved = observed.int().argmin(
        dim=1, keepdim=True
    )  # exists wherever there is a surplus: shorter rows are padded
    index = torch.where(surplus, unobserved, index)
    return index.sort(dim=1).values.to(
        points.values.device
    )  # sorted: neighbours stay neighbours in memory


def _counts(available: Tensor, config: TrainConfig) -> Tensor:
    """How many points each signal draws of those that were observed."""
    return (config.context_ratio * available).round().long().clamp(min=1)


def _random(observed: Tensor, width: int, generator: torch.Generator, whole: WholeBatch) -> Tensor:
    """``width`` different points of every row, observed ones first."""
    drawn = torch.rand(whole.part.of, whole.points, generator=generator)
    keys = whole.own(drawn, observed.shape[1]) - observed.float()
    return keys.topk(width, dim=1, largest=False).indices


def _stratified(
    observed: Tensor,
    available: Tensor,
    counts: Tensor,
    widest: int,
    generator: torch.Generator,
    whole: WholeBatch,
) -> Tensor:
    """One point of each of ``counts`` equal stretches of the observed points of every row."""
    observed_first = observed.int().argsort(dim=1, descending=True, stable=True)
    drawn = torch.rand(
        whole.part.of, widest, generator=generator, dtype=torch.float64
    )  # float32 cannot tell neighbours among millions
    offset = whole.own(drawn, int(counts.max()))
    position = ((torch.arange(offset.shape[1]) + offset) * available / counts).long()
    return observed_first.gather(1, position.clamp(max=observed.shape[1] - 1))


def context_points(points: Points, index: ContextIndex) -> Points:
    """The points of a context set."""
    return points if index is None else points.take(index)
