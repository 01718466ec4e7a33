"""Results of commands and tasks: frozen dataclasses, and the one way from them to JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar


class Result:
    """A dataclass that programs read as JSON.

    Attributes:
        json_keys: The attributes, fields or properties, that its JSON has, in this order; all
            fields when none is named. A name may end in an underscore where Python reserves the
            word; the key of ``class_`` is ``class``.
    """

    json_keys: ClassVar[tuple[str, ...]] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain nested data, valid as strict JSON."""
        data: dict[str, Any] = {}
        for name in self.json_keys or _field_names(self):
            data[name.rstrip("_")] = to_json(getattr(self, name))
        return data


def to_json(value: Any) -> Any:
    """Plain data for strict JSON: results and dataclasses become objects, arrays and tuples lists,
    paths text, and numbers that are not finite null, since JSON has no word for them.

    >>> to_json({"psnr": float("inf"), "shape": (2, 3)})
    {'psnr': None, 'shape': [2, 3]}
    """
    if isinstance(value, Result):
        return value.to_json()
    if is_dataclass(value):
        return {name: to_json(getattr(value, name)) for name in _field_names(value)}
    if isinstance(value, Mapping):
        return {key: to_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(entry) for entry in value]
    if hasattr(value, "tolist"):  # an array, or a number of NumPy's
        return to_json(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _field_names(instance: Any) -> list[str]:
    return [field.name for field in fields(instance)]
