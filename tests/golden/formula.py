"""Parameters, values and contexts by formula, so that no file of weights is needed to make two
programs compute the same thing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import torch
from torch import Tensor


def wave(shape: Iterable[int], scale: float, phase: float) -> Tensor:
    """``scale * sin(phase + 1.3 i)`` for the i-th entry in C order, float64."""
    shape = tuple(shape)
    index = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (scale * torch.sin(phase + 1.3 * index)).view(shape)


def parameters(shapes: Iterable[tuple[str, Iterable[int]]], scale: float) -> dict[str, Tensor]:
    """A wave of its own phase for every parameter, in the order given."""
    return {name: wave(shape, scale, 0.7 * number) for number, (name, shape) in enumerate(shapes)}


def signal_values(batch: int, shape: Iterable[int], channels: int) -> Tensor:
    """``[batch, *shape, channels]`` within [0.1, 0.9]."""
    return 0.5 + wave((batch, *shape, channels), 0.4, 0.2)


def latents(batch: int, size: int) -> Tensor:
    """``[batch, size]``, to evaluate the field at."""
    return wave((batch, size), 0.5, 0.9)


def endpoint_coordinates(shape: Iterable[int]) -> Tensor:
    """``[points, dim]``: first and last samples at -1 and 1, the last axis running fastest."""
    axes = [torch.linspace(-1, 1, n, dtype=torch.float64).tolist() for n in shape]
    return torch.tensor(list(product(*axes)), dtype=torch.float64)


def context(step: int, points: int, size: int) -> list[int]:
    """The points that an inner step sees: every third of them or so, from a start that moves with
    the step."""
    return sorted((7 * step + 3 * i) % points for i in range(size))
