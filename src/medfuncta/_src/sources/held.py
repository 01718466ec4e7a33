"""Arrays, tensors, images and signals in memory, taken for what they are before any value is
converted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.door.allowance import check_array
from medfuncta._src.door.wording import counted, shown
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.containers import (
    Channels,
    Container,
    as_array,
    channels_last,
    taken_apart,
    the_image,
)
from medfuncta._src.sources.options import option
from medfuncta._src.sources.splitting import SplitOptions
from medfuncta._src.sources.volume import narrowed


@runtime_checkable
class SupportsArray(Protocol):
    """What can be made an array, such as a column of pandas."""

    def __array__(self) -> np.ndarray: ...


OneEach: TypeAlias = Sequence[Any] | np.ndarray | Tensor | SupportsArray
"""An entry for each signal."""
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
        container: The image of another library, when it was given as one.
    """

    domain: Domain
    channels: int
    load: Callable[[], np.ndarray]
    dtype: str
    signal: Signal | None = None
    container: Container | None = None

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


def check_given(what: str, given: Any) -> None:
    """Raise where an array, a tensor or a list of such would take far more memory than it has, as
    one does whose rows are all the same one.

    Args:
        what: What an error calls it.
        given: Whatever was given; other things are passed over.

    Raises:
        DataError: If it would.
    """
    if isinstance(given, list | tuple):
        arrays = [entry for entry in given if _has_steps(entry)]
    else:
        arrays = [given] if _has_steps(given) else []
    numbers = held = rows = 0
    for array in arrays:
        numbers += prod(array.shape)
        held += _bytes_of(array)
        rows += array.shape[0] if array.ndim > 1 else 1
    check_array(what, numbers, rows, held)


def _has_steps(given: Any) -> bool:
    """Whether numbers lie in memory at a step along each axis."""
    if isinstance(given, Tensor):
        return not given.is_nested and given.layout == torch.strided
    return isinstance(given, np.ndarray)


def _bytes_of(array: np.ndarray | Tensor) -> int:
    """Bytes of memory that an array's numbers lie in; those that it shows more than once count
    once."""
    if isinstance(array, Tensor):
        steps, size = array.stride(), array.element_size()
        spans = [(count - 1) * step * size for count, step in zip(array.shape, steps, strict=True)]
    else:
        size = array.itemsize
        pairs = zip(array.shape, array.strides, strict=True)
        spans = [(count - 1) * abs(step) for count, step in pairs]
    if 0 in array.shape:
        return 0
    return sum(spans) + size


def one_by_one(values: Any) -> list[Any]:
    """The signals; the first axis of a stacked array counts them."""
    if isinstance(values, str | bytes | Mapping | Signal) or not hasattr(values, "__len__"):
        raise ConfigError(
            f"signals were given as {type(values).__name__}; expected a stacked array or tensor, "
            "or a list of arrays, tensors, images of nibabel or signals"
        )
    if getattr(values, "ndim", 1) == 0 or len(values) == 0:
        raise DataError("no signal was given; expected at least one")
    check_given("the signals given", values)
    return _rows(values)


def one_each(what: str, given: Any, count: int) -> list[Any] | None:
    """An argument that has an entry for each signal."""
    if given is None:
        return None
    if isinstance(given, str | Mapping) or not hasattr(given, "__len__"):
        raise ConfigError(
            f"{what} were given as {type(given).__name__}; expected a list with one entry a signal"
        )
    if len(given) != count:
        raise DataError(
            f"{len(given)} {what} for {counted(count, 'signal')}; expected one for each"
        )
    if what != "masks" and tuple(getattr(given, "shape", ())) == (count, 1):
        given = np.asarray(given)[:, 0]  # one column, as labels of MedMNIST and of tables are
    return _rows(given)


def _rows(given: Any) -> list[Any]:
    """The entries of a list, an array or a table; a table lists its columns, where rows are
    meant."""
    if hasattr(given, "__array__") and not hasattr(given, "dtype"):
        given = np.asarray(given)
    return list(given)


def held_signal(
    name: str, entry: Any, channels: Channels | None, spacing: float | Sequence[float] | None
) -> Held:
    """One of the signals, checked by its shape and type alone.

    Args:
        name: What an error calls it.
        entry: The signal.
        channels: Where an array or a tensor has its channels; where it has one axis it has none.
        spacing: Distance from sample to sample of an array or a tensor.

    Raises:
        ConfigError: If it is nothing that holds a signal, or ``channels`` has to be said.
        DataError: If its shape or type is that of no signal.
    """
    if isinstance(entry, Signal):
        return Held(entry.domain, entry.channels, lambda: entry.values, entry.dtype, signal=entry)
    entry = the_image(name, entry)
    container = taken_apart(name, entry, channels)
    if container is not None:
        _check_numbers(name, container.dtype)
        return Held(
            domain=container.grid,
            channels=container.channels,
            load=lambda: narrowed(name, container.load()).values,
            dtype=container.dtype,
            container=container,
        )
    return _held_array(name, plain_array(name, entry), channels, spacing)


def plain_array(name: str, entry: Any) -> Any:
    """What holds numbers as an array or a tensor; pictures of Pillow and columns of pandas are made
    arrays.

    Raises:
        ConfigError: If it does not.
        DataError: If some of its values are masked, which an array cannot say.
    """
    check_readable(name, entry)
    if isinstance(entry, np.ndarray):
        return np.asarray(entry)  # rows of a matrix would be matrices again
    if hasattr(entry, "shape") and hasattr(entry, "dtype") and not isinstance(entry, type):
        return entry
    as_one = hasattr(entry, "__array__") or hasattr(entry, "__array_interface__")
    if as_one and not isinstance(entry, type):
        return np.asarray(entry)
    raise ConfigError(
        f"{name} is a {type(entry).__name__}; expected an array, a tensor, an image of nibabel, "
        "MONAI or TorchIO, or a signal"
    )


def check_readable(name: str, entry: Any) -> None:
    """Raise where an array or a tensor has values that cannot be read as one array."""
    if np.ma.is_masked(entry):
        raise DataError(
            f"{name} is a masked array; give its values (.filled(0)) and a mask that is True where "
            "a value was observed (~array.mask)"
        )
    if isinstance(entry, Tensor) and (entry.is_nested or entry.is_meta):
        kind = "nested" if entry.is_nested else "meta"
        raise DataError(
            f"{name} is a {kind} tensor; expected one whose values lie in memory as one block"
        )


def held_mask(name: str, given: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Where a signal was observed, as bool.

    Args:
        name: What an error calls the signal.
        given: An array, a tensor or an image: bool, or 0 and 1.
        shape: Of the signal, without channels.

    Raises:
        DataError: If it is of another type or shape.
    """
    container = taken_apart(f"the mask of {name}", given, _mask_channels(given, shape))
    if container is not None:
        mask = container.load()
        mask = mask[..., 0] if container.channels == 1 else mask
    else:
        mask = as_array(given)
    if mask.shape != shape or not _is_bool(mask):
        raise DataError(
            f"the mask of {name} is of {mask.dtype} and shape {mask.shape}; expected bool, or 0 "
            f"and 1, True where a value was observed, and shape {shape}"
        )
    return mask.astype(bool)


def _mask_channels(given: Any, shape: tuple[int, ...]) -> Channels:
    return "none" if getattr(given, "ndim", 0) == len(shape) else "first"


def _is_bool(mask: np.ndarray) -> bool:
    if mask.dtype == bool:
        return True
    return mask.dtype.kind in "iuf" and bool(np.isin(mask, (0, 1)).all())


def _held_array(
    name: str, entry: Any, channels: Channels | None, spacing: float | Sequence[float] | None
) -> Held:
    """An array or a tensor."""
    shape = tuple(int(n) for n in entry.shape)
    if channels is None and len(shape) == 1:
        channels = "none"  # nothing else is possible
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
    dtype = str(getattr(entry.dtype, "name", entry.dtype)).removeprefix("torch.")
    _check_numbers(name, dtype)
    grid = Grid(spatial, _steps(spacing, len(spatial)), unit=_steps_unit(spacing, len(spatial)))

    def load() -> np.ndarray:
        array = channels_last(as_array(entry), channels)
        return narrowed(name, array).values.reshape(*spatial, count)

    return Held(grid, count, load, dtype)


def _check_numbers(name: str, dtype: str) -> None:
    if not dtype.startswith(("bool", "int", "uint", "float", "bfloat")):
        raise DataError(f"{name} is of {dtype}; expected real numbers")


def _steps(spacing: float | Sequence[float] | None, dim: int) -> tuple[float, ...] | None:
    if spacing is None:
        return None
    check_given("spacing", spacing)
    try:
        steps = np.atleast_1d(np.asarray(spacing, float)).tolist()
    except (TypeError, ValueError):
        raise ConfigError(
            f"the spacing is {spacing!r}; expected a number, or one for each axis"
        ) from None
    return tuple(steps * dim if np.ndim(spacing) == 0 else steps)


def _steps_unit(spacing: float | Sequence[float] | None, dim: int) -> str:
    return "" if spacing is None else _SPACING_UNITS[dim]
