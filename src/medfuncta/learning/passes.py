"""What the hand-written derivatives are made of: elementwise passes and matrix products, each in an exact and a faster form.

Names are those of :mod:`medfuncta.learning.siren_objective`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor


def wave(product: Tensor, offset: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
    """h' = sin a (+ h) and c = cos a of a = W h + t; ``below`` is h when the layer is residual."""
    phase = product + offset
    sine = torch.sin(phase)
    return sine if below is None else sine + below, torch.cos(phase)


def wave_in_place(product: Tensor, offset: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
    """:func:`wave`, writing over its own arrays: two of them less to allocate."""
    phase = product.add_(offset) if len(product) >= len(offset) else product + offset
    sine = torch.sin(phase)
    if below is not None:
        sine += below
    return sine, torch.cos_(phase)


def swing(product: Tensor, offset: Tensor, cosine: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
    """The tangent a. = W h. + t. and h'. = c a. (+ h.); ``below`` is h. when the layer is residual."""
    phase = product + offset
    move = phase * cosine
    return phase, move if below is None else move + below


def swing_in_place(product: Tensor, offset: Tensor, cosine: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
    """:func:`swing`, writing over its own arrays."""
    phase = product.add_(offset)
    return phase, phase * cosine if below is None else torch.addcmul(below, phase, cosine)


def adjoint(
    descent_tangent: Tensor, cosine: Tensor, descent: Tensor, phase: Tensor, above: Tensor, below: Tensor | None
) -> tuple[Tensor, Tensor]:
    """e. = c d. - d s a. and e = c d, where s is h' (``above``) less h (``below``) when the layer is residual."""
    sine = above if below is None else above - below
    return torch.addcmul(descent_tangent * cosine, descent * phase, sine, value=-1), descent * cosine


def adjoint_in_place(
    descent_tangent: Tensor, cosine: Tensor, descent: Tensor, phase: Tensor, above: Tensor, below: Tensor | None
) -> tuple[Tensor, Tensor]:
    """:func:`adjoint`, writing over the phase, and over what it has made itself."""
    bend = phase.mul_(descent) if phase.shape == descent.shape else phase * descent
    sine = above if below is None else above - below
    return (descent_tangent * cosine).addcmul_(bend, sine, value=-1), descent * cosine


@dataclass(frozen=True)
class Passes:
    """The elementwise passes in one form."""

    wave: Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
    swing: Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
    adjoint: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]


EAGER = Passes(wave_in_place, swing_in_place, adjoint_in_place)


@cache
def compiled() -> Passes:
    """Each pass fused into one kernel by ``torch.compile``.

    Worth its compilation (about half a minute on two cores, kept in PyTorch's cache on disk) for long runs only.
    """
    return Passes(torch.compile(wave, dynamic=True), torch.compile(swing, dynamic=True), torch.compile(adjoint, dynamic=True))


class Products:
    """Matrix products in the type of their arguments."""

    def times(self, left: Tensor, right: Tensor) -> Tensor:
        """``left @ right``."""
        return left @ right

    def add_times(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """``total += left @ right``, matrices only."""
        total.addmm_(left, right)


class Bfloat16Products(Products):
    """Matrix products in bfloat16; what they are added to, and all else, keeps its type."""

    def times(self, left: Tensor, right: Tensor) -> Tensor:
        return (left.bfloat16() @ right.bfloat16()).to(left.dtype)

    def add_times(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        total += self.times(left, right)
