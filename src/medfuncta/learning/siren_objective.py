"""The loss of a latent field and its derivatives, written out by hand.

Notation, for layer k with w folded into its weights (W = w_k W_k, and t = w_k (b_k + M_k phi + m_k)
for each signal):

    forward      a = W h + t                s = sin a, c = cos a        h' = s  (+ h if residual)
    backward     e = c d                    d <- W^T e  (+ d)           d: dL/dh', e: dL/da = dL/dt of a point
    tangent      a. = W h. + t.             h'. = c a.  (+ h.)
    its adjoint  e. = c d. - d s a.         d. <- W^T e. (+ d.)

and d/de of dL/dW = sum e h^T is sum (e. h^T + e h.^T). Of an inner step at most W h and d are kept
(the tape): all else follows from them without a product. That makes six products a layer and inner
step, eight when the tape is evaluated again.

Where signals share what a layer reads - one grid, and one latent before the first inner step - it
is computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import torch
from torch import Tensor

from medfuncta.field.latent_field import LatentField
from medfuncta.field.layers import Ascent, Layers, TorchLayers
from medfuncta.field.native_layers import native_layers
from medfuncta.field.omega import omegas
from medfuncta.field.passes import Bfloat16Products, Passes
from medfuncta.learning.objective import InnerGradient, Objective
from medfuncta.learning.shift_maps import ShiftMaps
from medfuncta.learning.sweep import Kept, SirenSums, Sweep, Tape
from medfuncta.signals.points import Points
from medfuncta.types import Latents, Losses

_CHUNK = (
    2**17
)  # numbers of an activation processed at a time, all signals of a group together: they stay in cache


class SirenObjective(Objective[SirenSums]):
    """A :class:`LatentField`'s loss with hand-written derivatives. Copies some weights and reads
    others in place: make a new one after they change.

    Args:
        field: The shared network.
        channel_mean: Average the squared error over channels instead of summing it.
        chunk: Points a signal that are processed at a time; chosen from batch and width when None.
            Changes results by rounding only.
        autocast: ``"bfloat16"`` for matrix products in that type; ``""`` for the field's own.
        passes: How elementwise passes are done with PyTorch's operations; when None, the fastest
            way for the field's device and type.
    """

    concurrent = True

    @torch.no_grad()
    def __init__(
        self,
        field: LatentField,
        *,
        channel_mean: bool = False,
        chunk: int | None = None,
        autocast: str = "",
        passes: Passes | None = None,
    ) -> None:
        config = field.config
        self._config = config
        self._chunk = chunk
        self._error_scale = 2 / config.channels if channel_mean else 2.0
        self._loss_scale = 1 / config.channels if channel_mean else 1.0
        self._omegas = omegas(config)[:-1]
        self._first_shifted = field.first_shifted
        layers = list(zip(self._omegas, field.siren_layers, strict=True))
        native = native_layers(field) if passes is None and not autocast else None
        self._layers: Layers = native or TorchLayers(
            field.folded_weights(),
            residual=config.residual,
            first_shifted=field.first_shifted,
            passes=passes,
            products=Bfloat16Products() if autocast else None,
        )
        self._biases = torch.stack(
            [
                w * (layer.linear.bias + (0 if layer.shift is None else layer.shift.bias))
                for w, layer in layers
            ]
        )
        self.shift_maps = ShiftMaps(field.siren_layers)
        self._last_weight = field.last.weight.detach()
        self._last_bias = field.last.bias.detach() + config.output_offset
        self._names = [name for name, _ in field.named_parameters()]

    # -- Objective
    # ----------------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def losses(self, latents: Latents, points: Points) -> Losses:
        offsets = self._offsets(latents)
        ascents = (
            (self._layers.rise(chunk.coordinates, offsets, with_cosines=False), chunk)
            for chunk in self._chunks(points)
        )
        return torch.stack([self._compare(ascent, chunk)[1] for ascent, chunk in ascents]).sum(0)

    @torch.no_grad()
    def inner_gradient(self, latents: Latents, points: Points, *, keep: int = 0) -> InnerGradient:
        offsets = self._offsets(latents)
        losses, gradient = points.weights.new_zeros(points.batch), self._new_gradient(points)
        tape = Tape(offsets, gradient)
        for chunk in self._chunks(points):
            keep -= chunk.count
            ascent = self._layers.rise(chunk.coordinates, offsets, keep_products=keep >= 0)
            error, loss = self._compare(ascent, chunk)
            descents = self._layers.descend(
                ascent, error @ self._last_weight, gradient, keep=keep >= 0
            )
            losses += loss
            if keep >= 0:
                tape.chunks.append(Kept(ascent.products, descents, error))
        return InnerGradient(losses, self.shift_maps.to_latents(self._of_shifts(gradient)), tape)

    @torch.no_grad()
    def outer_gradient(
        self, latents: Latents, points: Points, scale: float, sums: SirenSums
    ) -> tuple[Losses, Latents]:
        offsets = self._offsets(latents)
        losses, gradient = points.weights.new_zeros(points.batch), self._new_gradient(points)
        for chunk in self._chunks(points):
            ascent = self._layers.rise(chunk.coordinates, offsets, all_states=True)
            error, loss = self._compare(ascent, chunk)
            error *= scale
            self._add_last(sums, error, ascent.states[-1])
            self._layers.descend(ascent, error @ self._last_weight, gradient, sums=sums.weights)
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
        moves = (
            self.shift_maps.shifts(tangent).unflatten(1, (-1, 1, self._config.width)).unbind(1)
        )  # t. of each shifted layer
        adjoint, gradient = self._new_gradient(points), self._new_gradient(points)
        tape = tape or Tape(self._offsets(latents), gradient)
        for chunk, kept in zip_longest(self._chunks(points), tape.chunks):
            self._tangent(
                self._sweep(chunk, tape.offsets, gradient, kept), chunk, moves, adjoint, sums
            )
        sums.add_factors(self._of_shifts(tape.gradient), tangent)
        return self._to_latents(adjoint, latents, sums)

    @torch.no_grad()
    def residuals(self, latents: Latents, points: Points) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each channel the residuals whose squares add up to L, ``[batch, points]``, and their
        derivatives by the shifts t of all shifted layers, ``[batch, points, all shifts]``, an array
        that the next channel writes over.

        A value depends on the shifts at its own point only: these are one backward pass a channel.
        """
        ascent = self._layers.rise(points.coordinates, self._offsets(latents))
        root = (self._loss_scale * points.weights).sqrt().unsqueeze(-1)
        residuals = self._differences(ascent.states[-1], points) * root
        jacobian = points.weights.new_empty(points.batch, points.count, self.shift_maps.shape[0])
        for channel, row in enumerate(self._last_weight):
            self._layers.slopes(ascent.cosines, root * row, jacobian)
            yield residuals[..., channel], jacobian

    def new_sums(self) -> SirenSums:
        zeros = torch.zeros_like
        return SirenSums(
            [zeros(w) for w in self._layers.weights],
            zeros(self._biases),
            zeros(self._last_weight),
            zeros(self._last_bias),
        )

    @torch.no_grad()
    def finish(self, sums: Sequence[SirenSums]) -> dict[str, Tensor]:
        total, *others = sums
        for other in others:
            total.add(other)
        shift_maps = total.multiply_factors().split(self._config.width)
        found = {"last.weight": total.last_weight, "last.bias": total.last_bias}
        for k, omega in enumerate(self._omegas):
            bias = total.biases[k].mul_(omega)
            found[f"layers.{k}.linear.weight"] = total.weights[k].mul_(omega)
            found[f"layers.{k}.linear.bias"] = bias
            if k >= self._first_shifted:
                found[f"layers.{k}.shift.weight"] = shift_maps[k - self._first_shifted].mul_(omega)
                found[f"layers.{k}.shift.bias"] = bias.clone()
        return {name: found[name] for name in self._names}

    def tape_bytes(self, points: int) -> int:
        arrays = 2 * len(self._omegas)  # W h and d of each layer
        return arrays * points * self._config.width * self._last_weight.element_size()

    # -- between latents and offsets
    # ----------------------------------------------------------------------------------------------

    def _offsets(self, latents: Tensor) -> list[Tensor]:
        """t of each layer, ``[batch, 1, width]``; ``[1, 1, width]`` where it is the same for all
        signals."""
        rows = latents[:1] if latents.stride(0) == 0 else latents
        unshifted = [self._biases[:1].unsqueeze(1)] * self._first_shifted
        shifts = self.shift_maps.shifts(rows).add_(self._biases[self._first_shifted :].flatten())
        return [*unshifted, *shifts.unflatten(1, (-1, 1, self._config.width)).unbind(1)]

    def _new_gradient(self, points: Points) -> Tensor:
        """Zeros for dL/dt, ``[batch, layers, width]``."""
        return points.weights.new_zeros(points.batch, len(self._omegas), self._config.width)

    def _of_shifts(self, gradient: Tensor) -> Tensor:
        """Of dL/dt the part that depends on latents, ``[batch, all shifts]``."""
        return gradient[:, self._first_shifted :].flatten(1)

    def _to_latents(self, gradient: Tensor, latents: Tensor, sums: SirenSums) -> Tensor:
        """dL/dphi from a dL/dt that is complete, whose parts for biases and shift maps are added to
        ``sums``."""
        of_shifts = self._of_shifts(gradient)
        sums.biases += gradient.sum(0)
        sums.add_factors(of_shifts, latents)
        return self.shift_maps.to_latents(of_shifts)

    # -- passes over one chunk
    # ----------------------------------------------------------------------------------------------------

    def _chunks(self, points: Points) -> Iterator[Points]:
        return points.chunks(self._chunk or max(1, _CHUNK // (points.batch * self._config.width)))

    def _sweep(
        self, points: Points, offsets: Sequence[Tensor], gradient: Tensor, kept: Kept | None
    ) -> Sweep:
        """Forward and backward once more, in which kept products and descents save the work; else
        dL/dt is added to ``gradient``."""
        ascent = self._layers.rise(
            points.coordinates, offsets, () if kept is None else kept.products, all_states=True
        )
        if kept is not None:
            return Sweep(ascent, kept.descents, kept.error)
        error, _ = self._compare(ascent, points)
        return Sweep(
            ascent,
            self._layers.descend(ascent, error @ self._last_weight, gradient, keep=True),
            error,
        )

    def _compare(self, ascent: Ascent, points: Points) -> tuple[Tensor, Losses]:
        """dL/doutput, ``[batch, points, channels]``, and L of each signal."""
        difference = self._differences(ascent.states[-1], points)
        error = difference * points.weights.unsqueeze(-1)
        losses = (error * difference).sum((1, 2)) * self._loss_scale
        return error.mul_(self._error_scale), losses

    def _differences(self, state: Tensor, points: Points) -> Tensor:
        """What the field gives, less what it should, ``[batch, points, channels]``."""
        return (state @ self._last_weight.T).add_(self._last_bias) - points.values

    def _tangent(
        self,
        sweep: Sweep,
        points: Points,
        shift_moves: Sequence[Tensor],
        adjoint_sum: Tensor,
        sums: SirenSums,
    ) -> None:
        """The derivative of forward, backward and dL/dtheta along a tangent of the shifts."""
        tangent = self._layers.tangent_rise(sweep.ascent.cosines, shift_moves)
        move = tangent.moves[-1]
        error = (move @ self._last_weight.T).mul_(self._error_scale * points.weights.unsqueeze(-1))
        self._add_last(sums, error, sweep.ascent.states[-1])
        sums.last_weight.addmm_(sweep.error.flatten(0, 1).T, move.flatten(0, 1))
        self._layers.tangent_descend(
            sweep.ascent,
            sweep.descents,
            tangent,
            error @ self._last_weight,
            adjoint_sum,
            sums.weights,
        )

    def _add_last(self, sums: SirenSums, error: Tensor, state: Tensor) -> None:
        """The last layer's part of a gradient."""
        sums.last_bias += error.sum((0, 1))
        if len(state) < len(error):
            error = error.sum(0, keepdim=True)
        sums.last_weight.addmm_(error.flatten(0, 1).T, state.flatten(0, 1))
