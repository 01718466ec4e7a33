"""The outer optimiser: parameter groups, the rate of each meta-step, clipping and averaging."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from medfuncta._src.config import TrainConfig
from medfuncta._src.field.field import Field

_MUON = (
    5.0  # undoes Muon's own factor of 0.2, so that its steps have the root mean square of Adam's
)


def make_optimisers(field: Field, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """AdamW with one group a layer; with ``"muon"`` the matrices of layers 2..K-1 go to Muon
    instead (Jordan et al. 2024).

    The ``scale`` of a group multiplies the rate of every meta-step. With ``omega_scaled``, and for
    Muon always, layer k has the scale w_1 / w_k: a step of given size, such as Adam's or Muon's,
    moves w W in proportion to w, so equal motion of all layers asks for rates in inverse proportion
    (for SGD it would be w squared; paper, Eq. 3).
    """
    for_adamw, for_muon = [], []
    for group in field.parameter_groups():
        others = list(group.parameters)
        if config.optimiser == "muon" and group.hidden:
            matrices = [parameter for parameter in others if parameter.ndim == 2]
            others = [parameter for parameter in others if parameter.ndim != 2]
            for_muon.append({"params": matrices, "scale": _MUON * group.rate * group.scale})
        by_omega = group.rate if config.omega_scaled else 1.0
        for_adamw.append({"params": others, "scale": by_omega * group.scale})
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            for_adamw, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
    ]
    if for_muon:
        optimisers.append(
            torch.optim.Muon(
                for_muon,
                lr=config.learning_rate,
                weight_decay=config.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    return optimisers


def rate_at(step: int, config: TrainConfig) -> float:
    """beta of meta-step ``step`` (from 0): linear warm-up, then constant or a half cosine that
    reaches zero at the end."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.learning_rate
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def apply_gradients(
    field: Field,
    optimisers: Sequence[torch.optim.Optimizer],
    gradients: Mapping[str, Tensor],
    rate: float,
    clip: float,
) -> float:
    """One step of the optimisers, unless the gradient is not finite.

    Returns:
        The norm of the meta-gradient before clipping; when it is not finite nothing was changed.
    """
    for name, parameter in field.named_parameters():
        parameter.grad = gradients[name]
    norm = float(torch.nn.utils.get_total_norm(list(gradients.values())))
    if math.isfinite(norm):
        if 0 < clip < norm:
            for gradient in gradients.values():
                gradient *= clip / norm
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group["scale"]
            optimiser.step()
    field.zero_grad(set_to_none=True)
    return norm


class WeightAverage:
    """An exponential moving average of the weights, whose memory grows with the training until it
    has the length asked for.

    The n-th update keeps at most (n + 1) / (n + 10) of the average: what was learned in the last
    tenth of the way counts, and the random weights of the start are soon forgotten.

    Args:
        decay: Of one meta-step; 0 makes the average the weights themselves.
    """

    def __init__(self, field: Field, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.weights = (
            {name: p.detach().clone() for name, p in field.named_parameters()} if decay else {}
        )

    @torch.no_grad()
    def update(self, field: Field) -> None:
        """Take the weights of this meta-step in."""
        if self.decay:
            self.updates += 1
            kept = min(self.decay, (self.updates + 1) / (self.updates + 10))
            for name, parameter in field.named_parameters():
                self.weights[name].lerp_(parameter, 1 - kept)

    @torch.no_grad()
    def averaged(self, field: Field) -> Field:
        """A field with the averaged weights; the given one itself when there is no average."""
        if not self.decay:
            return field
        averaged = field.copied()
        for name, parameter in averaged.named_parameters():
            parameter.copy_(self.weights[name])
        return averaged
