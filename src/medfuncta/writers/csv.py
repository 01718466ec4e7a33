"""CSV: traces and scattered samples as a table that a spreadsheet opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from medfuncta.atomic import write_atomically
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal
from medfuncta.writers.values import channel_names, filled


def write_csv(signal: Signal, path: Path) -> None:
    """Write ``.csv``: a row a sample, first where it lies, then a column a channel; units in the
    header, such as ``value [mV]``.

    A trace has the column ``time [s]``, or ``sample`` when its spacing is not known; scattered
    samples have ``x``, ``y``, ``z``.
    """
    values = filled(signal, np.dtype(np.float32)).reshape(-1, signal.channels)
    columns = _positions(signal)
    columns |= {
        _titled(name, signal.unit): column
        for name, column in zip(channel_names(signal), values.T, strict=True)
    }
    table = pa.table(
        {name: pa.array(column, from_pandas=True) for name, column in columns.items()}
    )  # NaN becomes an empty cell
    write_atomically(path, lambda temporary: csv.write_csv(table, temporary))


def _positions(signal: Signal) -> dict[str, np.ndarray]:
    domain = signal.domain
    if not isinstance(domain, Grid):
        return {
            _titled(axis, domain.unit): domain.positions[:, number]
            for number, axis in zip(range(domain.dim), "xyz", strict=False)
        }
    if domain.spacing is None:
        return {"sample": np.arange(domain.points)}
    return {_titled("time", domain.unit): np.arange(domain.points) * domain.spacing[0]}


def _titled(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name
