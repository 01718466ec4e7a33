"""Ways of learning a shared network from what latents were adapted to: exactly through the inner
loop, through a part of it, without it, and by other means altogether. Each is one meta-step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.config import InnerConfig
from medfuncta._src.field.field import Field
from medfuncta._src.learning.adapt import adapt
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.context import ContextIndex, context_points, draw_context
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.learning.optimiser import apply_gradients, rate_at
from medfuncta._src.learning.sampler import batch_indices
from medfuncta._src.settings import Config
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.types import Latents

Gradients = dict[str, Tensor]
_DECODED: Final = 160
"""Training signals of the auto-decoder, so that each has its turn some thirty times."""
_LATENT_RATE: Final = 1e-2


@dataclass(frozen=True, eq=False)
class Batch:
    """What a meta-step learns from.

    Args:
        indices: Which signals.
        points: All their points.
        contexts: The points of each inner step.
        initial: phi_0.
    """

    indices: list[int]
    points: Points
    contexts: list[ContextIndex]
    initial: Latents


def drawn(state: TrainingState, train: SignalSet, config: Config) -> Batch:
    """The batch of the next meta-step, the same whatever is learned from it."""
    settings, field = config.train, state.field
    indices = batch_indices(len(train), settings.batch, state.progress.step, settings.seed)
    points = train.points(indices).to(field.device, field.dtype)
    contexts = []
    for _ in range(settings.inner_steps):
        contexts.append(draw_context(points, settings, state.generator))
    return Batch(indices, points, contexts, field.zero_latents(len(indices)))


def exact(field: Field, batch: Batch, config: Config) -> Gradients:
    """Through the whole inner loop, as the paper has it and this package computes it."""
    return _gradient(field, batch.initial, batch, batch.contexts, config)


def first_order(field: Field, batch: Batch, config: Config) -> Gradients:
    """With the adapted latents taken for constants (Finn et al. 2017)."""
    return _gradient(field, batch.initial, batch, batch.contexts, config, first=True)


def truncated(field: Field, batch: Batch, config: Config, *, last: int) -> Gradients:
    """Through the last inner steps only; those before are taken for constant (Shaban et al. 2019).

    Args:
        field: The shared network.
        batch: What is learned from.
        config: All settings.
        last: How many steps.
    """
    objective = field.objective(channel_mean=config.inner.channel_mean)
    early = batch.contexts[: max(0, len(batch.contexts) - last)]
    adapted = adapt(
        objective,
        batch.initial,
        lambda step: context_points(batch.points, early[step]),
        len(early),
        config.inner,
    )
    return _gradient(field, adapted.latents, batch, batch.contexts[len(early) :], config)


def by_autograd(field: Field, batch: Batch, config: Config) -> Gradients:
    """Through the whole inner loop with a stored graph, as the authors' code does; equal to
    :func:`exact` but for rounding."""
    with torch.enable_grad():
        latents = batch.initial.clone().requires_grad_()
        velocity = torch.zeros_like(latents)
        for index in batch.contexts:
            losses = point_losses(field, latents, context_points(batch.points, index), config.inner)
            (step,) = torch.autograd.grad(losses.sum(), latents, create_graph=True)
            velocity = config.inner.momentum * velocity + step
            latents = latents - config.inner.step_size * velocity
        loss = point_losses(field, latents, batch.points, config.inner).mean()
        return _named(field, loss)


def point_losses(field: Field, latents: Latents, points: Points, inner: InnerConfig) -> Tensor:
    """L of each signal, with a graph (paper, Eq. 5)."""
    squares = (field(points.coordinates, latents) - points.values).square()
    per_point = squares.mean(-1) if inner.channel_mean else squares.sum(-1)
    return (per_point * points.weights).sum(-1)


def _gradient(
    field: Field,
    initial: Latents,
    batch: Batch,
    contexts: Sequence[ContextIndex],
    config: Config,
    *,
    first: bool = False,
) -> Gradients:
    found = meta_gradient(
        field.objective(channel_mean=config.inner.channel_mean),
        initial,
        batch.points,
        contexts,
        config.inner,
        first_order=first,
        memory=config.train.memory_mb * 2**20,
    )
    return found.gradients


def _named(field: Field, loss: Tensor) -> Gradients:
    names, parameters = zip(*field.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def apply(state: TrainingState, gradients: Gradients, config: Config) -> None:
    """One step of the optimisers, as a meta-step takes it."""
    rate = rate_at(state.progress.step, config.train)
    norm = apply_gradients(state.field, state.optimisers, gradients, rate, config.train.clip)
    state.progress.step += 1
    if norm < float("inf"):
        state.average.update(state.field)
    else:
        state.progress.skipped += 1


class AutoDecoder:
    """Latents of all training signals are learned together with the network (Park et al. 2019):
    each meta-step moves both by one gradient step. There is no inner loop in training; held-out
    signals are fitted as always.

    Args:
        signals: Training signals.
        latent_size: Numbers of each.
        rate: Of the latents, with Adam.
    """

    def __init__(self, signals: int, latent_size: int, rate: float) -> None:
        generator = torch.Generator().manual_seed(0)
        # Near 0, where a fit begins too; all equal would stay equal in what they share.
        start = 1e-2 * torch.randn(signals, latent_size, generator=generator)
        self._latents = torch.nn.Embedding.from_pretrained(start, freeze=False, sparse=True)
        self._optimiser = torch.optim.SparseAdam(self._latents.parameters(), lr=rate)

    def __call__(self, state: TrainingState, train: SignalSet, config: Config) -> None:
        """One meta-step."""
        field = state.field
        batch = drawn(state, train, config)
        with torch.enable_grad():
            latents = self._latents(torch.tensor(batch.indices)).to(field.device, field.dtype)
            loss = point_losses(field, latents, batch.points, config.inner).mean()
            self._optimiser.zero_grad()
            loss.backward()
        gradients = {}
        for name, parameter in field.named_parameters():
            found = parameter.grad
            gradients[name] = torch.zeros_like(parameter) if found is None else found
        self._optimiser.step()
        apply(state, gradients, config)


class PartAutoDecoder:
    """An auto-decoder of a part of the training signals, which it takes at its first meta-step: a
    latent learns only when its signal's turn comes."""

    def __init__(self) -> None:
        self._decoder: AutoDecoder | None = None
        self._part = np.arange(0)

    def __call__(self, state: TrainingState, train: SignalSet, config: Config) -> None:
        if self._decoder is None:
            self._part = np.unique(np.linspace(0, len(train) - 1, _DECODED).astype(int))
            size = config.field.latent_size
            self._decoder = AutoDecoder(len(self._part), size, rate=_LATENT_RATE)
        self._decoder(state, train.subset(self._part), config)


def reptile(state: TrainingState, train: SignalSet, config: Config, *, inner_rate: float) -> None:
    """Reptile (Nichol et al. 2018): the inner loop moves the latents and a copy of the network by
    plain gradient steps, and the way that the copy went is the meta-gradient.

    Args:
        state: Moved on by one meta-step.
        train: Training signals.
        config: All settings.
        inner_rate: Step size of the copy's weights in the inner loop.
    """
    batch = drawn(state, train, config)
    copy = state.field.copied()
    latents = batch.initial.clone()
    parameters = list(copy.parameters())
    for index in batch.contexts:
        with torch.enable_grad():
            variable = latents.detach().requires_grad_()
            losses = point_losses(copy, variable, context_points(batch.points, index), config.inner)
            # A latent takes its own signal's step; the network that of the mean.
            found = torch.autograd.grad(
                losses.sum(), [variable, *parameters], allow_unused=True, materialize_grads=True
            )
        latents = latents - config.inner.step_size * found[0]
        with torch.no_grad():
            for parameter, gradient in zip(parameters, found[1:], strict=True):
                parameter -= inner_rate * gradient / len(batch.indices)
    moved = dict(copy.named_parameters())
    gradients = {}
    for name, parameter in state.field.named_parameters():
        gradients[name] = (parameter.detach() - moved[name].detach()) / inner_rate
    apply(state, gradients, config)


def stored_bytes(field: Field, batch: Batch, config: Config, *, first: bool = False) -> int:
    """Bytes that autograd keeps for a meta-step with a stored graph: every tensor that it saves on
    the way, once. They do not depend on the machine.

    Args:
        field: The shared network.
        batch: What is learned from.
        config: All settings.
        first: Whether of a first-order step, which keeps the graph of the outer loss only.
    """
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    own = {parameter.untyped_storage().data_ptr() for parameter in field.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        if first:
            with torch.enable_grad():
                latents = batch.initial.clone().requires_grad_()
                loss = point_losses(field, latents, batch.points, config.inner).mean()
                _named(field, loss)
        else:
            by_autograd(field, batch, config)
    return sum(
        tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in own
    )


def tape_bytes(field: Field, batch: Batch, config: Config) -> int | None:
    """Bytes of activations that this package would keep for a meta-step at the most, were its
    budget endless; None for a field that keeps none."""
    points = 0
    for index in batch.contexts:
        points += batch.points.count if index is None else index.shape[1]
    of_signal = field.objective().tape_bytes(points)
    if of_signal is None:
        return None
    return of_signal * len(batch.indices)
