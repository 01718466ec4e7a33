"""JSON: every signal, for programs that know no format of medicine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medfuncta._src.disk.atomic import write_json
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.writers.values import as_stored, file_dtype, filled, without_single_channel


def write_json_signal(signal: Signal, path: Path) -> None:
    """Write ``.json``, one object: ``id``, ``unit``, ``label``, ``dtype``, ``channels``, where the
    samples lie, and ``values``: nested lists of the shape ``[*shape]`` for one channel, else
    ``[*shape, channels]``, null where masked.

    A grid has ``shape``, ``spacing``, ``spacing_unit`` and ``affine`` (rows), null where they are
    not known; scattered samples have ``positions`` ``[points, dim]`` and ``spacing_unit``.
    """
    data: dict[str, Any] = {
        "id": signal.id,
        "unit": signal.unit,
        "label": signal.label,
        "dtype": signal.dtype,
        "channels": signal.channels,
    }
    write_json(path, {**data, **_place(signal), "values": _plain_values(signal)})


def _place(signal: Signal) -> dict[str, Any]:
    """Where the samples lie."""
    domain = signal.domain
    if not isinstance(domain, Grid):
        return {"positions": domain.positions.tolist(), "spacing_unit": domain.unit}
    plain = domain.to_dict()
    plain["spacing_unit"] = plain.pop("unit")
    return plain


def _plain_values(signal: Signal) -> list[Any]:
    """Nested lists: whole numbers where the file had them, else as many digits as float32 has."""
    dtype = file_dtype(signal)
    if dtype.kind == "f":
        dtype = np.dtype(np.float32)
    values = without_single_channel(as_stored(filled(signal, dtype), dtype))
    if dtype.kind == "f":
        values = values.astype(str).astype(np.float64)  # 0.1, not 0.10000000149
    if signal.mask is None:
        return values.tolist()
    plain = values.astype(object)
    plain[~signal.mask] = None
    return plain.tolist()
