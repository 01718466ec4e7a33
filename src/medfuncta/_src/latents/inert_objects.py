"""What the readers of pickles make of the objects in them: stand-ins that do nothing, arrays of
numbers, and the state of modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import Any, Final

import numpy as np
import torch

_NUMBERS: Final = re.compile(r"[<>=|]?(f[248]|[iu][1248])", re.ASCII)
"""Types of arrays as NumPy calls them."""
_LONGEST_NAME: Final = 80
"""Characters of a module's name."""
_MAX_MODULES: Final = 10_000
"""Of a module, all that lie in it together."""


class StandIn:
    """An object of a class that was not loaded; ``state`` holds its attributes."""

    state: Any = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        del options
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


class StoredType:
    """A type of numbers of NumPy's, before it is looked at."""

    def __init__(self, name: Any = "", *_: Any) -> None:
        self.name = name
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    def dtype(self) -> np.dtype:
        """The type.

        Raises:
            ValueError: If it is none of plain numbers.
        """
        if not isinstance(self.name, str) or not _NUMBERS.fullmatch(self.name):
            raise ValueError("an array of something other than numbers")
        return np.dtype(self.name).newbyteorder(self.order)  # type: ignore[arg-type]


class StoredArray:
    """An array of NumPy's; ``array`` is there once it has its numbers."""

    array: np.ndarray | None = None

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        self.array = array_of(content, kind, shape, "F" if fortran else "C")


def array_of(content: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    """The array that bytes hold, none of which are copied.

    Raises:
        ValueError: If they are not as many as it needs, or it is not of numbers.
    """
    if not isinstance(kind, StoredType) or not isinstance(content, bytes | bytearray):
        raise ValueError("an array of something other than numbers")
    sizes = [int(size) for size in shape]
    dtype = kind.dtype()
    if len(sizes) > 32 or min(sizes, default=0) < 0:
        raise ValueError("an array of no shape")
    if prod(sizes) * dtype.itemsize != len(content):
        raise ValueError(f"an array of {prod(sizes)} numbers in {len(content)} bytes")
    array = np.frombuffer(content, dtype)
    return array.reshape(sizes, order="F" if order == "F" else "C")


def bytes_of(text: Any, encoding: Any = "") -> bytes:
    """Bytes that the second version of the format has as a text.

    Raises:
        ValueError: If they are something else.
    """
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("a text in place of bytes")
    return text.encode("latin1")


def scalar(kind: Any, content: Any = b"") -> float:
    """The number of a scalar of NumPy's."""
    return float(array_of(content, kind, (1,), "C")[0])


def jax_array(function: Any, arguments: Any, state: Any, *_: Any) -> np.ndarray:
    """An array that JAX wrote as one of NumPy's, with the function that makes it."""
    if function not in (StoredArray, array_of):
        raise ValueError("an array of something other than numbers")
    made = function(*arguments)
    if isinstance(made, StoredArray):
        made.__setstate__(state)
        made = made.array
    if made is None:
        raise ValueError("an array without numbers")
    return made


class PlainData:
    """Makes plain data and arrays of what was read: mappings of other classes become
    dictionaries."""

    def __init__(self) -> None:
        self._left = _MAX_MODULES

    def of(self, value: Any) -> Any:
        """One value with all in it.

        Raises:
            ValueError: If it contains itself, or more than any network.
        """
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"it contains itself, or more than {_MAX_MODULES:,} entries")
        if isinstance(value, StoredArray):
            return value.array
        if isinstance(value, StandIn):
            value = _held(value)
        if isinstance(value, Mapping):
            return {key: self.of(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(entry) for entry in value]
        return value


def _held(value: StandIn) -> Any:
    """The mapping that an object of another class stands for; the object where it is none."""
    held = value.state
    if held is None and len(value.arguments) == 1:
        (held,) = value.arguments
    if isinstance(held, Mapping) and isinstance(held.get("_fields"), Mapping):
        held = held["_fields"]  # of a ConfigDict
    if isinstance(held, Mapping):
        return held
    return value


def state_of(module: Any) -> dict[str, torch.Tensor]:
    """The parameters and buffers of an inert module by dotted name, as its ``state_dict`` would
    give them.

    Raises:
        ValueError: If it contains itself, or more modules than any network.
    """
    tensors: dict[str, torch.Tensor] = {}
    stack: list[tuple[Any, str]] = [(module, "")]
    for _ in range(_MAX_MODULES):
        if not stack:
            return tensors
        part, prefix = stack.pop()
        for kind in ("_parameters", "_buffers"):
            for name, tensor in _entries(part, kind).items():
                if isinstance(tensor, torch.Tensor):
                    tensors[f"{prefix}{name}"] = tensor
        for name, child in _entries(part, "_modules").items():
            stack.append((child, f"{prefix}{str(name)[:_LONGEST_NAME]}."))
    raise ValueError(f"a module that contains itself, or more than {_MAX_MODULES:,} others")


def _entries(module: Any, kind: str) -> Mapping[str, Any]:
    """What an inert module has of a kind, by name."""
    state = module.state if isinstance(module, StandIn) else None
    found = state.get(kind) if isinstance(state, Mapping) else None
    return found if isinstance(found, Mapping) else {}
