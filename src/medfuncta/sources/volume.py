"""A volume as its file has it: what a header claims is checked before it is believed, and its
matrix becomes a grid."""

from __future__ import annotations

from io import BufferedIOBase
from math import prod
from typing import Final, NamedTuple

import numpy as np

from medfuncta.door.allowance import NUMBER, check_signal
from medfuncta.door.limits import MAX_POINTS
from medfuncta.errors import DataError
from medfuncta.signals.domain import Grid

_BLOCK: Final = 2**22  # bytes unpacked at a time
_WHOLE_TYPES: Final = tuple(np.dtype(name) for name in ("int16", "uint16", "int32"))


class Volume(NamedTuple):
    """What a volume's file holds.

    Args:
        values: Physical ones, ``[*grid.shape, channels]`` float32.
        grid: Where they lie, in mm (RAS+); of 2 axes when there is one slice.
        dtype: The data type on the disk, or a wider one that holds the values.
    """

    values: np.ndarray
    grid: Grid
    dtype: str


def check_claim(name: str, shape: tuple[int, ...], held: int = 0) -> None:
    """Refuse a header's shape before memory is asked for.

    Args:
        name: What an error calls the file.
        shape: Samples along each axis, channels included.
        held: Bytes of the file.

    Raises:
        DataError: If an axis is empty, or the header claims more values than any volume has, or
            more memory than a signal may ask for.
    """
    size = prod(int(n) for n in shape)
    if not shape or min(shape) < 1:
        raise DataError(
            f"{name} has a shape of {tuple(map(int, shape))}; expected at least one sample along "
            "every axis"
        )
    if size > MAX_POINTS:
        raise DataError(
            f"the header of {name} claims {size:,} values; expected at most {MAX_POINTS:,}; get "
            "the file again"
        )
    check_signal(f"{name}, as its header claims,", size * NUMBER, held)


def read_at_most(stream: BufferedIOBase, limit: int) -> bytes:
    """Up to ``limit`` bytes of a stream that unpacks; memory follows what it holds, not the limit.

    Reads on to where a checksum stands when the limit is the stream's end.
    """
    held = bytearray()
    while len(held) < limit:
        block = stream.read(min(_BLOCK, limit - len(held)))
        if not block:
            break
        held += block
    stream.read(1)
    return bytes(held)


def without_single_slices(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of at least 2 axes, its last axis dropped when it has one sample: a volume of one
    slice is an image."""
    while len(shape) < 2:
        shape = (*shape, 1)
    if len(shape) == 3 and shape[-1] == 1:
        return shape[:-1]
    return shape


def physical_grid(name: str, shape: tuple[int, ...], affine: np.ndarray) -> Grid:
    """The grid of a shape and an affine ``[4, 4]`` in mm (RAS+).

    Raises:
        DataError: If the affine is singular or not finite.
    """
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise DataError(
            f"the header of {name} places voxels by a matrix that is singular or not finite; "
            "repair its affine"
        )
    sizes = np.linalg.norm(affine[:3, : len(shape)], axis=0)
    return Grid(shape, tuple(float(size) for size in sizes), affine, "mm")


def file_type(stored: np.dtype, values: np.ndarray) -> str:
    """The data type that values should be written back in: the one they had in their file, if it
    can hold them.

    A slope and an intercept in the header may have moved them: beyond that type (CT stored from 0
    on, down to -1024 HU) into a wider one of whole numbers, or between whole numbers into float32,
    which is what ITK and FSL make of such files too.

    Args:
        stored: On the disk.
        values: Physical ones.

    >>> file_type(np.dtype("uint16"), np.array([-1024.0, 3071.0]))
    'int16'
    """
    if stored.kind == "f":
        return "float64" if stored.itemsize >= 8 else "float32"
    finite = values[np.isfinite(values)]
    if not np.array_equal(finite, np.rint(finite)):
        return "float32"
    low, high = float(finite.min(initial=0)), float(finite.max(initial=0))
    for candidate in (stored, *_WHOLE_TYPES):
        limits = np.iinfo(candidate)
        if limits.min <= low and high <= limits.max:
            return candidate.name
    return "float32"
