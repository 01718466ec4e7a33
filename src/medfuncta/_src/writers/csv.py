"""CSV: traces and scattered samples as a table that a spreadsheet opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.writers.values import channel_names, filled


def write_csv(signal: Signal, path: Path) -> None:
    """Write ``.csv``: a row a sample, first where it lies, then a column a channel; units in the
    header, such as ``value [mV]``.

    A trace has the column ``time [s]``, or ``sample`` when its spacing is not known; scattered
    samples have ``x``, ``y``, ``z``.
    """
    values = filled(signal, np.dtype(np.float32)).reshape(-1, signal.channels)
    columns = _positions(signal)
    for name, column in zip(channel_names(signal), values.T, strict=True):
        columns[_titled(name, signal.unit)] = column
    # NaN becomes an empty cell.
    cells = [pa.array(column, from_pandas=True) for column in columns.values()]
    table = pa.table(cells, names=list(columns))

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # Arrow opens no file whose path is not UTF-8
            csv.write_csv(table, file)

    write_atomically(path, write)


def _positions(signal: Signal) -> dict[str, np.ndarray]:
    domain = signal.domain
    if not isinstance(domain, Grid):
        axes = "xyz"[: domain.dim]
        titles = [_titled(axis, domain.unit) for axis in axes]
        return dict(zip(titles, domain.positions.T, strict=True))
    if domain.spacing is None:
        return {"sample": np.arange(domain.points)}
    return {_titled("time", domain.unit): np.arange(domain.points) * domain.spacing[0]}


def _titled(name: str, unit: str) -> str:
    if not unit:
        return name
    return f"{name} [{unit}]"
