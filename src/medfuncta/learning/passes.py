"""What the hand-written derivatives are made of: elementwise passes and matrix products, each in an exact and a faster form.

Names are those of :mod:`medfuncta.learning.siren_objective`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor


def wave(product: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """sin a and c = cos a of a = W h + t."""
    phase = product + offset
    return torch.sin(phase), torch.cos(phase)


def wave_in_place(product: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`wave`, writing over ``product`` when the shapes allow it: one array less to allocate."""
    same_shape = offset.ndim < product.ndim or len(product) == len(offset)
    phase = product.add_(offset) if same_shape else product + offset
    sine = torch.sin(phase)
    return sine, torch.cos_(phase)


def slope_and_bend(descent: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    """e = c d and q = d sin a."""
    return descent * cosine, descent * sine


def swing(product: Tensor, offset: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor]:
    """The tangent a. = W h. + t. and c a. that follows from it."""
    phase = product + offset
    return phase, phase * cosine


def adjoint(descent: Tensor, cosine: Tensor, bend: Tensor, phase: Tensor) -> Tensor:
    """e. = c d. - q a."""
    return torch.addcmul(descent * cosine, bend, phase, value=-1)


@dataclass(frozen=True)
class Passes:
    """The elementwise passes in one form."""

    wave: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    slope_and_bend: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    swing: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    adjoint: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


EAGER = Passes(wave_in_place, slope_and_bend, swing, adjoint)


@cache
def compiled() -> Passes:
    """Each pass fused into one kernel by ``torch.compile``.

    Worth its compilation (about half a minute on two cores, kept in PyTorch's cache on disk) for long runs only.
    """
    return Passes(
        wave=torch.compile(wave, dynamic=True),
        slope_and_bend=torch.compile(slope_and_bend, dynamic=True),
        swing=torch.compile(swing, dynamic=True),
        adjoint=torch.compile(adjoint, dynamic=True),
    )


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
