"""One meta-step: what its signals say of the network, and the update that follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from medfuncta._src.field.device import activation_bytes
from medfuncta._src.learning.augment import augmented_points
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.context import WholeBatch, context_points, draw_context
from medfuncta._src.learning.loading import Loading
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.learning.optimiser import apply_gradients, rate_at
from medfuncta._src.learning.outer_loss import outer_derivative
from medfuncta._src.learning.ranks import Ranks
from medfuncta._src.learning.sampler import batch_indices
from medfuncta._src.learning.shared_points import sharing_points
from medfuncta._src.settings import Config
from medfuncta._src.signals.points import BatchPart, Points
from medfuncta._src.signals.signal_set import SignalSet

_SIDE_NORM = 1.0
"""Of the gradient of a field's own loss, at the most: little beside a meta-gradient."""


@dataclass(frozen=True, eq=False)
class StepGradient:
    """What a batch says of the network.

    Args:
        gradients: d(outer loss)/dtheta by parameter name, a mean over its signals.
        side: Of the field's own loss, in the same order; None where it has none.
        losses: ``[batch]`` the outer loss of each signal.
    """

    gradients: dict[str, Tensor]
    side: Sequence[Tensor] | None
    losses: Tensor

    def over(self, ranks: Ranks, part: BatchPart) -> StepGradient:
        """That of the whole batch, of which each rank has a part: one all-reduce."""
        if ranks.count == 1:
            return self
        losses = self.losses.new_zeros(part.of)
        losses[part.rows] = self.losses
        means = [*self.gradients.values(), *(self.side or ())]
        weighted = [mean * (part.count / part.of) for mean in means]
        *summed, losses = ranks.summed([*weighted, losses])
        gradients = dict(zip(self.gradients, summed, strict=False))
        side = None if self.side is None else summed[len(gradients) :]
        return StepGradient(gradients, side, losses)

    def total(self) -> dict[str, Tensor]:
        """Both gradients together; that of the field's own loss is clipped by itself, so that it
        does not shrink the other."""
        if self.side is None:
            return self.gradients
        scale = (_SIDE_NORM / torch.nn.utils.get_total_norm(self.side)).clamp(max=1.0)
        return {
            name: gradient + scale * own
            for (name, gradient), own in zip(self.gradients.items(), self.side, strict=True)
        }


def step_gradient(
    state: TrainingState,
    train: SignalSet,
    config: Config,
    ranks: Ranks,
    load: Loading | None = None,
) -> StepGradient:
    """What the signals of the next meta-step say; nothing of the state changes but the generator,
    and where this is interrupted not even that.

    Args:
        state: The network.
        train: Training signals.
        config: All settings.
        ranks: Who trains.
        load: Of :func:`step_loading`, where several meta-steps are taken.
    """
    drawn = state.generator.get_state()
    try:
        load = load or step_loading(state, train, config, ranks, ahead=False)
        part, points = ranks.part(config.train.batch), load(state.progress.step)
        return _of_part(state, train, config, part, points).over(ranks, part)
    except BaseException:
        state.generator.set_state(drawn)
        raise


def step_loading(
    state: TrainingState,
    train: SignalSet,
    config: Config,
    ranks: Ranks,
    *,
    ahead: bool | None = None,
) -> Loading:
    """What brings the points of this rank's part of each batch to the network's device, by the
    number of the meta-step, read ahead where that is worth it or as ``ahead`` says."""
    read = partial(_step_points, train, config, ranks.part(config.train.batch))
    field = state.field
    return Loading(read, config.train.steps, field.device, field.dtype, ahead=ahead)


def _step_points(train: SignalSet, config: Config, part: BatchPart, step: int) -> Points:
    """The points of a part of the batch of a meta-step: nothing but the arguments says which they
    are."""
    settings = config.train
    indices = batch_indices(len(train), settings.batch, step, settings.seed)[part.rows]
    return augmented_points(train, indices, settings.augment, step, settings.seed, part.first)


def _of_part(
    state: TrainingState, train: SignalSet, config: Config, part: BatchPart, points: Points
) -> StepGradient:
    """That of some signals of the batch; what is drawn does not depend on which they are."""
    field, settings = state.field, config.train
    whole = None
    if part.count < part.of:
        batch = batch_indices(len(train), settings.batch, state.progress.step, settings.seed)
        whole = WholeBatch.of(train, batch, part)
    contexts = [
        draw_context(points, settings, state.generator, whole) for _ in range(settings.inner_steps)
    ]
    objective = field.objective(channel_mean=config.inner.channel_mean, autocast=settings.autocast)
    with torch.no_grad():
        initial = field.initial_latents(context_points(points, contexts[0]))
    result = meta_gradient(
        sharing_points(objective, points),
        initial,
        points,
        contexts,
        config.inner,
        outer=outer_derivative(settings.outer_loss),
        first_order=settings.first_order,
        memory=activation_bytes(settings.memory_mb, field.device),
    )
    side = _side_gradient(state, points, None if whole is None else part)
    gradients = result.gradients
    if side is not None:
        gradients = {name: gradients[name] for name, _ in field.named_parameters()}
    return StepGradient(gradients, side, result.losses)


def _side_gradient(
    state: TrainingState, points: Points, part: BatchPart | None
) -> Sequence[Tensor] | None:
    """The gradient of the field's own loss, where it has one."""
    field = state.field
    with torch.enable_grad():
        if part is None:  # fields of other packages may know of no parts
            loss = field.side_loss(points, state.generator)
        else:
            loss = field.side_loss(points, state.generator, part)
    if loss is None:
        return None
    parameters = list(field.parameters())
    return torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)


def take_step(state: TrainingState, found: StepGradient, config: Config) -> float:
    """Update the network, its average and the progress. A gradient that is not finite changes
    nothing but the count of steps.

    Returns:
        The norm of the meta-gradient.
    """
    progress = state.progress
    rate = rate_of(state, progress.step, config)
    clip = config.train.clip
    norm = apply_gradients(state.field, state.optimisers, found.total(), rate, clip)
    progress.step += 1
    if math.isfinite(norm):
        state.average.update(state.field)
    else:
        progress.skipped += 1
    return norm


def rate_of(state: TrainingState, step: int, config: Config) -> float:
    """beta of a meta-step, halved with each return to the best network."""
    return rate_at(step, config.train) / 2**state.progress.returns
