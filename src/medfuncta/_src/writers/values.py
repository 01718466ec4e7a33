"""A signal's values as a file wants them: in the data type of the original, holes filled."""

from __future__ import annotations

import numpy as np
from nibabel.casting import float_to_int

from medfuncta._src.signals.signal import Signal


def file_dtype(signal: Signal) -> np.dtype:
    """The data type that the values had in their file, in this machine's byte order; truth values
    become uint8."""
    dtype = np.dtype(signal.dtype).newbyteorder("=")
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    return dtype


def filled(signal: Signal, dtype: np.dtype) -> np.ndarray:
    """The values ``[..., channels]``; masked ones are NaN for a float ``dtype``, else the lowest of
    the signal's range."""
    if signal.mask is None:
        return signal.values
    hole = signal.range.low
    if dtype.kind == "f":
        hole = np.nan
    return np.where(signal.mask[..., None], signal.values, np.asarray(hole, signal.values.dtype))


def without_single_channel(values: np.ndarray) -> np.ndarray:
    """Values ``[..., channels]`` without their last axis where it has one channel only."""
    if values.shape[-1] == 1:
        return values[..., 0]
    return values


def as_stored(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values in the data type of a file: for integers rounded, clipped to what the type holds, and
    slab by slab."""
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    stored = np.empty(values.shape, dtype)
    for target, slab in zip(stored, values, strict=True):
        target[...] = float_to_int(slab, dtype)
    return stored


def channel_names(signal: Signal) -> list[str]:
    """What the columns or leads of a signal are called."""
    if signal.channels == 1:
        return ["value"]
    return [f"value {number}" for number in range(1, signal.channels + 1)]
