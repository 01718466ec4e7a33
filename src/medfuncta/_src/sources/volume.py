"""A volume as its file has it: what a header claims is checked before it is believed, and its
matrix becomes a grid."""

from __future__ import annotations

import gzip
from io import BufferedIOBase
from math import prod
from typing import Final, NamedTuple

import numpy as np

from medfuncta._src.door.allowance import NUMBER, check_signal
from medfuncta._src.door.limits import MAX_POINTS
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid

_BLOCK: Final = 2**22  # bytes unpacked at a time
_OTHER_BYTES: Final = "Not a gzipped file"
"""How Python's message begins where no further member follows."""
_COARSEST: Final = 0.1
_FINE: Final = 1e-3
"""Of the range of a volume's values, what float32 may take from a value at most, and without a
word."""
_WHOLE_TYPES: Final = tuple(np.dtype(name) for name in ("int16", "uint16", "int32"))


class Volume(NamedTuple):
    """What a volume's file holds.

    Args:
        values: Physical ones, ``[*grid.shape, channels]`` float32.
        grid: Where they lie, in mm (RAS+); of 2 axes when there is one slice.
        dtype: The data type on the disk, or a wider one that holds the values.
        remarks: What was assumed, or cannot be known.
    """

    values: np.ndarray
    grid: Grid
    dtype: str
    remarks: tuple[str, ...] = ()


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

    Reads on to where a checksum stands when the limit is the stream's end; other bytes behind a
    gzip stream are passed over, as by every program that unpacks.
    """
    held = bytearray()
    while len(held) < limit:
        block = stream.read(min(_BLOCK, limit - len(held)))
        if not block:
            break
        held += block
    try:
        stream.read(1)
    except gzip.BadGzipFile as error:
        if not str(error).startswith(_OTHER_BYTES):
            raise
    return bytes(held)


def without_single_slices(
    shape: tuple[int, ...], affine: np.ndarray
) -> tuple[tuple[int, ...], np.ndarray]:
    """A shape of at least 2 axes and its affine ``[4, 4]``. A volume of one slice is an image,
    whichever plane it lies in: the last axis of one sample is dropped, and points out of the
    image."""
    while len(shape) < 2:
        shape = (*shape, 1)
    single = [axis for axis in range(len(shape)) if shape[axis] == 1]
    if len(shape) < 3 or not single:
        return shape, affine
    kept = [axis for axis in range(3) if axis != single[-1]]
    return tuple(shape[axis] for axis in kept), affine[:, [*kept, single[-1], 3]]


class Narrowed(NamedTuple):
    """Values as signals hold them, float32, and a remark on what that has rounded, if it is to
    speak of."""

    values: np.ndarray
    remark: str = ""


def narrowed(name: str, values: np.ndarray) -> Narrowed:
    """Numbers of any real type as float32.

    Raises:
        DataError: If float32 cannot hold a finite one, or hardly tells them from each other.
    """
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32, copy=False)
    if values.dtype.itemsize < 4 or values.dtype == np.float32:
        return Narrowed(narrow)
    finite = np.isfinite(values)
    beyond = finite & ~np.isfinite(narrow)
    if beyond.any():
        raise DataError(
            f"{name} holds {float(values[beyond].flat[0]):.3g}, which is beyond float32 (up to "
            f"{np.finfo(np.float32).max:.3g}); divide its values first"
        )
    if not finite.any():
        return Narrowed(narrow)
    wide = values[finite].astype(np.float64)
    span = float(wide.max() - wide.min())
    error = float(np.abs(wide - narrow[finite]).max())
    if error > span * _COARSEST > 0:
        raise DataError(
            f"{name} holds values that differ by {span:.3g} around {wide.flat[0]:.6g}, of which "
            f"float32 loses {error:.3g}; subtract an offset first"
        )
    if error > span * _FINE > 0 or (values.dtype.kind in "iu" and error):
        return Narrowed(
            narrow, f"values are rounded to float32, which moves them by up to {error:.3g}"
        )
    return Narrowed(narrow)


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
