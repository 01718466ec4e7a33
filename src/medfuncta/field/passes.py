"""What the hand-written derivatives are made of: elementwise passes and matrix products, each in an
exact and a faster form.

Names are those of :mod:`medfuncta.learning.siren_objective`; arrays are
``[batch | 1, points | 1, width]``, totals ``[batch, width]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache

import torch
from torch import Tensor


class Passes(ABC):
    """The elementwise passes of a layer. ``below`` is what a residual layer reads, None when the
    layer is not residual.

    A pass may write over its first array, and :meth:`adjoint` over the phase: nobody reads them
    afterwards.
    """

    @abstractmethod
    def wave(self, product: Tensor, offset: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
        """h' = sin a (+ h) and c = cos a of a = W h + t; ``below`` is h."""

    @abstractmethod
    def slope(self, descent: Tensor, cosine: Tensor, total: Tensor) -> Tensor:
        """e = c d, which is left in place; its sum over points is added to ``total``."""

    @abstractmethod
    def swing(
        self, product: Tensor, offset: Tensor, cosine: Tensor, below: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The tangent a. = W h. + t. and h'. = c a. (+ h.); ``below`` is h."""

    @abstractmethod
    def adjoint(
        self,
        tangent: Tensor,
        cosine: Tensor,
        descent: Tensor,
        phase: Tensor,
        above: Tensor,
        below: Tensor | None,
        total: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """e. = c d. - d s a. and e = c d, of ``tangent`` d. and ``phase`` a.; s is h' (``above``)
        less h (``below``).

        The sum of e. over points is added to ``total``.
        """


class EagerPasses(Passes):
    """PyTorch's own operations, which run on every device and in every type."""

    def wave(self, product: Tensor, offset: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
        phase = product.add_(offset) if len(product) >= len(offset) else product + offset
        sine = torch.sin(phase)
        if below is not None:
            sine += below
        return sine, torch.cos_(phase)

    def slope(self, descent: Tensor, cosine: Tensor, total: Tensor) -> Tensor:
        slope = descent * cosine
        total += slope.sum(1)
        return slope

    def swing(
        self, product: Tensor, offset: Tensor, cosine: Tensor, below: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        phase = product.add_(offset)
        return phase, phase * cosine if below is None else torch.addcmul(below, phase, cosine)

    def adjoint(
        self,
        tangent: Tensor,
        cosine: Tensor,
        descent: Tensor,
        phase: Tensor,
        above: Tensor,
        below: Tensor | None,
        total: Tensor,
    ) -> tuple[Tensor, Tensor]:
        bend = phase.mul_(descent) if phase.shape == descent.shape else phase * descent
        sine = above if below is None else above - below
        adjoint = (tangent * cosine).addcmul_(bend, sine, value=-1)
        total += adjoint.sum(1)
        return adjoint, descent * cosine


class CompiledPasses(Passes):
    """Each pass fused into one kernel by ``torch.compile``, for accelerators.

    Worth its compilation (about half a minute on two cores, kept in PyTorch's cache on disk) for
    long runs only.

    Args:
        backend: Of ``torch.compile``.
    """

    def __init__(self, backend: str = "inductor") -> None:
        self._wave = torch.compile(_wave, dynamic=True, backend=backend)
        self._slope = torch.compile(_slope, dynamic=True, backend=backend)
        self._swing = torch.compile(_swing, dynamic=True, backend=backend)
        self._adjoint = torch.compile(_adjoint, dynamic=True, backend=backend)

    def wave(self, product: Tensor, offset: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._wave(product, offset, below)

    def slope(self, descent: Tensor, cosine: Tensor, total: Tensor) -> Tensor:
        slope, added = self._slope(descent, cosine)
        total += added
        return slope

    def swing(
        self, product: Tensor, offset: Tensor, cosine: Tensor, below: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        return self._swing(product, offset, cosine, below)

    def adjoint(
        self,
        tangent: Tensor,
        cosine: Tensor,
        descent: Tensor,
        phase: Tensor,
        above: Tensor,
        below: Tensor | None,
        total: Tensor,
    ) -> tuple[Tensor, Tensor]:
        adjoint, slope, added = self._adjoint(tangent, cosine, descent, phase, above, below)
        total += added
        return adjoint, slope


@cache
def compiled() -> CompiledPasses:
    """The one set of compiled passes of this process."""
    return CompiledPasses()


def _wave(product: Tensor, offset: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
    phase = product + offset
    sine = torch.sin(phase)
    return sine if below is None else sine + below, torch.cos(phase)


def _slope(descent: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor]:
    slope = descent * cosine
    return slope, slope.sum(1)


def _swing(
    product: Tensor, offset: Tensor, cosine: Tensor, below: Tensor | None
) -> tuple[Tensor, Tensor]:
    phase = product + offset
    move = phase * cosine
    return phase, move if below is None else move + below


def _adjoint(
    tangent: Tensor,
    cosine: Tensor,
    descent: Tensor,
    phase: Tensor,
    above: Tensor,
    below: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    sine = above if below is None else above - below
    adjoint = torch.addcmul(tangent * cosine, descent * phase, sine, value=-1)
    return adjoint, descent * cosine, adjoint.sum(1)


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
