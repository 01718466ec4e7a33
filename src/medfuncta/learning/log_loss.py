"""The logarithm of the loss as the outer loss: what training then raises is the mean PSNR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from torch import Tensor

from medfuncta.learning.objective import InnerGradient, Objective
from medfuncta.signals.points import Points
from medfuncta.types import Latents, Losses

Sums = TypeVar("Sums")

_LEAST = 1e-12  # 120 dB: a signal that is reconstructed exactly must not outweigh all others


class LogLoss(Objective[Sums]):
    """An objective whose outer loss is log L instead of L. Inner steps, and the losses it reports,
    are those of L.

    Its gradient is that of L divided by L, signal by signal: a signal that is good already counts
        as much as one that is not, as it does
    in a mean of decibels. Costs one forward pass on the target set.

    Args:
        objective: L.
    """

    def __init__(self, objective: Objective[Sums]) -> None:
        self._objective = objective
        self.concurrent = objective.concurrent

    def losses(self, latents: Latents, points: Points) -> Losses:
        return self._objective.losses(latents, points)

    def inner_gradient(self, latents: Latents, points: Points, *, keep: int = 0) -> InnerGradient:
        return self._objective.inner_gradient(latents, points, keep=keep)

    def outer_gradient(
        self, latents: Latents, points: Points, scale: float, sums: Sums
    ) -> tuple[Losses, Latents]:
        losses = self._objective.losses(latents, points)
        divided = replace(points, weights=points.weights / losses.clamp(min=_LEAST).unsqueeze(1))
        return losses, self._objective.outer_gradient(latents, divided, scale, sums)[1]

    def directional(
        self, latents: Latents, tangent: Latents, points: Points, sums: Sums, tape: Any = None
    ) -> Latents:
        return self._objective.directional(latents, tangent, points, sums, tape)

    def new_sums(self) -> Sums:
        return self._objective.new_sums()

    def finish(self, sums: Sequence[Sums]) -> dict[str, Tensor]:
        return self._objective.finish(sums)

    def tape_bytes(self, points: int) -> int | None:
        return self._objective.tape_bytes(points)
