"""Few large signals on many cores: their points are shared out, where otherwise whole signals
are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from medfuncta._src.field.objective import InnerGradient, Objective
from medfuncta._src.learning.workers import side_by_side, workers_for
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents, Losses

Sums = TypeVar("Sums")
Result = TypeVar("Result")

_WORTH: Final = 8192
"""Points for each core, all signals together, from which sharing them out gains more than it
costs."""


def sharing_points(objective: Objective[Any], points: Points) -> Objective[Any]:
    """The objective itself, or one that shares points out among the cores when there are more cores
    than signals to keep them busy."""
    cores = workers_for(points.values.device)
    few, large = points.batch < cores, points.batch * points.count >= _WORTH * cores
    worth = objective.concurrent and objective.by_points and few and large
    return SharedPoints(objective, cores) if worth else objective


class SharedPoints(Objective[list[Sums]]):
    """An objective each of whose evaluations goes on on several cores at once, on a part of the
    points each.

    Every loss and derivative is a sum over points, so that the parts add up to the whole.

    Args:
        objective: One that several threads may use at once.
        cores: Into how many parts points are cut.
    """

    def __init__(self, objective: Objective[Sums], cores: int) -> None:
        self._objective = objective
        self._cores = cores

    def losses(self, latents: Latents, points: Points) -> Losses:
        return _sum(self._on_parts(points, lambda part, _: self._objective.losses(latents, part)))

    def inner_gradient(self, latents: Latents, points: Points, *, keep: int = 0) -> InnerGradient:
        of_part = keep // self._cores
        parts = self._on_parts(
            points, lambda part, _: self._objective.inner_gradient(latents, part, keep=of_part)
        )
        return InnerGradient(
            _sum([part.losses for part in parts]),
            _sum([part.gradient for part in parts]),
            [part.tape for part in parts],
        )

    def outer_gradient(
        self, latents: Latents, points: Points, scale: float, sums: list[Sums]
    ) -> tuple[Losses, Latents]:
        parts = self._on_parts(
            points,
            lambda part, core: self._objective.outer_gradient(latents, part, scale, sums[core]),
        )
        losses, gradients = zip(*parts, strict=True)
        return _sum(losses), _sum(gradients)

    def directional(
        self, latents: Latents, tangent: Latents, points: Points, sums: list[Sums], tape: Any = None
    ) -> Latents:
        def work(part: Points, core: int) -> Latents:
            return self._objective.directional(
                latents, tangent, part, sums[core], None if tape is None else tape[core]
            )

        return _sum(self._on_parts(points, work))

    def back_to_start(self, adjoint: Latents, points: Points, sums: list[Sums]) -> None:
        self._objective.back_to_start(adjoint, points, sums[0])

    def step_scale(self, points: Points) -> Tensor | None:
        return self._objective.step_scale(points)

    def curvature(self, latents: Latents, points: Points) -> Latents | None:
        return self._objective.curvature(latents, points)

    def residuals(self, latents: Latents, points: Points) -> Iterator[tuple[Tensor, Tensor]]:
        return self._objective.residuals(latents, points)

    @property
    def latent_map(self) -> Tensor | None:
        return self._objective.latent_map

    def new_sums(self) -> list[Sums]:
        return [self._objective.new_sums() for _ in range(self._cores)]

    def finish(self, sums: Sequence[list[Sums]]) -> dict[str, Tensor]:
        return self._objective.finish([one for of_cores in sums for one in of_cores])

    def tape_bytes(self, points: int) -> int | None:
        return self._objective.tape_bytes(points)

    def _on_parts(self, points: Points, work: Callable[[Points, int], Result]) -> list[Result]:
        """What ``work`` makes of each part of the points, and of the number of the core that it is
        for."""
        parts = points.chunks(-(-points.count // self._cores))
        return side_by_side([partial(work, part, core) for core, part in enumerate(parts)])


def _sum(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)
