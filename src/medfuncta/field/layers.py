"""Layers 1..K-1 of a field with w folded into their weights: forward, backward, and along a
tangent, on one chunk of points.

Names are those of :mod:`medfuncta.learning.siren_objective`. Arrays are
``[batch | 1, points, width]``, with 1 where signals share them; offsets and shift moves
``[batch | 1, 1, width]``; totals, which sums over points are added to, ``[batch, layers, width]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from medfuncta.field.passes import EagerPasses, Passes, Products


@dataclass(eq=False)
class Ascent:
    """A forward pass."""

    states: list[Tensor]  # h that layers 1..K read; the last one only unless all were asked for
    cosines: list[Tensor]  # c of layers 1..K-1, when they were asked for
    products: list[Tensor] = field(
        default_factory=list
    )  # W h of layers 1..K-1, when they were asked for


@dataclass(eq=False)
class TangentAscent:
    """A tangent's forward pass through the shifted layers."""

    phases: list[Tensor]  # a.
    moves: list[Tensor]  # h'.


class Layers(ABC):
    """The layers and their derivatives.

    Args:
        weights: W of each layer, ``[width, inputs]``.
        residual: Layers after the first add what they read.
        first_shifted: The first layer that a latent shifts.
    """

    def __init__(self, weights: Sequence[Tensor], *, residual: bool, first_shifted: int) -> None:
        self.weights = list(weights)
        self.first_shifted = first_shifted
        self._all_residual = residual

    def residual(self, k: int) -> bool:
        """Whether layer ``k`` adds what it reads."""
        return self._all_residual and k > 0

    @abstractmethod
    def rise(
        self,
        coordinates: Tensor,
        offsets: Sequence[Tensor],
        products: Sequence[Tensor] = (),
        *,
        all_states: bool = False,
        with_cosines: bool = True,
        keep_products: bool = False,
    ) -> Ascent:
        """Forward. ``products`` kept from an earlier pass, which are written over, save the matrix
        products. Without cosines the others need less room.

        What was not asked to be kept may be written over by the same thread's next call.
        """

    @abstractmethod
    def descend(
        self,
        ascent: Ascent,
        descent: Tensor,
        totals: Tensor,
        *,
        keep: bool = False,
        sums: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        """Backward from ``descent``, d of the last layer, which is written over unless ``keep``.

        dL/dt is added to ``totals``; with ``sums``, dL/dW to them. Goes down to the first shifted
        layer, with ``sums`` to the first of all.

        Returns:
            With ``keep``, d of each layer that was passed, in the order of the layers.
        """

    @abstractmethod
    def tangent_rise(
        self, cosines: Sequence[Tensor], shift_moves: Sequence[Tensor]
    ) -> TangentAscent:
        """Forward along ``shift_moves``, t. of each shifted layer."""

    @abstractmethod
    def tangent_descend(
        self,
        ascent: Ascent,
        descents: Sequence[Tensor],
        tangent: TangentAscent,
        descent: Tensor,
        totals: Tensor,
        sums: Sequence[Tensor],
    ) -> None:
        """The tangent of ``descend`` with ``sums``, from ``descent``, d. of the last layer. Writes
        over ``descent`` and ``tangent``.

        Args:
            ascent: With all states.
            descents: d of the shifted layers, which ``descend`` kept.
        """

    @abstractmethod
    def slopes(self, cosines: Sequence[Tensor], descent: Tensor, out: Tensor) -> None:
        """e of all shifted layers at every point, side by side, into ``out``,
        ``[batch, points, all shifts]``.

        Writes over ``descent``, d of the last layer.
        """


class TorchLayers(Layers):
    """By PyTorch's operations, on every device and in every type.

    Args:
        passes: How elementwise passes are done.
        products: How matrix products are done.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        *,
        residual: bool,
        first_shifted: int,
        passes: Passes | None = None,
        products: Products | None = None,
    ) -> None:
        super().__init__(weights, residual=residual, first_shifted=first_shifted)
        self._passes = passes or EagerPasses()
        self._products = products or Products()

    def rise(
        self,
        coordinates: Tensor,
        offsets: Sequence[Tensor],
        products: Sequence[Tensor] = (),
        *,
        all_states: bool = False,
        with_cosines: bool = True,
        keep_products: bool = False,
    ) -> Ascent:
        state, states, cosines, kept = coordinates, [], [], []
        for k, (weight, offset) in enumerate(zip(self.weights, offsets, strict=True)):
            product = products[k] if products else self._products.times(state, weight.T)
            if keep_products:
                kept.append(product)
                product = product.clone()  # the pass writes over it
            if all_states:
                states.append(state)
            state, cosine = self._passes.wave(product, offset, state if self.residual(k) else None)
            if with_cosines:
                cosines.append(cosine)
        return Ascent([*states, state], cosines, kept)

    def descend(
        self,
        ascent: Ascent,
        descent: Tensor,
        totals: Tensor,
        *,
        keep: bool = False,
        sums: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        kept, of_layers = [descent], totals.unbind(1)
        lowest = self.first_shifted if sums is None else 0
        for k in reversed(range(lowest, len(self.weights))):
            slope = self._passes.slope(descent, ascent.cosines[k], of_layers[k])
            if sums is not None:
                self._add_product(sums[k], slope, ascent.states[k])
            if k > lowest:
                descent = self._lower(slope, descent.clone() if keep else descent, k)
                kept.append(descent)
        return kept[::-1] if keep else []

    def tangent_rise(
        self, cosines: Sequence[Tensor], shift_moves: Sequence[Tensor]
    ) -> TangentAscent:
        first, *others = shift_moves
        phases, moves = [first], [first * cosines[self.first_shifted]]
        for k, offset in enumerate(others, self.first_shifted + 1):
            product = self._products.times(moves[-1], self.weights[k].T)
            phase, move = self._passes.swing(
                product, offset, cosines[k], moves[-1] if self.residual(k) else None
            )
            phases.append(phase)
            moves.append(move)
        return TangentAscent(phases, moves)

    def tangent_descend(
        self,
        ascent: Ascent,
        descents: Sequence[Tensor],
        tangent: TangentAscent,
        descent: Tensor,
        totals: Tensor,
        sums: Sequence[Tensor],
    ) -> None:
        of_layers = totals.unbind(1)
        for k in reversed(range(len(self.weights))):
            below, shifted = ascent.states[k] if self.residual(k) else None, k - self.first_shifted
            if shifted < 0:
                adjoint = self._passes.slope(descent, ascent.cosines[k], of_layers[k])
            else:
                arrays = (
                    ascent.cosines[k],
                    descents[shifted],
                    tangent.phases[shifted],
                    ascent.states[k + 1],
                    below,
                )
                adjoint, slope = self._passes.adjoint(descent, *arrays, of_layers[k])
                if shifted > 0:
                    self._add_product(sums[k], slope, tangent.moves[shifted - 1])
            self._add_product(sums[k], adjoint, ascent.states[k])
            if k > 0:
                descent = self._lower(adjoint, descent, k)

    def slopes(self, cosines: Sequence[Tensor], descent: Tensor, out: Tensor) -> None:
        of_layers = out.split(descent.shape[2], dim=-1)
        for k in reversed(range(self.first_shifted, len(self.weights))):
            slope = torch.mul(descent, cosines[k], out=of_layers[k - self.first_shifted])
            if k > self.first_shifted:
                descent = self._lower(slope, descent, k)

    def _lower(self, slope: Tensor, descent: Tensor, k: int) -> Tensor:
        """W^T e of layer ``k`` for every point, added to what comes down the residual path,
        ``descent``, in place."""
        if not self.residual(k):
            return self._products.times(slope, self.weights[k])
        self._products.add_times(descent.flatten(0, 1), slope.flatten(0, 1), self.weights[k])
        return descent

    def _add_product(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """``total += sum over signals and points of left right^T``; what signals share on the right
        is not repeated."""
        if len(right) < len(left):
            left = left.sum(0, keepdim=True)
        self._products.add_times(total, left.flatten(0, 1).T, right.flatten(0, 1))
