"""Arrays, tensors, images of nibabel and signals in memory, taken for what they are before any
value is converted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from torch import Tensor

from medfuncta.door.wording import shown
from medfuncta.errors import ConfigError, DataError
from medfuncta.signals.domain import Domain, Grid
from medfuncta.signals.signal import Signal
from medfuncta.sources.options import option
from medfuncta.sources.splitting import SplitOptions
from medfuncta.sources.volume import narrowed

OneEach: TypeAlias = Sequence[Any] | np.ndarray | Tensor
"""An entry for each signal."""
Channels: TypeAlias = Literal["none", "first", "last"]
"""Whether arrays have an axis of channels, and where."""

_SPACING_UNITS: Final = {1: "s", 2: "mm", 3: "mm"}  # by the number of axes


@dataclass(frozen=True)
class HeldSplits(SplitOptions):
    """How signals in memory are split."""

    test: str = option("0.15", "test split: a fraction from 0 to 1")


@dataclass(frozen=True, eq=False)
class Held:
    """A signal as it was given, of which nothing was converted yet.

    Args:
        domain: Where its values lie.
        channels: Numbers per point.
        load: Gives the values, ``[*shape, channels]`` float32.
        dtype: The data type that they were given in.
        signal: The signal itself, when it was given as one.
    """

    domain: Domain
    channels: int
    load: Callable[[], np.ndarray]
    dtype: str
    signal: Signal | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the values without channels."""
        if isinstance(self.domain, Grid):
            return self.domain.shape
        return (self.domain.points,)


def check_texts(texts: Mapping[str, str], classes: Sequence[str]) -> None:
    """Raise where a text that others will read, in a terminal or on a page, is no text or holds
    what cannot be printed, such as a sequence that moves the cursor.

    Args:
        texts: By what they are.
        classes: Names of classes.

    Raises:
        ConfigError: At the first.
    """
    named = [(f"the {what}", text) for what, text in texts.items()]
    named += [(f"the name of class {number}", name) for number, name in enumerate(classes)]
    for what, text in named:
        if not isinstance(text, str) or not text.isprintable():
            raise ConfigError(
                f"{what} is {shown(text)}; expected text of characters that can be printed"
            )


def one_by_one(values: Any) -> list[Any]:
    """The signals; the first axis of a stacked array counts them."""
    if isinstance(values, str | bytes | Mapping | Signal) or not hasattr(values, "__len__"):
        raise ConfigError(
            f"signals were given as {type(values).__name__}; expected a stacked array or tensor, "
            "or a list of arrays, tensors, images of nibabel or signals"
        )
    if getattr(values, "ndim", 1) == 0 or len(values) == 0:
        raise DataError("no signal was given; expected at least one")
    return list(values)


def one_each(what: str, given: Any, count: int) -> list[Any] | None:
    """An argument that has an entry for each signal."""
    if given is None:
        return None
    if isinstance(given, str | Mapping) or not hasattr(given, "__len__"):
        raise ConfigError(
            f"{what} were given as {type(given).__name__}; expected a list with one entry a signal"
        )
    if len(given) != count:
        raise DataError(f"{len(given)} {what} for {count} signals; expected one for each")
    return list(given)


def held_signal(
    name: str, entry: Any, channels: Channels | None, spacing: float | Sequence[float] | None
) -> Held:
    """One of the signals, checked by its shape and type alone."""
    if isinstance(entry, Signal):
        return Held(entry.domain, entry.channels, lambda: entry.values, entry.dtype, entry)
    if hasattr(entry, "dataobj") and hasattr(entry, "affine"):
        return _held_image(name, entry)
    if not hasattr(entry, "shape"):
        raise ConfigError(
            f"{name} is a {type(entry).__name__}; expected an array, a tensor, an image of nibabel "
            "or a signal"
        )
    return _held_array(name, entry, channels, spacing)


def _held_array(
    name: str, entry: Any, channels: Channels | None, spacing: float | Sequence[float] | None
) -> Held:
    """An array or a tensor."""
    shape = tuple(int(n) for n in entry.shape)
    if channels == "none":
        spatial, count = shape, 1
    elif channels == "first":
        spatial, count = shape[1:], sum(shape[:1])
    elif channels == "last":
        spatial, count = shape[:-1], sum(shape[-1:])
    else:
        raise ConfigError(
            f"channels={channels!r} for arrays of shape {shape}; expected 'none' when there is no "
            "axis of channels, or 'first' or 'last' where it is"
        )
    if not 1 <= len(spatial) <= 3 or count < 1:
        raise DataError(
            f"{name} has a shape of {shape} with channels={channels!r}; expected 1 to 3 axes "
            "besides the channels"
        )
    dtype = str(entry.dtype).removeprefix("torch.")
    if not dtype.startswith(("bool", "int", "uint", "float", "bfloat")):
        raise DataError(f"{name} is of {dtype}; expected real numbers")
    grid = Grid(spatial, _steps(spacing, len(spatial)), unit=_steps_unit(spacing, len(spatial)))

    def load() -> np.ndarray:
        array = as_array(entry)
        if channels == "first":
            array = np.moveaxis(array, 0, -1)
        return narrowed(name, array).values.reshape(*spatial, count)

    return Held(grid, count, load, dtype)


def _held_image(name: str, image: Any) -> Held:
    """An image of nibabel; what it has on a disk is read when the signal is."""
    from medfuncta.sources.nifti_files import affine_in_mm, image_values
    from medfuncta.sources.volume import physical_grid, without_single_slices

    shape = tuple(int(n) for n in image.shape)
    stored = dtype = np.dtype(image.get_data_dtype())
    channels = [n for n in shape[3:] if n > 1] or [1]
    if dtype.names:  # red, green, blue
        channels, dtype = [3], dtype[0]
    if len(shape) < 2 or len(channels) > 1 or min(shape) < 1:
        raise DataError(f"{name} is an image of shape {shape}; expected 2 or 3 axes and channels")
    grid = physical_grid(name, *without_single_slices(shape[:3], affine_in_mm(image)))

    def load() -> np.ndarray:
        try:
            return image_values(name, image.dataobj, stored).values
        except (OSError, EOFError, ValueError) as error:
            raise DataError(f"{name} cannot be read from its file; get the file again") from error

    return Held(grid, channels[0], load, dtype.name)


def as_array(entry: Any) -> np.ndarray:
    """An array or tensor as an array."""
    if not hasattr(entry, "detach"):
        return np.asarray(entry)
    tensor = entry.detach().cpu()
    if tensor.is_floating_point() and tensor.dtype.itemsize < 4:
        tensor = tensor.float()  # NumPy knows no bfloat16
    return tensor.numpy()


def _steps(spacing: float | Sequence[float] | None, dim: int) -> tuple[float, ...] | None:
    if spacing is None:
        return None
    try:
        steps = np.atleast_1d(np.asarray(spacing, float)).tolist()
    except (TypeError, ValueError):
        raise ConfigError(
            f"the spacing is {spacing!r}; expected a number, or one for each axis"
        ) from None
    return tuple(steps * dim if np.ndim(spacing) == 0 else steps)


def _steps_unit(spacing: float | Sequence[float] | None, dim: int) -> str:
    return "" if spacing is None else _SPACING_UNITS[dim]
