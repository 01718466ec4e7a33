"""The outer optimiser: parameter groups, the rate of each meta-step, clipping and averaging."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from medfuncta.config import TrainConfig
from medfuncta.field.latent_field import LatentField
from medfuncta.field.omega import omegas


def make_optimiser(network: LatentField, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW with one group a layer, whose ``scale`` multiplies the rate of every meta-step.

    With ``omega_scaled`` layer k has the scale w_1 / w_k: a sign-like step such as Adam's moves w W in proportion to w, so equal motion of
    all layers asks for rates in inverse proportion (for SGD it would be w squared; paper, Eq. 3).
    """
    schedule = omegas(network.config)
    modules = [*network.layers, network.last]
    groups = [
        {"params": list(module.parameters()), "scale": schedule[0] / omega if config.omega_scaled else 1.0}
        for module, omega in zip(modules, schedule, strict=True)
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


def rate_at(step: int, config: TrainConfig) -> float:
    """beta of meta-step ``step`` (from 0): linear warm-up, then constant or a half cosine that reaches zero at the end."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.learning_rate
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def apply_gradients(
    network: LatentField, optimiser: torch.optim.Optimizer, gradients: Mapping[str, Tensor], rate: float, clip: float
) -> float:
    """One step of the optimiser, unless the gradient is not finite.

    Returns:
        The norm of the meta-gradient before clipping; when it is not finite nothing was changed.
    """
    for name, parameter in network.named_parameters():
        parameter.grad = gradients[name]
    norm = float(torch.nn.utils.get_total_norm(list(gradients.values())))
    if math.isfinite(norm):
        if 0 < clip < norm:
            for gradient in gradients.values():
                gradient *= clip / norm
        for group in optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return norm


class WeightAverage:
    """An exponential moving average of the weights, with the bias of its start removed.

    Args:
        decay: Of one meta-step; 0 makes the average the weights themselves.
    """

    def __init__(self, network: LatentField, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.sums = {name: torch.zeros_like(p) for name, p in network.named_parameters()} if decay else {}

    @torch.no_grad()
    def update(self, network: LatentField) -> None:
        """Take the weights of this meta-step in."""
        if self.decay:
            self.updates += 1
            for name, parameter in network.named_parameters():
                self.sums[name].lerp_(parameter, 1 - self.decay)

    @torch.no_grad()
    def averaged(self, network: LatentField) -> LatentField:
        """A network with the averaged weights; the given one itself when there is no average yet."""
        if not self.updates:
            return network
        copy = LatentField(network.config).to(network.last.weight)
        correction = 1 - self.decay**self.updates
        for name, parameter in copy.named_parameters():
            parameter.copy_(self.sums[name] / correction)
        return copy
