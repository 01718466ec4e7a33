"""Where the latent of a signal starts: the most probable one for the linear part of the field.

The components are orthonormal on the box. A signal that was observed on all of it is projected on
them, which is the least-squares latent. Where a part is missing, that part is taken for what the
rest says of it: the latents of the training signals vary by known variances, and with normal
distributions

    (B^T W B + R) phi = B^T W (z - m)       R ~ noise / variances, as far as points are missing

has the most probable latent (a ridge regression; Bishop 2006, section 3.3). It is approached by a
Chebyshev iteration (Golub and Varga 1961), whose steps are the same whatever the values: the result
is differentiable, and one signal's does not depend on another's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from medfuncta._src.field.components.interpolation import Interpolation
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents

_STEPS: Final = 24
_LEAST: Final = 0.01
"""Of the greatest eigenvalue: directions that are seen less are left as they are."""
_OVERSHOOT: Final = 1.25
"""Largest sum of the magnitudes of cubic convolution's four weights."""


def coverage_of(points: Points, interpolation: Interpolation) -> Tensor | None:
    """The part of the box that each signal was observed on, ``[batch, 1]``; None where that is all
    of it for every signal, on the nodes themselves."""
    weights = points.weights
    if interpolation.on_nodes and bool((weights == weights[:, :1]).all()):
        return None
    observed = (weights > 0).to(weights.dtype).unsqueeze(-1)
    known = interpolation.spread(observed).flatten(1)
    return known.clamp(0, 1).mean(1, keepdim=True)


def largest_eigenvalue(weights: Tensor, interpolation: Interpolation) -> Tensor:
    """A bound on that of ``B^T W B`` for weights ``[batch, points]``, ``[batch, 1]``: no node is
    weighed more."""
    of_nodes = interpolation.spread(weights.unsqueeze(-1)).flatten(1)
    largest = of_nodes.amax(1, keepdim=True) * interpolation.grid.count
    if interpolation.on_nodes:
        return largest
    return largest * _OVERSHOOT**interpolation.grid.dim


def solved(
    product: Callable[[Latents], Latents], right: Latents, ridge: Tensor, largest: Tensor
) -> Latents:
    """``x`` with ``product(x) + ridge * x = right``, from ``x = right`` on.

    Args:
        product: A symmetric operator on ``[batch, latent]``, row by row.
        right: ``[batch, latent]``.
        ridge: ``[batch, latent]``, 0 or more.
        largest: No less than the operator's largest eigenvalue, ``[batch, 1]``.
    """
    scale = torch.rsqrt(largest + ridge)  # to eigenvalues of at most 1
    middle, half = (1 + _LEAST) / 2, (1 - _LEAST) / 2
    ratio = half / middle
    x = right
    left = scale * (right - product(x) - ridge * x)
    step = left / middle
    for _ in range(_STEPS):
        x = x + scale * step
        moved = scale * step
        left = left - scale * (product(moved) + ridge * moved)
        next_ratio = 1 / (2 * middle / half - ratio)
        step = next_ratio * ratio * step + 2 * next_ratio / half * left
        ratio = next_ratio
    return x
