"""The loss of the paper's field and its derivatives, written out by hand.

Words and formulas are those of :mod:`medfuncta._src.field.siren.layers`. Of an inner step at most
W h and d are kept (the tape): all else follows from them without a product. That makes six products
a layer and inner step, eight when the tape is evaluated again.

Where signals share what a layer reads - one grid, and one latent before the first inner step - it
is computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import torch
from torch import Tensor

from medfuncta._src.field.device import numbers_at_a_time
from medfuncta._src.field.objective import InnerGradient, Objective
from medfuncta._src.field.siren.fast_layers import fast_layers
from medfuncta._src.field.siren.folded import FoldedSiren
from medfuncta._src.field.siren.layers import Activations, Layers, TorchLayers
from medfuncta._src.field.siren.shift_maps import ShiftMaps
from medfuncta._src.field.siren.tape import ChunkPass, ChunkTape, SirenSums, Tape
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents, Losses


class SirenObjective(Objective[SirenSums]):
    """The loss of a SIREN with hand-written derivatives.

    Args:
        field: Its parameters; some are read in place, so that a step of theirs asks for a new one.
        channel_mean: Average the squared error over channels instead of summing it.
        bfloat16: Do the matrix products in bfloat16.
        chunk: Points a signal that are processed at a time; chosen from batch and width when None.
            Changes results by rounding only.
        layers: What computes the layers of this field; the fastest that there is when None.
    """

    concurrent = True

    @torch.no_grad()
    def __init__(
        self,
        field: FoldedSiren,
        *,
        channel_mean: bool = False,
        bfloat16: bool = False,
        chunk: int | None = None,
        layers: Layers | None = None,
    ) -> None:
        self._field = field
        self._width = field.config.width
        self._chunk = chunk
        self._numbers = numbers_at_a_time(field.last_weight.device)
        channels = field.config.channels
        self._error_scale = 2 / channels if channel_mean else 2.0
        self._loss_scale = 1 / channels if channel_mean else 1.0
        self._first_shifted = field.first_shifted
        self._layers = layers or _layers(field, bfloat16=bfloat16)
        self._shift_maps = ShiftMaps(field.shift_maps)

    # -- Objective --------------------------------------------------------------------------------

    @torch.no_grad()
    def losses(self, latents: Latents, points: Points) -> Losses:
        offsets = self._offsets(latents)
        losses = []
        for chunk in self._chunks(points):
            activations = self._layers.forward(chunk.coordinates, offsets, with_cosines=False)
            losses.append(self._compare(activations, chunk)[1])
        return torch.stack(losses).sum(0)

    @torch.no_grad()
    def inner_gradient(self, latents: Latents, points: Points, *, keep: int = 0) -> InnerGradient:
        offsets = self._offsets(latents)
        losses, gradient = points.weights.new_zeros(points.batch), self._new_gradient(points)
        tape = Tape(offsets, gradient)
        for chunk in self._chunks(points):
            keep -= chunk.count
            kept = keep >= 0
            activations = self._layers.forward(chunk.coordinates, offsets, keep_products=kept)
            error, loss = self._compare(activations, chunk)
            cotangent = error @ self._field.last_weight
            cotangents = self._layers.backward(activations, cotangent, gradient, keep=kept)
            losses += loss
            if kept:
                tape.chunks.append(ChunkTape(activations.products, cotangents, error))
        return InnerGradient(losses, self._shift_maps.to_latents(self._of_shifts(gradient)), tape)

    @torch.no_grad()
    def outer_gradient(
        self, latents: Latents, points: Points, scale: float, sums: SirenSums
    ) -> tuple[Losses, Latents]:
        offsets = self._offsets(latents)
        losses, gradient = points.weights.new_zeros(points.batch), self._new_gradient(points)
        for chunk in self._chunks(points):
            activations = self._layers.forward(chunk.coordinates, offsets, all_states=True)
            error, loss = self._compare(activations, chunk)
            error *= scale
            self._add_last(sums, error, activations.states[-1])
            cotangent = error @ self._field.last_weight
            self._layers.backward(activations, cotangent, gradient, weight_sums=sums.weights)
            losses += loss
        return losses, self._to_latents(gradient, latents, sums)

    @torch.no_grad()
    def directional(
        self,
        latents: Latents,
        tangent: Latents,
        points: Points,
        sums: SirenSums,
        tape: Tape | None = None,
    ) -> Latents:
        offset_tangents = self._by_layer(self._shift_maps.shifts(tangent))
        total, gradient = self._new_gradient(points), self._new_gradient(points)
        tape = tape or Tape(self._offsets(latents), gradient)
        for chunk, kept in zip_longest(self._chunks(points), tape.chunks):
            there_and_back = self._pass(chunk, tape.offsets, gradient, kept)
            self._add_tangent(there_and_back, chunk, offset_tangents, total, sums)
        sums.add_factors(self._of_shifts(tape.gradient), tangent)
        return self._to_latents(total, latents, sums)

    @torch.no_grad()
    def residuals(self, latents: Latents, points: Points) -> Iterator[tuple[Tensor, Tensor]]:
        """As :meth:`Objective.residuals`; the unknowns are the shifts t of all shifted layers.

        A value depends on the shifts at its own point only: these are one backward pass a channel.
        """
        activations = self._layers.forward(points.coordinates, self._offsets(latents))
        root = (self._loss_scale * points.weights).sqrt().unsqueeze(-1)
        residuals = self._differences(activations.states[-1], points) * root
        unknowns = self._shift_maps.shape[0]
        jacobian = points.weights.new_empty(points.batch, points.count, unknowns)
        for channel, row in enumerate(self._field.last_weight):
            self._layers.shift_jacobian(activations.cosines, root * row, jacobian)
            yield residuals[..., channel], jacobian

    @property
    def latent_map(self) -> Tensor:
        return self._shift_maps.matrix()

    def new_sums(self) -> SirenSums:
        return SirenSums(
            weights=[torch.zeros_like(weight) for weight in self._layers.weights],
            biases=torch.zeros_like(self._field.biases),
            last_weight=torch.zeros_like(self._field.last_weight),
            last_bias=torch.zeros_like(self._field.last_bias),
        )

    @torch.no_grad()
    def finish(self, sums: Sequence[SirenSums]) -> dict[str, Tensor]:
        total, *others = sums
        for other in others:
            total.add(other)
        shift_maps = total.multiply_factors().split(self._width)
        found = {"last.weight": total.last_weight, "last.bias": total.last_bias}
        for k, omega in enumerate(self._field.omegas):
            bias = total.biases[k].mul_(omega)
            found[f"layers.{k}.linear.weight"] = total.weights[k].mul_(omega)
            found[f"layers.{k}.linear.bias"] = bias
            if k >= self._first_shifted:
                shift_map = shift_maps[k - self._first_shifted]
                found[f"layers.{k}.shift.weight"] = shift_map.mul_(omega)
                found[f"layers.{k}.shift.bias"] = bias.clone()
        return {name: found[name] for name in self._field.names}

    def tape_bytes(self, points: int) -> int:
        arrays = 2 * len(self._field.weights)  # W h and d of each layer
        return arrays * points * self._width * self._field.last_weight.element_size()

    # -- between latents and offsets --------------------------------------------------------------

    def _offsets(self, latents: Tensor) -> list[Tensor]:
        """t of each layer, ``[batch, 1, width]``; ``[1, 1, width]`` where it is the same for all
        signals."""
        rows = latents[:1] if latents.stride(0) == 0 else latents
        biases = self._field.biases
        unshifted = [biases[:1].unsqueeze(1)] * self._first_shifted
        shifts = self._shift_maps.shifts(rows).add_(biases[self._first_shifted :].flatten())
        return [*unshifted, *self._by_layer(shifts)]

    def _by_layer(self, shifts: Tensor) -> Sequence[Tensor]:
        """``[batch, all shifts]`` as ``[batch, 1, width]`` of each shifted layer."""
        return shifts.unflatten(1, (-1, 1, self._width)).unbind(1)

    def _new_gradient(self, points: Points) -> Tensor:
        """Zeros for dL/dt, ``[batch, layers, width]``."""
        return points.weights.new_zeros(points.batch, len(self._field.weights), self._width)

    def _of_shifts(self, gradient: Tensor) -> Tensor:
        """Of dL/dt the part that depends on latents, ``[batch, all shifts]``."""
        return gradient[:, self._first_shifted :].flatten(1)

    def _to_latents(self, gradient: Tensor, latents: Tensor, sums: SirenSums) -> Tensor:
        """dL/dphi from a dL/dt that is complete, whose parts for biases and shift maps are added to
        ``sums``."""
        of_shifts = self._of_shifts(gradient)
        sums.biases += gradient.sum(0)
        sums.add_factors(of_shifts, latents)
        return self._shift_maps.to_latents(of_shifts)

    # -- passes over one chunk --------------------------------------------------------------------

    def _chunks(self, points: Points) -> Iterator[Points]:
        at_a_time = self._numbers // (points.batch * self._width)
        return points.chunks(self._chunk or max(1, at_a_time))

    def _pass(
        self, points: Points, offsets: Sequence[Tensor], gradient: Tensor, kept: ChunkTape | None
    ) -> ChunkPass:
        """Forward and backward once more; what a tape kept saves the work, otherwise dL/dt is added
        to ``gradient``."""
        products = kept.products if kept is not None else ()
        activations = self._layers.forward(points.coordinates, offsets, products, all_states=True)
        if kept is not None:
            return ChunkPass(activations, kept.cotangents, kept.error)
        error, _ = self._compare(activations, points)
        cotangent = error @ self._field.last_weight
        cotangents = self._layers.backward(activations, cotangent, gradient, keep=True)
        return ChunkPass(activations, cotangents, error)

    def _compare(self, activations: Activations, points: Points) -> tuple[Tensor, Losses]:
        """dL/doutput, ``[batch, points, channels]``, and L of each signal."""
        difference = self._differences(activations.states[-1], points)
        error = difference * points.weights.unsqueeze(-1)
        losses = (error * difference).sum((1, 2)) * self._loss_scale
        return error.mul_(self._error_scale), losses

    def _differences(self, state: Tensor, points: Points) -> Tensor:
        """What the field gives, less what it should, ``[batch, points, channels]``."""
        return (state @ self._field.last_weight.T).add_(self._field.last_bias) - points.values

    def _add_tangent(
        self,
        there_and_back: ChunkPass,
        points: Points,
        offset_tangents: Sequence[Tensor],
        total: Tensor,
        sums: SirenSums,
    ) -> None:
        """The derivative of forward, backward and dL/dtheta along a tangent of the shifts; that of
        dL/dt is added to ``total``."""
        activations, error = there_and_back.activations, there_and_back.error
        tangents = self._layers.forward_tangent(activations.cosines, offset_tangents)
        state_tangent = tangents.states[-1]
        error_tangent = state_tangent @ self._field.last_weight.T
        error_tangent.mul_(self._error_scale * points.weights.unsqueeze(-1))
        self._add_last(sums, error_tangent, activations.states[-1])
        sums.last_weight.addmm_(error.flatten(0, 1).T, state_tangent.flatten(0, 1))
        self._layers.backward_tangent(
            activations,
            there_and_back.cotangents,
            tangents,
            error_tangent @ self._field.last_weight,
            total,
            sums.weights,
        )

    def _add_last(self, sums: SirenSums, error: Tensor, state: Tensor) -> None:
        """The last layer's part of a gradient."""
        sums.last_bias += error.sum((0, 1))
        if len(state) < len(error):
            error = error.sum(0, keepdim=True)
        sums.last_weight.addmm_(error.flatten(0, 1).T, state.flatten(0, 1))


def _layers(field: FoldedSiren, *, bfloat16: bool) -> Layers:
    """The layers in C or in Triton where they can do what is asked, else by PyTorch's
    operations."""
    return fast_layers(field, bfloat16=bfloat16) or TorchLayers(
        field.weights,
        residual=field.config.residual,
        first_shifted=field.first_shifted,
        bfloat16=bfloat16,
    )
