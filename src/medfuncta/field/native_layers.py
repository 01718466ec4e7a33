"""The layers in C: all of them in one call, during which the interpreter is free."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from itertools import compress, pairwise

import torch
from torch import Tensor

from medfuncta.field.latent_field import LatentField
from medfuncta.field.layers import Ascent, Layers, TangentAscent
from medfuncta.field.native import NativeField, NativeLibrary, native_library


class _Room(threading.local):
    """Memory that each thread writes over again and again: blocks that come and go would leave
    holes in the heap.

    Args:
        width: Length of the last axis of every array.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._blocks: dict[str, Tensor] = {}

    def arrays(self, name: str, counts: Sequence[int], points: int) -> list[Tensor]:
        """Arrays ``[count, points, width]``, which the next ones of this name and thread lie
        upon."""
        needed = len(counts) * max(counts, default=0) * points * self._width
        block = self._blocks.get(name)
        if block is None or block.numel() < needed:
            block = self._blocks[name] = torch.empty(needed)
        return _arrays(block[:needed], counts, points, self._width)


class NativeLayers(Layers):
    """The layers in C.

    What is not asked to be kept is valid until the same thread's next call of the same method.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        *,
        residual: bool,
        first_shifted: int,
        library: NativeLibrary,
    ) -> None:
        super().__init__(weights, residual=residual, first_shifted=first_shifted)
        self._library = library
        self._width, inputs = weights[0].shape
        self._room = _Room(self._width)
        self._panels = (
            [library.panels(weight.T) for weight in weights],
            [library.panels(weight) for weight in weights],
        )
        self._pointers = [_pointers(panels) for panels in self._panels]
        addresses = map(ctypes.addressof, self._pointers)
        self._field = NativeField(
            *addresses, len(weights), inputs, self._width, first_shifted, residual
        )

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
        points, counts = coordinates.shape[1], [len(coordinates)]
        for offset in offsets:
            counts.append(max(counts[-1], len(offset)))
        if products:
            of_products = list(products)
        elif with_cosines or keep_products:
            of_products = self._arrays("products", counts[:-1], points, keep=keep_products)
        else:
            of_products = self._in_turn("product", 1, counts[:-1], points)
        apart = [
            with_cosines and (keep_products or reads < gives) for reads, gives in pairwise(counts)
        ]  # else c lies where W h did
        more = iter(self._arrays("cosines", list(compress(counts[1:], apart)), points))
        cosines = (
            [
                next(more) if own else product
                for own, product in zip(apart, of_products, strict=True)
            ]
            if with_cosines
            else []
        )
        above = (
            self._arrays("states", counts[1:], points)
            if all_states
            else self._in_turn("states in turn", 2, counts[1:], points)
        )
        states = [coordinates.contiguous(), *above]
        self._library.rise(
            self._field,
            points,
            _counts(states),
            _pointers(offsets),
            _strides(offsets),
            bool(products),
            _pointers(of_products),
            _pointers(states),
            _pointers(cosines) if with_cosines else None,
        )
        return Ascent(
            states if all_states else states[-1:], cosines, of_products if keep_products else []
        )

    def descend(
        self,
        ascent: Ascent,
        descent: Tensor,
        totals: Tensor,
        *,
        keep: bool = False,
        sums: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        batch, points, _ = descent.shape
        lowest = self.first_shifted if sums is None else 0
        below = len(self.weights) - 1 - lowest
        kept = [*self._arrays("", [batch] * below, points, keep=True), descent] if keep else []
        self._library.descend(
            self._field,
            lowest,
            batch,
            points,
            _counts(ascent.states[:1], ascent.cosines),
            None if sums is None else _pointers(ascent.states),
            _pointers(ascent.cosines),
            _pointers([descent] * lowest + (kept or [descent] * (below + 1))),
            self._slopes(descent),
            totals.data_ptr(),
            None if sums is None else _pointers(sums),
        )
        return kept

    def tangent_rise(
        self, cosines: Sequence[Tensor], shift_moves: Sequence[Tensor]
    ) -> TangentAscent:
        batch, points = len(shift_moves[0]), cosines[-1].shape[1]
        phases, moves = (
            self._arrays(name, [batch] * len(shift_moves), points) for name in ("phases", "moves")
        )
        arrays = (
            _counts(cosines[:1], cosines),
            _pointers(shift_moves),
            _strides(shift_moves),
            _pointers(cosines),
        )
        self._library.tangent_rise(
            self._field, batch, points, *arrays, _pointers(phases), _pointers(moves)
        )
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
        batch, points, _ = descent.shape
        lists = (ascent.states, ascent.cosines, descents, tangent.phases, tangent.moves)
        self._library.tangent_descend(
            self._field,
            batch,
            points,
            _counts(ascent.states[:1], ascent.cosines),
            *map(_pointers, lists),
            descent.data_ptr(),
            self._slopes(descent),
            totals.data_ptr(),
            _pointers(sums),
        )

    def slopes(self, cosines: Sequence[Tensor], descent: Tensor, out: Tensor) -> None:
        batch, points, _ = descent.shape
        counts = _counts(cosines[:1], cosines)
        self._library.all_slopes(
            self._field,
            batch,
            points,
            counts,
            _pointers(cosines),
            descent.data_ptr(),
            out.data_ptr(),
        )

    def _arrays(
        self, name: str, counts: Sequence[int], points: int, *, keep: bool = False
    ) -> list[Tensor]:
        """Arrays ``[count, points, width]``: new ones, all in one block, to ``keep``; else in this
        thread's room."""
        if not keep:
            return self._room.arrays(name, counts, points)
        return _arrays(
            torch.empty(len(counts) * max(counts, default=0) * points * self._width),
            counts,
            points,
            self._width,
        )

    def _in_turn(self, name: str, number: int, counts: Sequence[int], points: int) -> list[Tensor]:
        """Arrays in this thread's room that lie on ``number`` of them in turn."""
        few = self._room.arrays(name, [max(counts)] * number, points)
        return [few[k % number][:count] for k, count in enumerate(counts)]

    def _slopes(self, like: Tensor) -> int:
        """Where there is room for one array."""
        return self._room.arrays("slopes", [len(like)], like.shape[1])[0].data_ptr()


def _arrays(block: Tensor, counts: Sequence[int], points: int, width: int) -> list[Tensor]:
    """A block cut into arrays ``[count, points, width]``, each as far from the next as the largest
    needs."""
    if not counts:
        return []
    arrays = block.view(len(counts), max(counts), points, width).unbind()
    return [array[:count] for array, count in zip(arrays, counts, strict=True)]


def native_layers(network: LatentField) -> NativeLayers | None:
    """The layers of a network in C, with a copy of its weights; None where they are not to be
    had."""
    weight, config = network.last.weight, network.config
    library = native_library(weight.device, weight.dtype)
    if library is None:
        return None
    return NativeLayers(
        network.folded_weights(),
        residual=config.residual,
        first_shifted=network.first_shifted,
        library=library,
    )


def _counts(*lists: Sequence[Tensor]) -> ctypes.Array[ctypes.c_int64]:
    """Of how many signals each array is."""
    counts = [len(array) for arrays in lists for array in arrays]
    return (ctypes.c_int64 * len(counts))(*counts)


def _strides(arrays: Sequence[Tensor]) -> ctypes.Array[ctypes.c_int64]:
    """From one signal to the next, 0 where signals share an array."""
    return (ctypes.c_int64 * len(arrays))(
        *(array.stride(0) if len(array) > 1 else 0 for array in arrays)
    )


def _pointers(arrays: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(arrays))(*(array.data_ptr() for array in arrays))
