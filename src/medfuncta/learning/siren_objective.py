"""The loss of a latent field and its derivatives, written out by hand.

Notation, for layer k with w folded into its weights (W = w_k W_k, and t = w_k (b_k + M_k phi + m_k) for each signal):

    forward      a = W h + t                h' = sin a  (+ h if residual)      c = cos a
    backward     e = c d                    d  = W^T e  (+ d)                  d: dL/dh', e: dL/da, q = d sin a
    tangent      a. = W h. + t.             h'. = c a.  (+ h.)
    its adjoint  e. = c d. - q a.           d. = W^T e. (+ d.)

and d/de of dL/dW = sum e h^T is sum (e. h^T + e h.^T): six products a layer and inner step when the activations h, c, e, q are kept
(the tape), eight when they are evaluated again. Nothing else of an inner step is stored.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from medfuncta.field.latent_field import LatentField
from medfuncta.field.omega import omegas
from medfuncta.learning.objective import InnerGradient, Objective
from medfuncta.learning.passes import EAGER, Bfloat16Products, Products, compiled
from medfuncta.learning.sweep import SirenSums, Sweep, Tape
from medfuncta.signals.points import Points
from medfuncta.types import Latents, Losses

_ROWS = 4096  # points processed at a time, all signals of a group together: activations of that many stay in cache


class SirenObjective(Objective[SirenSums]):
    """A :class:`LatentField`'s loss with hand-written derivatives. Takes a copy of the weights: make a new one after they change.

    Args:
        field: The shared network.
        channel_mean: Average the squared error over channels instead of summing it.
        chunk: Points a signal that are processed at a time; chosen from the batch when None. Changes results by rounding only.
        autocast: ``"bfloat16"`` for matrix products in that type; ``""`` for the field's own.
        compile: Fuse elementwise passes by ``torch.compile``.
    """

    concurrent = True

    @torch.no_grad()
    def __init__(
        self, field: LatentField, *, channel_mean: bool = False, chunk: int | None = None, autocast: str = "", compile: bool = False
    ) -> None:
        config = field.config
        self._config = config
        self._products = Bfloat16Products() if autocast else Products()
        self._passes = compiled() if compile else EAGER
        self._chunk = chunk
        self._error_scale = 2 / config.channels if channel_mean else 2.0
        self._loss_scale = 1 / config.channels if channel_mean else 1.0
        self._omegas = omegas(config)[:-1]
        self._first_shifted = 0 if config.shift_first else 1
        layers = list(zip(self._omegas, field.siren_layers, strict=True))
        self._weights = [w * layer.linear.weight for w, layer in layers]
        self._biases = [w * layer.linear.bias for w, layer in layers]
        shifts = [(w, layer.shift) for w, layer in layers if layer.shift is not None]
        self._shift_map = torch.cat([w * shift.weight for w, shift in shifts])  # [all shifts, latent]
        self._shift_bias = torch.cat([w * shift.bias for w, shift in shifts])
        self._last_weight = field.last.weight.detach()
        self._last_bias = field.last.bias.detach() + config.output_offset
        self._names = [name for name, _ in field.named_parameters()]

    # -- Objective ----------------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def losses(self, latents: Latents, points: Points) -> Losses:
        shifts = self._shifts(latents)
        return torch.stack([self._forward(chunk, shifts)[1] for chunk in self._chunks(points)]).sum(0)

    @torch.no_grad()
    def inner_gradient(self, latents: Latents, points: Points, *, keep: bool = False) -> InnerGradient:
        shifts = self._shifts(latents)
        losses, shift_gradient = points.weights.new_zeros(points.batch), torch.zeros_like(shifts)
        sweeps = []
        for chunk in self._chunks(points):
            sweep, loss = self._forward(chunk, shifts)
            self._backward(sweep, shift_gradient, bends=keep)
            losses += loss
            if keep:
                sweeps.append(sweep)
        tape = Tape(sweeps, shift_gradient) if keep else None
        return InnerGradient(losses, shift_gradient @ self._shift_map, tape)

    @torch.no_grad()
    def outer_gradient(self, latents: Latents, points: Points, scale: float, sums: SirenSums) -> tuple[Losses, Latents]:
        shifts = self._shifts(latents)
        losses, shift_gradient = points.weights.new_zeros(points.batch), torch.zeros_like(shifts)
        for chunk in self._chunks(points):
            sweep, loss = self._forward(chunk, shifts)
            sweep.error *= scale
            self._backward(sweep, shift_gradient, down_to_first=True)
            self._add_outer(sums, sweep)
            losses += loss
        sums.add_shifts(shift_gradient, latents)
        return losses, shift_gradient @ self._shift_map

    @torch.no_grad()
    def directional(self, latents: Latents, tangent: Latents, points: Points, sums: SirenSums, tape: Tape | None = None) -> Latents:
        shift_tangent = tangent @ self._shift_map.T
        shift_adjoint = torch.zeros_like(shift_tangent)
        shift_gradient = torch.zeros_like(shift_tangent) if tape is None else tape.shift_gradient
        sweeps = self._sweeps_again(latents, points, shift_gradient) if tape is None else tape.sweeps
        for sweep, chunk in zip(sweeps, self._chunks(points), strict=True):
            self._tangent(sweep, chunk, shift_tangent, shift_adjoint, sums)
        sums.add_shifts(shift_adjoint, latents)
        sums.add_shifts(shift_gradient, tangent)
        return shift_adjoint @ self._shift_map

    def new_sums(self) -> SirenSums:
        zeros = torch.zeros_like
        weights, biases = [zeros(w) for w in self._weights], [zeros(b) for b in self._biases]
        return SirenSums(weights, biases, zeros(self._last_weight), zeros(self._last_bias), zeros(self._shift_map))

    @torch.no_grad()
    def finish(self, sums: SirenSums) -> dict[str, Tensor]:
        if sums.shift_factors:
            sums.multiply_factors()
        shift_maps = sums.shift_map.split(self._config.width)
        found = {"last.weight": sums.last_weight, "last.bias": sums.last_bias}
        for k, omega in enumerate(self._omegas):
            found[f"layers.{k}.linear.weight"] = omega * sums.weights[k]
            found[f"layers.{k}.linear.bias"] = omega * sums.biases[k]
            if k >= self._first_shifted:
                found[f"layers.{k}.shift.weight"] = shift_maps[k - self._first_shifted].mul_(omega)
                found[f"layers.{k}.shift.bias"] = omega * sums.biases[k]
        return {name: found[name] for name in self._names}

    def tape_bytes(self, points: int) -> int:
        arrays = 4 * len(self._weights)  # h, c, e, q of each layer
        return arrays * points * self._config.width * self._last_weight.element_size()

    # -- passes over one chunk ----------------------------------------------------------------------------------------------------

    def _chunks(self, points: Points) -> Iterator[Points]:
        return points.chunks(self._chunk or max(1, _ROWS // points.batch))

    def _shifts(self, latents: Tensor) -> Tensor:
        """w (M phi + m) of all shifted layers, side by side: ``[batch, all shifts]``."""
        return torch.addmm(self._shift_bias, latents, self._shift_map.T)

    def _of_layer(self, shifts: Tensor, k: int) -> Tensor | None:
        """The columns of layer ``k``, or None for an unshifted first layer."""
        column = (k - self._first_shifted) * self._config.width
        return None if column < 0 else shifts[:, column : column + self._config.width]

    def _residual(self, k: int) -> bool:
        return self._config.residual and k > 0

    def _sweeps_again(self, latents: Tensor, points: Points, shift_gradient: Tensor) -> Iterator[Sweep]:
        """What a tape would hold, one chunk at a time."""
        shifts = self._shifts(latents)
        for chunk in self._chunks(points):
            sweep, _ = self._forward(chunk, shifts)
            self._backward(sweep, shift_gradient, bends=True)
            yield sweep

    def _forward(self, points: Points, shifts: Tensor) -> tuple[Sweep, Losses]:
        sweep = Sweep()
        outputs = points.coordinates
        for k, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            inputs, shift = outputs, self._of_layer(shifts, k)
            product = self._products.times(inputs, weight.T)  # one product serves all signals while they share inputs
            sine, cosine = self._passes.wave(product, bias if shift is None else (shift + bias).unsqueeze(1))
            outputs = inputs + sine if self._residual(k) else sine
            sweep.inputs.append(inputs)
            sweep.sines.append(sine)
            sweep.cosines.append(cosine)
        sweep.features = outputs
        difference = (outputs @ self._last_weight.T).add_(self._last_bias) - points.values
        weights = points.weights.unsqueeze(-1)
        sweep.error = difference * weights
        losses = (sweep.error * difference).sum((1, 2)) * self._loss_scale
        sweep.error *= self._error_scale
        return sweep, losses

    def _backward(self, sweep: Sweep, shift_gradient: Tensor, *, bends: bool = False, down_to_first: bool = False) -> None:
        """From the error down to the first layer that matters; adds to ``shift_gradient``, fills slopes and bends."""
        lowest = 0 if down_to_first else self._first_shifted
        descent = sweep.error @ self._last_weight
        sweep.slopes, sweep.bends = [None] * len(self._weights), [None] * len(self._weights)
        for k in reversed(range(lowest, len(self._weights))):
            if bends and k >= self._first_shifted:
                slope, sweep.bends[k] = self._passes.slope_and_bend(descent, sweep.cosines[k], sweep.sines[k])
            else:
                slope = descent * sweep.cosines[k]
            sweep.slopes[k] = slope
            gradient = self._of_layer(shift_gradient, k)
            if gradient is not None:
                gradient += slope.sum(1)
            if k > lowest:
                descent = self._descend(slope, descent, k)
        sweep.sines = []

    def _add_outer(self, sums: SirenSums, sweep: Sweep) -> None:
        """dL/dW = sum e h^T for every layer."""
        for k, slope in enumerate(sweep.slopes):
            assert slope is not None
            self._add_product(sums.weights[k], slope, sweep.inputs[k])
            sums.biases[k] += slope.sum((0, 1))
        self._add_product(sums.last_weight, sweep.error, sweep.features)
        sums.last_bias += sweep.error.sum((0, 1))

    def _tangent(self, sweep: Sweep, points: Points, shift_tangent: Tensor, shift_adjoint: Tensor, sums: SirenSums) -> None:
        """The derivative of forward, backward and dL/dtheta along a tangent of the shifts."""
        phases, moves = self._tangent_forward(sweep, shift_tangent)
        move = moves[-1]
        assert move is not None
        error = (move @ self._last_weight.T).mul_(self._error_scale * points.weights.unsqueeze(-1))
        self._add_product(sums.last_weight, error, sweep.features)
        self._add_product(sums.last_weight, sweep.error, move)
        sums.last_bias += error.sum((0, 1))
        descent = error @ self._last_weight
        for k in reversed(range(len(self._weights))):
            phase, bend, slope, move = phases[k], sweep.bends[k], sweep.slopes[k], moves[k]
            if phase is not None and bend is not None:
                adjoint = self._passes.adjoint(descent, sweep.cosines[k], bend, phase)
            else:
                adjoint = descent * sweep.cosines[k]
            self._add_product(sums.weights[k], adjoint, sweep.inputs[k])
            if move is not None and slope is not None:
                self._add_product(sums.weights[k], slope, move)
            per_signal = adjoint.sum(1)
            sums.biases[k] += per_signal.sum(0)
            gradient = self._of_layer(shift_adjoint, k)
            if gradient is not None:
                gradient += per_signal
            if k > 0:
                descent = self._descend(adjoint, descent, k)

    def _tangent_forward(self, sweep: Sweep, shift_tangent: Tensor) -> tuple[list[Tensor | None], list[Tensor | None]]:
        """a. of each layer, and h. that each layer (and the last one) reads; None where nothing moves."""
        phases: list[Tensor | None] = []
        moves: list[Tensor | None] = [None]
        for k, weight in enumerate(self._weights):
            inputs, shift = moves[-1], self._of_layer(shift_tangent, k)
            if shift is None:
                phases.append(None)
                moves.append(None)
                continue
            offset, cosine = shift.unsqueeze(1), sweep.cosines[k]
            if inputs is None:
                phase, move = offset, offset * cosine
            else:
                phase, move = self._passes.swing(self._products.times(inputs, weight.T), offset, cosine)
            if inputs is not None and self._residual(k):
                move += inputs
            phases.append(phase)
            moves.append(move)
        return phases, moves

    def _descend(self, slope: Tensor, descent: Tensor, k: int) -> Tensor:
        """W^T e for every point; added to what comes down the residual path, in place."""
        if not self._residual(k):
            return self._products.times(slope, self._weights[k])
        self._products.add_times(descent.flatten(0, 1), slope.flatten(0, 1), self._weights[k])
        return descent

    def _add_product(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """``total += sum over signals and points of left right^T``; what signals share on the right is not repeated."""
        if len(right) < len(left):
            left = left.sum(0, keepdim=True)
        self._products.add_times(total, left.flatten(0, 1).T, right.flatten(0, 1))
