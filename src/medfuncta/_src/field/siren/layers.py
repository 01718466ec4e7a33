"""Layers 1..K-1 of a SIREN with w folded into their weights: forward, backward, and along a
tangent, on one chunk of points.

Notation, for layer k with W = w_k W_k and t = w_k (b_k + M_k phi + m_k) of each signal. What is
dotted in the formulas is a tangent, the derivative along a direction of the latents:

    forward             a = W h + t                s = sin a, c = cos a      h' = s  (+ h)
    backward            e = c d                    d <- W^T e  (+ d)
    tangent of forward  a. = W h. + t.             h'. = c a.  (+ h.)
    ... of backward     e. = c d. - d s a.         d. <- W^T e.  (+ d.)

In words: h is the *state* that a layer reads, W h its *product*, a its *phase*, c its *cosine*; d
the *cotangent* dL/dh' of the state that it gives, e the *phase cotangent* dL/da = dL/dt of a point;
in parentheses what a residual layer adds. d/de of dL/dW = sum e h^T is sum (e. h^T + e h.^T).

Arrays are ``[batch | 1, points, width]``, with 1 where signals share them; offsets (t) and their
tangents ``[batch | 1, 1, width]``; totals, which sums over points are added to, ``[batch, layers,
width]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(eq=False)
class Activations:
    """What a forward pass leaves for a backward one.

    Args:
        states: h that layers 1..K read; the last one only unless all were asked for.
        cosines: c of layers 1..K-1, when they were asked for.
        products: W h of layers 1..K-1, when they were asked for.
    """

    states: list[Tensor]
    cosines: list[Tensor]
    products: list[Tensor] = field(default_factory=list)


@dataclass(eq=False)
class Tangents:
    """What the tangent of a forward pass through the shifted layers leaves.

    Args:
        phases: a. of each shifted layer.
        states: h'. of each shifted layer.
    """

    phases: list[Tensor]
    states: list[Tensor]


@dataclass(eq=False)
class Bend:
    """What e. has besides c d. : d s a., with the sine as it is stored.

    Args:
        cotangent: d.
        phase_tangent: a..
        above: h' = s (+ h).
        below: h, where the layer adds it.
    """

    cotangent: Tensor
    phase_tangent: Tensor
    above: Tensor
    below: Tensor | None


class Layers(ABC):
    """The layers and their derivatives.

    Args:
        weights: W of each layer, ``[width, inputs]``.
        residual: Layers after the first add what they read.
        first_shifted: The first layer, from 0, that a latent shifts.
    """

    def __init__(self, weights: Sequence[Tensor], *, residual: bool, first_shifted: int) -> None:
        self.weights = list(weights)
        self.first_shifted = first_shifted
        self._all_residual = residual

    def residual(self, k: int) -> bool:
        """Whether layer ``k`` adds what it reads."""
        return self._all_residual and k > 0

    @abstractmethod
    def forward(
        self,
        coordinates: Tensor,
        offsets: Sequence[Tensor],
        products: Sequence[Tensor] = (),
        *,
        all_states: bool = False,
        with_cosines: bool = True,
        keep_products: bool = False,
    ) -> Activations:
        """Coordinates to what the last layer reads.

        What was not asked to be kept may be written over by the same thread's next call.

        Args:
            coordinates: ``[batch | 1, points, dim]``.
            offsets: t of each layer.
            products: W h kept from an earlier pass, which are written over; they save the matrix
                products.
            all_states: Keep h of all layers, not of the last one only.
            with_cosines: Compute c; without it the rest needs less room.
            keep_products: Keep W h.
        """

    @abstractmethod
    def backward(
        self,
        activations: Activations,
        cotangent: Tensor,
        totals: Tensor,
        *,
        keep: bool = False,
        weight_sums: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        """From the last layer down to the first shifted one, with ``weight_sums`` to the first.

        Args:
            activations: Of the same points; with all states where there are ``weight_sums``.
            cotangent: d of the last layer, which is written over unless ``keep``.
            totals: dL/dt of each layer is added to them.
            keep: Give d of each layer back.
            weight_sums: dL/dW of each layer is added to them.

        Returns:
            With ``keep``, d of each layer that was passed, in the order of the layers.
        """

    @abstractmethod
    def forward_tangent(
        self, cosines: Sequence[Tensor], offset_tangents: Sequence[Tensor]
    ) -> Tangents:
        """The tangent of :meth:`forward` along t. of each shifted layer."""

    @abstractmethod
    def backward_tangent(
        self,
        activations: Activations,
        cotangents: Sequence[Tensor],
        tangents: Tangents,
        cotangent_tangent: Tensor,
        totals: Tensor,
        weight_sums: Sequence[Tensor],
    ) -> None:
        """The tangent of :meth:`backward` with ``weight_sums``.

        Args:
            activations: With all states.
            cotangents: d of the shifted layers, which :meth:`backward` kept.
            tangents: From :meth:`forward_tangent`; its phases are written over.
            cotangent_tangent: d. of the last layer, which is written over.
            totals: The tangent of dL/dt is added to them.
            weight_sums: The tangent of dL/dW is added to them.
        """

    @abstractmethod
    def shift_jacobian(self, cosines: Sequence[Tensor], cotangent: Tensor, out: Tensor) -> None:
        """e of all shifted layers at every point, side by side: what a value's derivative by the
        shifts is when ``cotangent`` is its derivative by the last state.

        Args:
            cosines: c of layers 1..K-1.
            cotangent: d of the last layer, which is written over.
            out: ``[batch, points, all shifts]``.
        """


class TorchLayers(Layers):
    """By PyTorch's operations, on every device and in every type; the reference of the layers in C
    and of those in Triton.

    A pass is products, with one elementwise step between any two of them: :meth:`sine`,
    :meth:`phase_cotangent`, :meth:`sine_tangent`, :meth:`phase_cotangent_tangent`.

    Args:
        bfloat16: Do the matrix products in bfloat16; what they are added to, and all else, keeps
            its type.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        *,
        residual: bool,
        first_shifted: int,
        bfloat16: bool = False,
    ) -> None:
        super().__init__(weights, residual=residual, first_shifted=first_shifted)
        self._bfloat16 = bfloat16

    def forward(
        self,
        coordinates: Tensor,
        offsets: Sequence[Tensor],
        products: Sequence[Tensor] = (),
        *,
        all_states: bool = False,
        with_cosines: bool = True,
        keep_products: bool = False,
    ) -> Activations:
        state = coordinates
        states, cosines, kept_products = [], [], []
        for k, (weight, offset) in enumerate(zip(self.weights, offsets, strict=True)):
            product = products[k] if products else self._times(state, weight.T)
            if keep_products:
                kept_products.append(product)
            if all_states:
                states.append(state)
            below = state if self.residual(k) else None
            state, cosine = self.sine(
                product, offset, below, with_cosine=with_cosines, keep=keep_products
            )
            if cosine is not None:
                cosines.append(cosine)
        states.append(state)
        return Activations(states, cosines, kept_products)

    def backward(
        self,
        activations: Activations,
        cotangent: Tensor,
        totals: Tensor,
        *,
        keep: bool = False,
        weight_sums: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        kept = [cotangent]
        lowest = self.first_shifted if weight_sums is None else 0
        for k in reversed(range(lowest, len(self.weights))):
            phase_cotangent = self.phase_cotangent(cotangent, activations.cosines[k], totals[:, k])
            if weight_sums is not None:
                self._add_product(weight_sums[k], phase_cotangent, activations.states[k])
            if k > lowest:
                from_above = cotangent.clone() if keep else cotangent
                cotangent = self._down(phase_cotangent, from_above, k)
                kept.append(cotangent)
        return kept[::-1] if keep else []

    def forward_tangent(
        self, cosines: Sequence[Tensor], offset_tangents: Sequence[Tensor]
    ) -> Tangents:
        first, *others = offset_tangents
        phases = [first]
        states = [first * cosines[self.first_shifted]]
        for k, offset in enumerate(others, self.first_shifted + 1):
            state = states[-1]
            product = self._times(state, self.weights[k].T)
            below = state if self.residual(k) else None
            phase, state = self.sine_tangent(product, offset, cosines[k], below)
            phases.append(phase)
            states.append(state)
        return Tangents(phases, states)

    def backward_tangent(
        self,
        activations: Activations,
        cotangents: Sequence[Tensor],
        tangents: Tangents,
        cotangent_tangent: Tensor,
        totals: Tensor,
        weight_sums: Sequence[Tensor],
    ) -> None:
        for k in reversed(range(len(self.weights))):
            cosine, state = activations.cosines[k], activations.states[k]
            shifted = k - self.first_shifted
            if shifted < 0:  # the phase has no tangent
                phase_tangent = self.phase_cotangent(cotangent_tangent, cosine, totals[:, k])
            else:
                bend = Bend(
                    cotangent=cotangents[shifted],
                    phase_tangent=tangents.phases[shifted],
                    above=activations.states[k + 1],
                    below=state if self.residual(k) else None,
                )
                phase_tangent, phase_cotangent = self.phase_cotangent_tangent(
                    cotangent_tangent, cosine, bend, totals[:, k], with_cotangent=shifted > 0
                )
                if phase_cotangent is not None:
                    lower = tangents.states[shifted - 1]
                    self._add_product(weight_sums[k], phase_cotangent, lower)
            self._add_product(weight_sums[k], phase_tangent, state)
            if k > 0:
                cotangent_tangent = self._down(phase_tangent, cotangent_tangent, k)

    def shift_jacobian(self, cosines: Sequence[Tensor], cotangent: Tensor, out: Tensor) -> None:
        of_layers = out.split(cotangent.shape[2], dim=-1)
        for k in reversed(range(self.first_shifted, len(self.weights))):
            of_layer = of_layers[k - self.first_shifted]
            phase_cotangent = torch.mul(cotangent, cosines[k], out=of_layer)
            if k > self.first_shifted:
                cotangent = self._down(phase_cotangent, cotangent, k)

    # -- between two products ---------------------------------------------------------------------

    def sine(
        self,
        product: Tensor,
        offset: Tensor,
        below: Tensor | None,
        *,
        with_cosine: bool,
        keep: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """h' and, ``with_cosine``, c of a layer.

        Args:
            product: W h; written over unless ``keep``.
            offset: t.
            below: h, where the layer adds it.
        """
        in_place = not keep and len(product) >= len(offset)
        phase = product.add_(offset) if in_place else product + offset
        above = torch.sin(phase)
        if below is not None:
            above += below
        return above, torch.cos_(phase) if with_cosine else None

    def phase_cotangent(self, cotangent: Tensor, cosine: Tensor, total: Tensor) -> Tensor:
        """e of a layer; its sum over points is added to ``total``, ``[batch, width]``."""
        phase_cotangent = cotangent * cosine
        total += phase_cotangent.sum(1)
        return phase_cotangent

    def sine_tangent(
        self, product: Tensor, offset: Tensor, cosine: Tensor, below: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """a. and h'. of a layer, of W h., which is written over, t., c and, where the layer adds
        it, h. below."""
        phase = product.add_(offset)
        if below is None:
            return phase, phase * cosine
        return phase, torch.addcmul(below, phase, cosine)

    def phase_cotangent_tangent(
        self,
        cotangent_tangent: Tensor,
        cosine: Tensor,
        bend: Bend,
        total: Tensor,
        *,
        with_cotangent: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """e. and, ``with_cotangent``, e of a layer that a latent shifts; the sum of e. over points
        is added to ``total``, ``[batch, width]``."""
        sine = bend.above if bend.below is None else bend.above - bend.below
        phase_tangent = cotangent_tangent * cosine
        phase_tangent.addcmul_(bend.phase_tangent * bend.cotangent, sine, value=-1)
        total += phase_tangent.sum(1)
        return phase_tangent, bend.cotangent * cosine if with_cotangent else None

    # -- products ---------------------------------------------------------------------------------

    def _down(self, phase_cotangent: Tensor, cotangent: Tensor, k: int) -> Tensor:
        """W^T e of layer ``k`` for every point, added to what comes down the residual path,
        ``cotangent``, in place."""
        if not self.residual(k):
            return self._times(phase_cotangent, self.weights[k])
        rows = cotangent.flatten(0, 1)
        self._add_times(rows, phase_cotangent.flatten(0, 1), self.weights[k])
        return cotangent

    def _add_product(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """``total += sum over signals and points of left right^T``; what signals share on the right
        is not repeated."""
        if len(right) < len(left):
            left = left.sum(0, keepdim=True)
        self._add_times(total, left.flatten(0, 1).T, right.flatten(0, 1))

    def _times(self, left: Tensor, right: Tensor) -> Tensor:
        if self._bfloat16:
            return (left.bfloat16() @ right.bfloat16()).to(left.dtype)
        return left @ right

    def _add_times(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """``total += left @ right``, matrices only."""
        if self._bfloat16:
            total += self._times(left, right)
        else:
            total.addmm_(left, right)
