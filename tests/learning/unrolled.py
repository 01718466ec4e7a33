"""The meta-gradient by autograd through the unrolled inner loop, and small float64 fields and
points to take it of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from medfuncta._src.config import InnerConfig, TrainConfig
from medfuncta._src.field.field import Field
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.learning.context import ContextIndex, context_points, draw_context
from medfuncta._src.signals.points import Points


def make_field(config: SirenConfig, seed: int = 0) -> SirenField:
    return SirenField(config, torch.Generator().manual_seed(seed)).double()


def make_points(
    config: SirenConfig, batch: int = 3, count: int = 20, seed: int = 1, *, shared: bool = False
) -> Points:
    generator = torch.Generator().manual_seed(seed)
    rows = 1 if shared else batch
    coordinates = (
        torch.rand(rows, count, config.dim, generator=generator, dtype=torch.float64) * 2 - 1
    )
    values = torch.rand(batch, count, config.channels, generator=generator, dtype=torch.float64)
    weights = torch.rand(batch, count, generator=generator, dtype=torch.float64)
    weights[:, -3:] = 0
    return Points(coordinates, values, weights / weights.sum(1, keepdim=True))


def draw(points: Points, steps: int, ratio: float = 0.5, seed: int = 2) -> list[ContextIndex]:
    generator = torch.Generator().manual_seed(seed)
    return [draw_context(points, TrainConfig(context_ratio=ratio), generator) for _ in range(steps)]


def unrolled_loss(
    field: nn.Module,
    parameters: dict[str, Tensor],
    points: Points,
    contexts: Sequence[ContextIndex],
    inner: InnerConfig,
    latent_size: int,
    of_losses: Callable[[Tensor], Tensor] = Tensor.mean,
) -> Tensor:
    """The outer loss, a number from those of the signals, with an autograd graph through the whole
    inner loop, written out plainly."""

    def losses(latents: Tensor, some: Points) -> Tensor:
        error = (
            functional_call(field, parameters, (some.coordinates, latents)) - some.values
        ).square()
        error = error.mean(-1) if inner.channel_mean else error.sum(-1)
        return (error * some.weights).sum(-1)

    first = context_points(points, contexts[0])
    named = {f"field.{name}": parameter for name, parameter in parameters.items()}
    latents = functional_call(_Initial(field, latent_size), named, (first,))
    if not latents.requires_grad:
        latents.requires_grad_()
    velocity = torch.zeros_like(latents)
    for index in contexts:
        context = context_points(points, index)
        (gradient,) = torch.autograd.grad(
            losses(latents, context).sum(), latents, create_graph=True
        )
        scale = field.objective().step_scale(context) if isinstance(field, Field) else None
        if scale is not None:
            gradient = scale * gradient
        velocity = inner.momentum * velocity + gradient
        latents = latents - inner.step_size * velocity
    return of_losses(losses(latents, points))


class _Initial(nn.Module):
    """phi_0 with other parameters."""

    def __init__(self, field: nn.Module, latent_size: int) -> None:
        super().__init__()
        self.field = field
        self._latent_size = latent_size

    def forward(self, points: Points) -> Tensor:
        if isinstance(self.field, Field):
            return self.field.initial_latents(points).clone()
        return points.values.new_zeros(points.batch, self._latent_size)


def relative_error(got: dict[str, Tensor], expected: Sequence[Tensor]) -> float:
    a, b = (
        torch.cat([g.flatten() for g in got.values()]),
        torch.cat([e.flatten() for e in expected]),
    )
    return float((a - b).norm() / b.norm())


def reference(
    field: SirenField,
    points: Points,
    contexts: Sequence[ContextIndex],
    inner: InnerConfig,
    of_losses: Callable[[Tensor], Tensor] = Tensor.mean,
) -> list[Tensor]:
    parameters = {name: p.detach().clone().requires_grad_() for name, p in field.named_parameters()}
    loss = unrolled_loss(
        field, parameters, points, contexts, inner, field.config.latent_size, of_losses
    )
    return list(torch.autograd.grad(loss, list(parameters.values())))
