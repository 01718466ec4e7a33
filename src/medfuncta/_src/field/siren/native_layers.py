"""The layers in C: all of them in one call, during which the interpreter is free."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from medfuncta._src.field.siren.folded import FoldedSiren
from medfuncta._src.field.siren.layers import Activations, Layers, Tangents
from medfuncta._src.field.siren.native import NativeField, NativeLibrary, native_library


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
        needed = _numbers(counts, points, self._width)
        block = self._blocks.get(name)
        if block is None or block.numel() < needed:
            block = torch.empty(needed)
            self._blocks[name] = block
        return _cut(block[:needed], counts, points, self._width)

    def in_turn(self, name: str, number: int, counts: Sequence[int], points: int) -> list[Tensor]:
        """Arrays ``[count, points, width]`` that lie on ``number`` of them in turn."""
        few = self.arrays(name, [max(counts)] * number, points)
        arrays = []
        for k, count in enumerate(counts):
            arrays.append(few[k % number][:count])
        return arrays


class NativeLayers(Layers):
    """The layers in C.

    What is not asked to be kept is valid until the same thread's next call of the same method.

    Args:
        library: The functions.
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
        self._forward_panels = [library.panels(weight.T) for weight in weights]
        self._backward_panels = [library.panels(weight) for weight in weights]
        self._forward_pointers = _pointers(self._forward_panels)
        self._backward_pointers = _pointers(self._backward_panels)
        self._field = NativeField(
            forward_weights=ctypes.addressof(self._forward_pointers),
            backward_weights=ctypes.addressof(self._backward_pointers),
            layers=len(weights),
            inputs=inputs,
            width=self._width,
            first_shifted=first_shifted,
            residual=residual,
        )

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
        points = coordinates.shape[1]
        counts = [len(coordinates)]  # of how many signals each state is
        for offset in offsets:
            counts.append(max(counts[-1], len(offset)))
        of_products = self._places_of_products(
            products, counts[:-1], points, with_cosines=with_cosines, keep=keep_products
        )
        cosines = []
        if with_cosines:
            cosines = self._places_of_cosines(of_products, counts, points, keep_products)
        if all_states:
            above = self._room.arrays("states", counts[1:], points)
        else:
            above = self._room.in_turn("states in turn", 2, counts[1:], points)
        states = [coordinates.contiguous(), *above]
        self._library.forward(
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
        if not all_states:
            states = states[-1:]
        return Activations(states, cosines, of_products if keep_products else [])

    def backward(
        self,
        activations: Activations,
        cotangent: Tensor,
        totals: Tensor,
        *,
        keep: bool = False,
        weight_sums: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        batch, points, _ = cotangent.shape
        layers = len(self.weights)
        lowest = self.first_shifted if weight_sums is None else 0
        kept = []
        cotangents = [cotangent] * layers  # each written over the one above
        if keep:
            kept = [*self._new_arrays([batch] * (layers - 1 - lowest), points), cotangent]
            cotangents = [cotangent] * lowest + kept
        with_sums = weight_sums is not None
        self._library.backward(
            self._field,
            lowest,
            batch,
            points,
            _counts([*activations.states[:1], *activations.cosines]),
            _pointers(activations.states) if with_sums else None,
            _pointers(activations.cosines),
            _pointers(cotangents),
            self._room_for_one(cotangent),
            totals.data_ptr(),
            _pointers(weight_sums) if with_sums else None,
        )
        return kept

    def forward_tangent(
        self, cosines: Sequence[Tensor], offset_tangents: Sequence[Tensor]
    ) -> Tangents:
        batch, points = len(offset_tangents[0]), cosines[-1].shape[1]
        counts = [batch] * len(offset_tangents)
        phases = self._room.arrays("phase tangents", counts, points)
        states = self._room.arrays("state tangents", counts, points)
        self._library.forward_tangent(
            self._field,
            batch,
            points,
            _counts([cosines[0], *cosines]),
            _pointers(offset_tangents),
            _strides(offset_tangents),
            _pointers(cosines),
            _pointers(phases),
            _pointers(states),
        )
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
        batch, points, _ = cotangent_tangent.shape
        self._library.backward_tangent(
            self._field,
            batch,
            points,
            _counts([activations.states[0], *activations.cosines]),
            _pointers(activations.states),
            _pointers(activations.cosines),
            _pointers(cotangents),
            _pointers(tangents.phases),
            _pointers(tangents.states),
            cotangent_tangent.data_ptr(),
            self._room_for_one(cotangent_tangent),
            totals.data_ptr(),
            _pointers(weight_sums),
        )

    def shift_jacobian(self, cosines: Sequence[Tensor], cotangent: Tensor, out: Tensor) -> None:
        batch, points, _ = cotangent.shape
        self._library.shift_jacobian(
            self._field,
            batch,
            points,
            _counts([cosines[0], *cosines]),
            _pointers(cosines),
            cotangent.data_ptr(),
            out.data_ptr(),
        )

    def _places_of_products(
        self,
        known: Sequence[Tensor],
        counts: Sequence[int],
        points: int,
        *,
        with_cosines: bool,
        keep: bool,
    ) -> list[Tensor]:
        """Where W h of each layer is read or written."""
        if known:
            return list(known)
        if keep:
            return self._new_arrays(counts, points)
        if with_cosines:
            return self._room.arrays("products", counts, points)
        return self._room.in_turn("product", 1, counts, points)

    def _places_of_cosines(
        self, products: Sequence[Tensor], counts: Sequence[int], points: int, keep_products: bool
    ) -> list[Tensor]:
        """Where c of each layer is written: over W h, unless that is kept or of fewer signals."""
        apart = []
        for product, count in zip(products, counts[1:], strict=True):
            apart.append(keep_products or len(product) < count)
        counts_apart = [count for count, own in zip(counts[1:], apart, strict=True) if own]
        own_places = iter(self._room.arrays("cosines", counts_apart, points))
        cosines = []
        for product, own in zip(products, apart, strict=True):
            cosines.append(next(own_places) if own else product)
        return cosines

    def _new_arrays(self, counts: Sequence[int], points: int) -> list[Tensor]:
        """Arrays ``[count, points, width]`` to keep, all in one block."""
        return _cut(torch.empty(_numbers(counts, points, self._width)), counts, points, self._width)

    def _room_for_one(self, like: Tensor) -> int:
        """The address of a place for one array."""
        return self._room.arrays("one", [len(like)], like.shape[1])[0].data_ptr()


def native_layers(field: FoldedSiren) -> NativeLayers | None:
    """The layers in C, with a copy of their weights; None where they are not to be had."""
    weight = field.weights[0]
    library = native_library(weight.device, weight.dtype)
    if library is None:
        return None
    return NativeLayers(
        field.weights,
        residual=field.config.residual,
        first_shifted=field.first_shifted,
        library=library,
    )


def _numbers(counts: Sequence[int], points: int, width: int) -> int:
    """Of a block in which every array has as much room as the largest."""
    return len(counts) * max(counts, default=0) * points * width


def _cut(block: Tensor, counts: Sequence[int], points: int, width: int) -> list[Tensor]:
    """A block cut into arrays ``[count, points, width]``, each as far from the next as the largest
    needs."""
    if not counts:
        return []
    places = block.view(len(counts), max(counts), points, width).unbind()
    return [place[:count] for place, count in zip(places, counts, strict=True)]


def _counts(arrays: Sequence[Tensor]) -> ctypes.Array[ctypes.c_int64]:
    """Of how many signals each array is."""
    return (ctypes.c_int64 * len(arrays))(*map(len, arrays))


def _strides(arrays: Sequence[Tensor]) -> ctypes.Array[ctypes.c_int64]:
    """From one signal to the next, 0 where signals share an array."""
    strides = []
    for array in arrays:
        strides.append(array.stride(0) if len(array) > 1 else 0)
    return (ctypes.c_int64 * len(arrays))(*strides)


def _pointers(arrays: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(arrays))(*(array.data_ptr() for array in arrays))
