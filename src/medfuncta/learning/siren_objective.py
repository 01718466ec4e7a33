"""The loss of a latent field and its derivatives, written out by hand.

Notation, for layer k with w folded into its weights (W = w_k W_k, and t = w_k (b_k + M_k phi + m_k) for each signal):

    forward      a = W h + t                s = sin a, c = cos a        h' = s  (+ h if residual)
    backward     e = c d                    d <- W^T e  (+ d)           d: dL/dh', e: dL/da = dL/dt of a point
    tangent      a. = W h. + t.             h'. = c a.  (+ h.)
    its adjoint  e. = c d. - d s a.         d. <- W^T e. (+ d.)

and d/de of dL/dW = sum e h^T is sum (e. h^T + e h.^T). Of an inner step at most h, c and d are kept (the tape): e, and s = h' - h, cost
less than reading them back would. That makes six products a layer and inner step, eight when the tape is evaluated again.

Where signals share what a layer reads - one grid, and one latent before the first inner step - it is computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from medfuncta.field.latent_field import LatentField
from medfuncta.field.omega import omegas
from medfuncta.learning.native import passes_for
from medfuncta.learning.objective import InnerGradient, Objective
from medfuncta.learning.passes import Bfloat16Products, Passes, Products
from medfuncta.learning.sweep import SirenSums, Sweep, Tape
from medfuncta.signals.points import Points
from medfuncta.types import Latents, Losses

_CHUNK = 2**17  # numbers of an activation processed at a time, all signals of a group together: they stay in cache


class SirenObjective(Objective[SirenSums]):
    """A :class:`LatentField`'s loss with hand-written derivatives. Takes a copy of the weights: make a new one after they change.

    Args:
        field: The shared network.
        channel_mean: Average the squared error over channels instead of summing it.
        chunk: Points a signal that are processed at a time; chosen from batch and width when None. Changes results by rounding only.
        autocast: ``"bfloat16"`` for matrix products in that type; ``""`` for the field's own.
        passes: How elementwise passes are done; the fastest way for the field's device and type when None.
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
        self._products = Bfloat16Products() if autocast else Products()
        self._passes = passes or passes_for(field.last.weight.device, field.last.weight.dtype)
        self._chunk = chunk
        self._error_scale = 2 / config.channels if channel_mean else 2.0
        self._loss_scale = 1 / config.channels if channel_mean else 1.0
        self._omegas = omegas(config)[:-1]
        self._first_shifted = 0 if config.shift_first else 1
        layers = list(zip(self._omegas, field.siren_layers, strict=True))
        self._weights = [w * layer.linear.weight for w, layer in layers]
        self._transposed = [weight.T for weight in self._weights]
        self._biases = torch.stack([w * (layer.linear.bias + (0 if layer.shift is None else layer.shift.bias)) for w, layer in layers])
        self.shift_map = torch.cat([w * layer.shift.weight for w, layer in layers if layer.shift is not None])
        """dt/dphi of all shifted layers, ``[all shifts, latent]``."""
        self._last_weight = field.last.weight.detach()
        self._last_bias = field.last.bias.detach() + config.output_offset
        self._names = [name for name, _ in field.named_parameters()]

    # -- Objective ----------------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def losses(self, latents: Latents, points: Points) -> Losses:
        offsets = self._offsets(latents)
        return torch.stack([self._forward(chunk, offsets)[1] for chunk in self._chunks(points)]).sum(0)

    @torch.no_grad()
    def inner_gradient(self, latents: Latents, points: Points, *, keep: bool = False) -> InnerGradient:
        offsets = self._offsets(latents)
        losses, gradient = points.weights.new_zeros(points.batch), self._new_gradient(points)
        sweeps = []
        for chunk in self._chunks(points):
            sweep, loss = self._forward(chunk, offsets, remember=keep)
            self._backward(sweep, gradient, remember=keep)
            losses += loss
            if keep:
                sweeps.append(sweep)
        tape = Tape(sweeps, gradient) if keep else None
        return InnerGradient(losses, self._of_shifts(gradient) @ self.shift_map, tape)

    @torch.no_grad()
    def outer_gradient(self, latents: Latents, points: Points, scale: float, sums: SirenSums) -> tuple[Losses, Latents]:
        offsets = self._offsets(latents)
        losses, gradient = points.weights.new_zeros(points.batch), self._new_gradient(points)
        for chunk in self._chunks(points):
            sweep, loss = self._forward(chunk, offsets, remember=True)
            sweep.error *= scale
            self._backward(sweep, gradient, sums=sums)
            losses += loss
        return losses, self._to_latents(gradient, latents, sums)

    @torch.no_grad()
    def directional(self, latents: Latents, tangent: Latents, points: Points, sums: SirenSums, tape: Tape | None = None) -> Latents:
        moves = (tangent @ self.shift_map.T).unflatten(1, (-1, 1, self._config.width)).unbind(1)  # t. of each shifted layer
        adjoint = self._new_gradient(points)
        gradient = self._new_gradient(points) if tape is None else tape.gradient
        sweeps = self._sweeps_again(latents, points, gradient) if tape is None else tape.sweeps
        for sweep, chunk in zip(sweeps, self._chunks(points), strict=True):
            self._tangent(sweep, chunk, moves, adjoint, sums)
        sums.add_factors(self._of_shifts(gradient), tangent)
        return self._to_latents(adjoint, latents, sums)

    @torch.no_grad()
    def residuals(self, latents: Latents, points: Points) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each channel the residuals whose squares add up to L, ``[batch, points]``, and their derivatives by the shifts t of all
        shifted layers, ``[batch, points, all shifts]``, an array that the next channel writes over.

        A value depends on the shifts at its own point only: these are one backward pass a channel.
        """
        states, cosines = self._rise(points, self._offsets(latents))
        root = (self._loss_scale * points.weights).sqrt().unsqueeze(-1)
        residuals = self._differences(states[-1], points) * root
        jacobian = points.weights.new_empty(points.batch, points.count, len(self.shift_map))
        of_layers = jacobian.split(self._config.width, dim=-1)
        for channel, row in enumerate(self._last_weight):
            descent = root * row
            for k in reversed(range(self._first_shifted, len(self._weights))):
                slope = torch.mul(descent, cosines[k], out=of_layers[k - self._first_shifted])
                if k > self._first_shifted:
                    descent = self._descend(slope, descent, k, in_place=True)
            yield residuals[..., channel], jacobian

    def new_sums(self) -> SirenSums:
        zeros = torch.zeros_like
        return SirenSums([zeros(w) for w in self._weights], zeros(self._biases), zeros(self._last_weight), zeros(self._last_bias))

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
        arrays = 3 * len(self._weights)  # h, c, d of each layer
        return arrays * points * self._config.width * self._last_weight.element_size()

    # -- between latents and offsets ----------------------------------------------------------------------------------------------

    def _offsets(self, latents: Tensor) -> list[Tensor]:
        """t of each layer, ``[batch, 1, width]``; ``[1, 1, width]`` where it is the same for all signals."""
        rows = latents[:1] if latents.stride(0) == 0 else latents
        unshifted = [self._biases[:1].unsqueeze(1)] * self._first_shifted
        shifts = torch.addmm(self._biases[self._first_shifted :].flatten(), rows, self.shift_map.T)
        return [*unshifted, *shifts.unflatten(1, (-1, 1, self._config.width)).unbind(1)]

    def _new_gradient(self, points: Points) -> Tensor:
        """Zeros for dL/dt, ``[batch, layers, width]``."""
        return points.weights.new_zeros(points.batch, len(self._weights), self._config.width)

    def _of_shifts(self, gradient: Tensor) -> Tensor:
        """Of dL/dt the part that depends on latents, ``[batch, all shifts]``."""
        return gradient[:, self._first_shifted :].flatten(1)

    def _to_latents(self, gradient: Tensor, latents: Tensor, sums: SirenSums) -> Tensor:
        """dL/dphi from a dL/dt that is complete, whose parts for biases and shift maps are added to ``sums``."""
        of_shifts = self._of_shifts(gradient)
        sums.biases += gradient.sum(0)
        sums.add_factors(of_shifts, latents)
        return of_shifts @ self.shift_map

    # -- passes over one chunk ----------------------------------------------------------------------------------------------------

    def _chunks(self, points: Points) -> Iterator[Points]:
        return points.chunks(self._chunk or max(1, _CHUNK // (points.batch * self._config.width)))

    def _residual(self, k: int) -> bool:
        return self._config.residual and k > 0

    def _sweeps_again(self, latents: Tensor, points: Points, gradient: Tensor) -> Iterator[Sweep]:
        """What a tape would hold, one chunk at a time."""
        offsets = self._offsets(latents)
        for chunk in self._chunks(points):
            sweep, _ = self._forward(chunk, offsets, remember=True)
            self._backward(sweep, gradient, remember=True)
            yield sweep

    def _forward(self, points: Points, offsets: Sequence[Tensor], *, remember: bool = False) -> tuple[Sweep, Losses]:
        states, cosines = self._rise(points, offsets, remember=remember)
        difference = self._differences(states[-1], points)
        error = difference * points.weights.unsqueeze(-1)
        losses = (error * difference).sum((1, 2)) * self._loss_scale
        error *= self._error_scale
        return Sweep(states, cosines, error, [None] * len(cosines)), losses

    def _rise(self, points: Points, offsets: Sequence[Tensor], *, remember: bool = False) -> tuple[list[Tensor], list[Tensor]]:
        """h that layers 1..K read, without ``remember`` the last one only, and c of layers 1..K-1."""
        state, states, cosines = points.coordinates, [], []
        for k, (transposed, offset) in enumerate(zip(self._transposed, offsets, strict=True)):
            if remember:
                states.append(state)
            product = self._products.times(state, transposed)
            state, cosine = self._passes.wave(product, offset, state if self._residual(k) else None)
            cosines.append(cosine)
        return [*states, state], cosines

    def _differences(self, state: Tensor, points: Points) -> Tensor:
        """What the field gives, less what it should, ``[batch, points, channels]``."""
        return (state @ self._last_weight.T).add_(self._last_bias) - points.values

    def _backward(self, sweep: Sweep, gradient: Tensor, *, remember: bool = False, sums: SirenSums | None = None) -> None:
        """From the error down to the first layer that matters. dL/dt is added to ``gradient``, dL/dW to ``sums`` if there are any."""
        lowest = self._first_shifted if sums is None else 0
        if sums is not None:
            self._add_last(sums, sweep.error, sweep.states[-1])
        descent, of_layers = sweep.error @ self._last_weight, gradient.unbind(1)
        for k in reversed(range(lowest, len(self._weights))):
            if remember:
                sweep.descents[k] = descent
            slope = self._passes.slope(descent, sweep.cosines[k], of_layers[k])
            if sums is not None:
                self._add_product(sums.weights[k], slope, sweep.states[k])
            if k > lowest:
                descent = self._descend(slope, descent, k, in_place=not remember)

    def _tangent(self, sweep: Sweep, points: Points, shift_moves: Sequence[Tensor], adjoint_sum: Tensor, sums: SirenSums) -> None:
        """The derivative of forward, backward and dL/dtheta along a tangent of the shifts."""
        phases, moves = self._tangent_forward(sweep, shift_moves)
        error = (moves[-1] @ self._last_weight.T).mul_(self._error_scale * points.weights.unsqueeze(-1))
        self._add_last(sums, error, sweep.states[-1])
        self._products.add_times(sums.last_weight, sweep.error.flatten(0, 1).T, moves[-1].flatten(0, 1))
        descent, of_layers = error @ self._last_weight, adjoint_sum.unbind(1)
        for k in reversed(range(len(self._weights))):
            below = sweep.states[k] if self._residual(k) else None
            primal, shifted = sweep.descents[k], k - self._first_shifted
            if shifted < 0 or primal is None:
                adjoint = self._passes.slope(descent, sweep.cosines[k], of_layers[k])
            else:
                arrays = (sweep.cosines[k], primal, phases[shifted], sweep.states[k + 1], below)
                adjoint, slope = self._passes.adjoint(descent, *arrays, of_layers[k])
                if shifted > 0:
                    self._add_product(sums.weights[k], slope, moves[shifted - 1])
            self._add_product(sums.weights[k], adjoint, sweep.states[k])
            if k > 0:
                descent = self._descend(adjoint, descent, k, in_place=True)

    def _tangent_forward(self, sweep: Sweep, shift_moves: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """a. and h'. of each shifted layer."""
        first, *others = shift_moves
        phases, moves = [first], [first * sweep.cosines[self._first_shifted]]
        for k, offset in enumerate(others, self._first_shifted + 1):
            product = self._products.times(moves[-1], self._transposed[k])
            phase, move = self._passes.swing(product, offset, sweep.cosines[k], moves[-1] if self._residual(k) else None)
            phases.append(phase)
            moves.append(move)
        return phases, moves

    def _descend(self, slope: Tensor, descent: Tensor, k: int, *, in_place: bool) -> Tensor:
        """W^T e for every point, added to what comes down the residual path."""
        if not self._residual(k):
            return self._products.times(slope, self._weights[k])
        total = descent if in_place else descent.clone()
        self._products.add_times(total.flatten(0, 1), slope.flatten(0, 1), self._weights[k])
        return total

    def _add_last(self, sums: SirenSums, error: Tensor, state: Tensor) -> None:
        """The last layer's part of a gradient."""
        self._add_product(sums.last_weight, error, state)
        sums.last_bias += error.sum((0, 1))

    def _add_product(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """``total += sum over signals and points of left right^T``; what signals share on the right is not repeated."""
        if len(right) < len(left):
            left = left.sum(0, keepdim=True)
        self._products.add_times(total, left.flatten(0, 1).T, right.flatten(0, 1))
