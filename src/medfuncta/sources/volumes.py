"""What the sources of volumes share: their options, and the preprocessing steps that these ask
for."""

from __future__ import annotations

from dataclasses import dataclass
from io import BufferedIOBase
from typing import Final, Literal

import numpy as np

from medfuncta.errors import ConfigError, DataError
from medfuncta.signals.domain import Grid
from medfuncta.signals.preprocess import (
    CropPad,
    Preprocessing,
    Quantiles,
    Reorient,
    Resample,
    Step,
    Window,
)
from medfuncta.signals.preprocess.step import MAX_POINTS
from medfuncta.signals.signal import Signal, ValueRange
from medfuncta.sources.options import option

_BLOCK: Final = 2**22  # bytes unpacked at a time
_WHOLE_TYPES: Final = tuple(np.dtype(name) for name in ("int16", "uint16", "int32"))


@dataclass(frozen=True)
class ValueOptions:
    """How the values of a file are taken."""

    nan: Literal["refuse", "mask"] = option(
        "refuse", "what to do with NaN and Inf: 'refuse' the file or 'mask' these voxels"
    )
    unit: str = option("", "unit of the values, such as HU")
    channel: int | None = option(
        None,
        "one channel (volume of a 4D file, colour, lead), counted from 0; by default all",
        at_least=0,
    )


@dataclass(frozen=True)
class VolumeOptions(ValueOptions):
    """Options of every source of volumes; without any, each volume keeps its own shape and
    spacing."""

    orient: str = option("", "turn axes to point this way, such as RAS")
    crop: tuple[int, ...] | None = option(
        None, "cut or pad to this shape around the middle", at_least=1
    )
    shape: tuple[int, ...] | None = option(
        None, "resample to this shape, such as 32,32,32", at_least=1
    )
    spacing: tuple[float, ...] | None = option(
        None, "resample to this spacing in mm, such as 1,1,1", more_than=0
    )
    window: tuple[float, ...] | None = option(
        None, "low,high in physical units mapped to [0, 1]; what lies outside is clipped"
    )
    quantiles: tuple[float, ...] | None = option(
        None, "low,high quantiles of each volume mapped to [0, 1], such as 0.005,0.995", at_least=0
    )


def volume_steps(options: VolumeOptions) -> Preprocessing:
    """Orientation, then resampling, then cutting, then intensity: by default each volume spans [0,
    1] from its lowest to its highest value.

    Raises:
        ConfigError: If two options exclude each other or one has the wrong count of numbers.
    """
    steps: list[Step] = [Reorient(options.orient)] if options.orient else []
    if options.shape is not None or options.spacing is not None:
        steps.append(Resample(options.shape, options.spacing))
    if options.crop is not None:
        steps.append(CropPad(options.crop))
    return Preprocessing((*steps, intensity_step(options.window, options.quantiles)))


def intensity_step(window: tuple[float, ...] | None, quantiles: tuple[float, ...] | None) -> Step:
    """The step that sets the value range; without either option the range of each signal.

    Raises:
        ConfigError: If both are given, or one has not two numbers.
    """
    if window is not None and quantiles is not None:
        raise ConfigError("got both 'window' and 'quantiles'; expected one of them")
    bounds = window or quantiles or (0.0, 1.0)
    if len(bounds) != 2:
        raise ConfigError(
            f"got {len(bounds)} numbers for '{'window' if window else 'quantiles'}'; expected "
            "low,high"
        )
    return Window(*bounds) if window else Quantiles(*bounds)


def block_mean(full: int, size: int) -> Resample:
    """The step from ``full`` to ``size`` voxels along each side of a cube, each new one the mean of
    a block.

    Raises:
        ConfigError: If ``full`` is not a multiple of ``size``.
    """
    if full % size:
        raise ConfigError(
            f"the option 'size' is {size}; expected {full} or a whole part of it, such as "
            f"{full // 8}"
        )
    return Resample((size, size, size), method="mean")


def check_claim(name: str, shape: tuple[int, ...]) -> None:
    """Refuse a header's shape before memory is asked for.

    Raises:
        DataError: If an axis is empty, or the header claims more values than any volume has.
    """
    size = 1
    for n in shape:
        size *= int(n)
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


def read_at_most(stream: BufferedIOBase, limit: int) -> bytes:
    """Up to ``limit`` bytes of a stream that unpacks; memory follows what it holds, not the limit.

    Reads on to where a checksum stands when the limit is the stream's end.
    """
    held = bytearray()
    while len(held) < limit and (block := stream.read(min(_BLOCK, limit - len(held)))):
        held += block
    stream.read(1)
    return bytes(held)


def without_single_slices(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of at least 2 axes, its last axis dropped when it has one sample: a volume of one
    slice is an image."""
    padded = (*shape, 1, 1)[: max(2, len(shape))]
    return padded[:-1] if len(padded) == 3 and padded[-1] == 1 else padded


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
        on, down to -1024 HU) into a wider one
    of whole numbers, or between whole numbers into float32, which is what ITK and FSL make of such
    files too.

    Args:
        stored: On the disk.
        values: Physical ones.

    >>> file_type(np.dtype("uint16"), np.array([-1024.0, 3071.0]))
    'int16'
    """
    if stored.kind == "f":
        return "float64" if stored.itemsize >= 8 else "float32"
    finite = values[np.isfinite(values)]
    low, high = float(finite.min(initial=0)), float(finite.max(initial=0))
    wide_enough = (
        t for t in (stored, *_WHOLE_TYPES) if np.iinfo(t).min <= low and high <= np.iinfo(t).max
    )
    whole = np.array_equal(finite, np.rint(finite))
    return next(wide_enough, np.dtype(np.float32)).name if whole else "float32"


def _one_channel(name: str, values: np.ndarray, channel: int | None) -> np.ndarray:
    """One channel of ``[..., channels]`` as ``[..., 1]``; all of them for None.

    Raises:
        ConfigError: If there is no such channel.
    """
    if channel is None:
        return values
    if channel >= values.shape[-1]:
        raise ConfigError(
            f"the option 'channel' is {channel}; {name} has {values.shape[-1]} channels, counted "
            "from 0"
        )
    return values[..., channel : channel + 1]


def volume_signal(
    name: str,
    values: np.ndarray,
    grid: Grid,
    options: ValueOptions,
    *,
    mask: np.ndarray | None = None,
    dtype: str = "float32",
    unit: str = "",
    modality: str = "",
) -> Signal:
    """A signal of values ``[*grid.shape, channels]``: the channels, unit and treatment of NaN and
    Inf are those of the options.

    Raises:
        ConfigError: If there is no such channel.
        DataError: If a value is NaN or Inf and stays so, or all are.
    """
    values = _one_channel(name, values, options.channel)
    finite = np.asarray(np.isfinite(values).all(axis=-1))
    seen = finite if mask is None else finite & mask
    if not finite.all() and options.nan == "refuse":
        raise DataError(
            f"{name} has {int((~finite).sum())} NaN or Inf values; repair the file, or mask them "
            "with nan=mask"
        )
    if not seen.any():
        raise DataError(f"{name} has no finite value; expected at least one")
    metadata = {"modality": modality} if modality else {}
    whole = bool(seen.all())
    value_range = ValueRange.of(values if whole else values[seen])
    return Signal.of(
        name,
        values,
        grid,
        value_range,
        options.unit or unit,
        None if whole else seen,
        dtype=dtype,
        metadata=metadata,
    )
