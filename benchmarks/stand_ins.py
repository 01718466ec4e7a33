"""What the layers of a field need of packages that are not there: a borrowed machine may have
nothing but PyTorch and NumPy.

msgspec holds settings to their declared types, jaxtyping names the axes of arrays: neither computes
anything. Where one is missing, what stands in for it takes every value as it is; no file is read
with them.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any


class _Meta:
    """Bounds that nothing is held to."""

    def __init__(self, **bounds: Any) -> None:
        self.bounds = bounds


class _Named:
    """``Float[Tensor, "batch points"]`` is a tensor."""

    def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
        return item[0]


class _Unusable:
    def __init_subclass__(cls, **options: Any) -> None:
        del options


def _as_it_is(value: Any, kind: Any, **options: Any) -> Any:
    del options
    if isinstance(value, list) and "tuple" in str(kind):
        return tuple(value)
    return value


def _msgspec() -> ModuleType:
    module = ModuleType("msgspec")
    contents = {
        "Meta": _Meta,
        "Struct": _Unusable,
        "Raw": bytes,
        "ValidationError": type("ValidationError", (ValueError,), {}),
        "convert": _as_it_is,
        "json": SimpleNamespace(),
    }
    module.__dict__.update(contents)
    return module


def _jaxtyping() -> ModuleType:
    module = ModuleType("jaxtyping")
    module.__dict__.update(dict.fromkeys(("Float", "Int", "Bool", "Shaped", "UInt8"), _Named))
    return module


def stand_in() -> list[str]:
    """Put something in the place of what is missing, before the package is imported; its names."""
    makers = {"msgspec": _msgspec, "jaxtyping": _jaxtyping}
    missing = []
    for name, make in makers.items():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            sys.modules[name] = make()
            missing.append(name)
    return missing
