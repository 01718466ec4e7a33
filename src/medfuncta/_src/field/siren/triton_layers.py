"""The layers on a graphics card, as kernels in Triton: what stands between two matrix products in
one sweep, with sine and cosine at once and sums over points on the way.

Products are PyTorch's, in the type that the settings say; what the kernels read, write and add up
is float32. The module needs Triton and is imported where the kernels are in use only
(:mod:`medfuncta._src.field.siren.fast_layers`). With ``TRITON_INTERPRET=1`` they run on the CPU,
slowly, as the tests do it. **They have not been run on a GPU.**

Arrays are as in :mod:`medfuncta._src.field.siren.layers`. A program has a block of points of one
signal and of columns; ``*_signal`` is how far the next signal of an array is, 0 where signals share
it. What is written is contiguous and may lie where an input of the same shape does.
"""

# Kernels are a language of their own, which type checkers take for Python.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from typing import Any, Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from medfuncta._src.field.siren.layers import Bend, TorchLayers

_POINTS: Final = 32
_WIDTH: Final = 64
"""Points and columns of a program."""


class TritonLayers(TorchLayers):
    """The layers with one kernel between two products, for float32."""

    def sine(
        self,
        product: Tensor,
        offset: Tensor,
        below: Tensor | None,
        *,
        with_cosine: bool,
        keep: bool,
    ) -> tuple[Tensor, Tensor | None]:
        batch, points, width = max(len(product), len(offset)), *product.shape[1:]
        above = product.new_empty(batch, points, width)
        cosine = above  # written nowhere unless it is asked for
        if with_cosine:
            in_place = not keep and len(product) == batch
            cosine = product if in_place else torch.empty_like(above)
        _run(
            _sine,
            above,
            *_read(product),
            *_read(offset),
            *_read(product if below is None else below),
            cosine,
            RESIDUAL=below is not None,
            WITH_COSINE=with_cosine,
        )
        return above, cosine if with_cosine else None

    def phase_cotangent(self, cotangent: Tensor, cosine: Tensor, total: Tensor) -> Tensor:
        phase_cotangent, sums = torch.empty_like(cotangent), _sums_of_blocks(cotangent)
        _run(_phase_cotangent, phase_cotangent, *_read(cotangent), *_read(cosine), sums)
        total += sums.sum(1)
        return phase_cotangent

    def sine_tangent(
        self, product: Tensor, offset: Tensor, cosine: Tensor, below: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        above = torch.empty_like(product)
        _run(
            _sine_tangent,
            above,
            *_read(product),
            *_read(offset),
            *_read(cosine),
            *_read(product if below is None else below),
            RESIDUAL=below is not None,
        )
        return product, above

    def phase_cotangent_tangent(
        self,
        cotangent_tangent: Tensor,
        cosine: Tensor,
        bend: Bend,
        total: Tensor,
        *,
        with_cotangent: bool,
    ) -> tuple[Tensor, Tensor | None]:
        found, sums = torch.empty_like(cotangent_tangent), _sums_of_blocks(cotangent_tangent)
        phase_cotangent = torch.empty_like(found) if with_cotangent else found
        one_for_all_points = bend.phase_tangent.shape[1] == 1
        _run(
            _phase_cotangent_tangent,
            found,
            *_read(cotangent_tangent),
            *_read(cosine),
            *_read(bend.cotangent),
            *_read(bend.phase_tangent),
            0 if one_for_all_points else found.shape[2],
            *_read(bend.above),
            *_read(bend.above if bend.below is None else bend.below),
            phase_cotangent,
            sums,
            RESIDUAL=bend.below is not None,
            WITH_COTANGENT=with_cotangent,
        )
        total += sums.sum(1)
        return found, phase_cotangent if with_cotangent else None


# -- on this side of the kernels ------------------------------------------------------------------


def _run(kernel: Any, out: Tensor, *arguments: Any, **flags: bool) -> None:
    """A kernel on all blocks of ``out``, ``[batch, points, width]``."""
    batch, points, width = out.shape
    blocks = _blocks(points)
    programs = (batch * blocks, triton.cdiv(width, _WIDTH))
    with torch.cuda.device_of(out):
        kernel[programs](
            out, *arguments, points, width, blocks, POINTS=_POINTS, WIDTH=_WIDTH, **flags
        )


def _read(array: Tensor) -> tuple[Tensor, int]:
    """An array, and how far its next signal is."""
    assert array.stride(-1) == 1 and (array.shape[1] == 1 or array.stride(1) == array.shape[2])
    return array, array.stride(0) if len(array) > 1 else 0


def _sums_of_blocks(like: Tensor) -> Tensor:
    """Where the sums over the points of each block go: added up later in one order, so that they
    are the same bits each time."""
    batch, points, width = like.shape
    return like.new_empty(batch, _blocks(points), width)


def _blocks(points: int) -> int:
    return -(-points // _POINTS)  # rounded up


# -- the kernels ----------------------------------------------------------------------------------


@triton.jit
def _sine(
    out,
    product,
    product_signal,
    offset,
    offset_signal,
    below,
    below_signal,
    cosine,
    points,
    width,
    blocks,
    RESIDUAL: tl.constexpr,
    WITH_COSINE: tl.constexpr,
    POINTS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """out = sin(product + offset) (+ below), cosine = cos(product + offset)."""
    signal, rows, columns, inside = _block(points, width, blocks, POINTS, WIDTH)
    places = rows * width + columns
    phase = tl.load(product + signal * product_signal + places, mask=inside, other=0.0)
    phase += tl.load(offset + signal * offset_signal + columns, mask=columns < width, other=0.0)
    sine, its_cosine = _sine_cosine(phase)
    if RESIDUAL:
        sine += tl.load(below + signal * below_signal + places, mask=inside, other=0.0)
    written = signal * points * width + places
    tl.store(out + written, sine, mask=inside)
    if WITH_COSINE:
        tl.store(cosine + written, its_cosine, mask=inside)


@triton.jit
def _phase_cotangent(
    out,
    cotangent,
    cotangent_signal,
    cosine,
    cosine_signal,
    sums,
    points,
    width,
    blocks,
    POINTS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """out = cotangent * cosine, and its sum over the points of each block."""
    signal, rows, columns, inside = _block(points, width, blocks, POINTS, WIDTH)
    places = rows * width + columns
    found = tl.load(cotangent + signal * cotangent_signal + places, mask=inside, other=0.0)
    found *= tl.load(cosine + signal * cosine_signal + places, mask=inside, other=0.0)
    tl.store(out + signal * points * width + places, found, mask=inside)
    _store_sum(sums, found, columns, width)


@triton.jit
def _sine_tangent(
    out,
    product,
    product_signal,
    offset,
    offset_signal,
    cosine,
    cosine_signal,
    below,
    below_signal,
    points,
    width,
    blocks,
    RESIDUAL: tl.constexpr,
    POINTS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """product += offset, out = product * cosine (+ below)."""
    signal, rows, columns, inside = _block(points, width, blocks, POINTS, WIDTH)
    places = rows * width + columns
    phase = tl.load(product + signal * product_signal + places, mask=inside, other=0.0)
    phase += tl.load(offset + signal * offset_signal + columns, mask=columns < width, other=0.0)
    tl.store(product + signal * product_signal + places, phase, mask=inside)
    state = phase * tl.load(cosine + signal * cosine_signal + places, mask=inside, other=0.0)
    if RESIDUAL:
        state += tl.load(below + signal * below_signal + places, mask=inside, other=0.0)
    tl.store(out + signal * points * width + places, state, mask=inside)


@triton.jit
def _phase_cotangent_tangent(
    out,
    cotangent_tangent,
    cotangent_tangent_signal,
    cosine,
    cosine_signal,
    cotangent,
    cotangent_signal,
    phase_tangent,
    phase_tangent_signal,
    phase_tangent_point,
    above,
    above_signal,
    below,
    below_signal,
    phase_cotangent,
    sums,
    points,
    width,
    blocks,
    RESIDUAL: tl.constexpr,
    WITH_COTANGENT: tl.constexpr,
    POINTS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """out = cotangent_tangent * cosine - cotangent * sine * phase_tangent, and its sum over the
    points of each block; phase_cotangent = cotangent * cosine. The sine is above (- below)."""
    signal, rows, columns, inside = _block(points, width, blocks, POINTS, WIDTH)
    places = rows * width + columns
    c = tl.load(cosine + signal * cosine_signal + places, mask=inside, other=0.0)
    d = tl.load(cotangent + signal * cotangent_signal + places, mask=inside, other=0.0)
    sine = tl.load(above + signal * above_signal + places, mask=inside, other=0.0)
    if RESIDUAL:
        sine -= tl.load(below + signal * below_signal + places, mask=inside, other=0.0)
    of_phase = phase_tangent + signal * phase_tangent_signal + rows * phase_tangent_point + columns
    bend = tl.load(of_phase, mask=inside, other=0.0) * d * sine
    of_state = cotangent_tangent + signal * cotangent_tangent_signal + places
    found = tl.load(of_state, mask=inside, other=0.0) * c - bend
    written = signal * points * width + places
    tl.store(out + written, found, mask=inside)
    if WITH_COTANGENT:
        tl.store(phase_cotangent + written, d * c, mask=inside)
    _store_sum(sums, found, columns, width)


@triton.jit
def _block(points, width, blocks, POINTS: tl.constexpr, WIDTH: tl.constexpr):
    """Of a program the signal, its points, its columns, and which of them there are."""
    program = tl.program_id(0).to(tl.int64)  # what follows counts numbers of whole arrays
    rows = (program % blocks * POINTS + tl.arange(0, POINTS))[:, None]
    columns = (tl.program_id(1) * WIDTH + tl.arange(0, WIDTH))[None, :]
    return program // blocks, rows, columns, (rows < points) & (columns < width)


@triton.jit
def _store_sum(sums, found, columns, width):
    """The sum over points of what a program has found."""
    total = tl.sum(found, axis=0, keep_dims=True)
    places = tl.program_id(0).to(tl.int64) * width + columns
    tl.store(sums + places, total, mask=columns < width)


@triton.jit
def _sine_cosine(phase):
    """As in ``native.c``: Cephes' polynomials on [-pi/4, pi/4], after taking away multiples of pi/2
    in three parts. The card's own fast sine is not good to a float where phases are large."""
    quarters = tl.floor(phase * 0.636619772 + 0.5)
    r = tl.fma(quarters, -1.5703125, phase)
    r = tl.fma(quarters, -4.837512969970703125e-4, r)
    r = tl.fma(quarters, -7.54978995489188e-8, r)
    r = tl.where(r > 0.8, 0.8, r)  # only where a phase is absurdly large; false for NaN
    r = tl.where(r < -0.8, -0.8, r)
    r2 = r * r
    s = ((-1.9515295891e-4 * r2 + 8.3321608736e-3) * r2 - 1.6666654611e-1) * (r2 * r) + r
    c = (2.443315711809948e-5 * r2 - 1.388731625493765e-3) * r2 + 4.166664568298827e-2
    c = c * (r2 * r2) + (1.0 - 0.5 * r2)
    quarter = quarters.to(tl.int32)
    swapped = (quarter & 1) != 0
    sine, cosine = tl.where(swapped, c, s), tl.where(swapped, s, c)
    sine = tl.where((quarter & 2) != 0, -sine, sine)
    cosine = tl.where(((quarter + 1) & 2) != 0, -cosine, cosine)
    return sine, cosine
