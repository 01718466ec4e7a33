"""What omega does to learning: networks whose ``w W`` are equal, and the rates that keep them so.

A layer computes ``sin(w (W h + b + M phi + m))``, which depends on ``w W`` and its like only, the
*effective* weights. With A = w W, a step of W by ``-tau d`` moves A by ``-w tau d``. Of gradient
descent d = dL/dW = w dL/dA, so that A moves by ``-w^2 tau dL/dA``; of Adam and of Muon d does not
depend on the size of the gradient, so that A moves by ``-w tau d``. Two networks with equal A thus
stay equal where w^2 tau, or w tau, is equal, layer by layer (paper, Eq. 3, for gradient descent).

Three things break it, and none of them is here: clipping by the norm of the whole gradient, which
is that of W and not of A; weight decay, which shrinks A by tau without w; and Adam's epsilon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.field.field import Field
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField

EXPONENTS: Final = {"sgd": 2, "adam": 1, "muon": 1}
"""Of w in what keeps two networks equal: ``w^exponent tau`` by optimiser."""
_NO_EPSILON: Final = 1e-30


def effective_weights(field: SirenField) -> list[Tensor]:
    """w W, w b, w M and w m of each layer, and the last layer's own weights."""
    found = []
    for layer in field.siren_layers:
        for parameter in layer.parameters():
            found.append(layer.omega * parameter.detach())
    return found + [parameter.detach().clone() for parameter in field.last.parameters()]


@torch.no_grad()
def with_constant_omega(field: SirenField, *, shifts: bool = True) -> SirenField:
    """A network with the first layer's omega in every layer and the same effective weights.

    Args:
        field: One with a schedule; not changed.
        shifts: Whether the shift maps are scaled too; else they are those of the schedule as they
            are, and thus of a smaller effect in deeper layers.
    """
    config = cast(SirenConfig, field.config)
    constant = replace(config, omega_last=config.omega_first, omega_increment=None)
    twin = SirenField(constant, torch.Generator().manual_seed(0)).to(field.device, field.dtype)
    twin.load_state_dict(field.state_dict())
    for own, theirs in zip(twin.siren_layers, field.siren_layers, strict=True):
        ratio = theirs.omega / own.omega
        for parameter in own.linear.parameters():
            parameter *= ratio
        if shifts and own.shift is not None:
            for parameter in own.shift.parameters():
                parameter *= ratio
    return twin


def layerwise_optimisers(
    field: SirenField, kind: str, rate: float, scales: Sequence[float]
) -> list[torch.optim.Optimizer]:
    """Optimisers without weight decay, with a rate for each layer.

    Args:
        field: The network.
        kind: ``"sgd"``, ``"adam"``, or ``"muon"`` (matrices of hidden layers; Adam for the rest).
        rate: Of the first and the last layer.
        scales: What it is multiplied by, one a layer, the last one included.

    Raises:
        ConfigError: If there is no such kind.
    """
    if kind not in EXPONENTS:
        raise ConfigError(f"unknown optimiser '{kind}'; {suggest(kind, EXPONENTS)}")
    others: list[dict[str, Any]] = []
    matrices: list[dict[str, Any]] = []
    modules: list[nn.Module] = [*field.siren_layers, field.last]
    for index, (module, scale) in enumerate(zip(modules, scales, strict=True)):
        hidden = 0 < index < len(modules) - 1
        of_muon = []
        rest = []
        for parameter in module.parameters():
            if kind == "muon" and hidden and parameter.ndim == 2:
                of_muon.append(parameter)
            else:
                rest.append(parameter)
        others.append({"params": rest, "scale": scale})
        if of_muon:
            matrices.append({"params": of_muon, "scale": scale})
    if kind == "sgd":
        return [torch.optim.SGD(others, lr=rate)]
    optimisers: list[torch.optim.Optimizer] = [torch.optim.Adam(others, lr=rate, eps=_NO_EPSILON)]
    if matrices:
        optimisers.append(ExactMuon(matrices, lr=rate))
    return optimisers


class ExactMuon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) in the type of the weights. PyTorch's own rounds to bfloat16, and
    what it makes of a gradient then depends a little on the gradient's size.

    Args:
        parameters: Matrices, or groups of them.
        lr: Root mean square of a step, about.
        momentum: Of the gradients, with a look ahead as Nesterov's.
    """

    def __init__(self, parameters: Any, lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix."""
        del closure
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(matrix)
                velocity = state["velocity"].lerp_(matrix.grad, 1 - group["momentum"])
                ahead = matrix.grad.lerp(velocity, group["momentum"])
                size = max(matrix.shape) ** 0.5
                matrix.add_(orthogonalised(ahead), alpha=-group["lr"] * size)


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """A matrix with its singular values moved towards 1, by Newton and Schulz's iteration with the
    coefficients of Jordan et al. 2024; 0 stays 0."""
    tall = matrix.shape[0] > matrix.shape[1]
    result = matrix.T if tall else matrix
    result = result / result.norm().clamp(min=_NO_EPSILON)
    for _ in range(steps):
        square = result @ result.T
        result = 3.4445 * result + (-4.7750 * square + 2.0315 * square @ square) @ result
    return result.T if tall else result


def rate_scales(field: Field, reference: float, exponent: float) -> list[float]:
    """``(w_k / reference)^exponent`` of each layer, 1 for the last one, whose omega is in its first
    weights only."""
    scales = [(omega / reference) ** exponent for omega in field.omegas]
    scales[-1] = 1.0
    return scales


def distance(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """How far two lists of weights lie apart, relative to the size of the first."""
    apart = sum(float((a - b).square().sum()) for a, b in zip(one, other, strict=True))
    size = sum(float(a.square().sum()) for a in one)
    return (apart / size) ** 0.5
