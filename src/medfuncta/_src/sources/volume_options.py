"""Options of volumes: which values of a file are taken, and the preprocessing steps that are asked
for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess import (
    CropPad,
    Preprocessing,
    Quantiles,
    Reorient,
    Resample,
    Step,
    Window,
)
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.sources.options import Options, option


@dataclass(frozen=True)
class ValueOptions(Options):
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
class StepOptions(Options):
    """The preprocessing steps that a user can ask for; without any, each volume keeps its own shape
    and spacing."""

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


def steps_of(options: StepOptions) -> Preprocessing:
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
    name = "window" if window else "quantiles"
    bounds = window or quantiles or (0.0, 1.0)
    if len(bounds) != 2:
        raise ConfigError(f"got {counted(len(bounds), 'number')} for '{name}'; expected low,high")
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


def _one_channel(name: str, values: np.ndarray, channel: int | None) -> np.ndarray:
    """One channel of ``[..., channels]`` as ``[..., 1]``; all of them for None.

    Raises:
        ConfigError: If there is no such channel.
    """
    if channel is None:
        return values
    if channel >= values.shape[-1]:
        raise ConfigError(
            f"the option 'channel' is {channel}; {name} has "
            f"{counted(values.shape[-1], 'channel')}, counted "
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

    Args:
        name: What an error calls it.
        values: As the file has them.
        grid: Where they lie.
        options: How they are taken.
        mask: False where nothing was observed, ``[*grid.shape]``; None when everything was.
        dtype: The data type of the file.
        unit: What the file says of it; the user's word goes before it.
        modality: ``"ct"``, ``"mr"``, ``"ecg"``, ... or ``""``.

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
        id=name,
        values=values,
        domain=grid,
        range=value_range,
        unit=options.unit or unit,
        mask=None if whole else seen,
        dtype=dtype,
        metadata=metadata,
    )
