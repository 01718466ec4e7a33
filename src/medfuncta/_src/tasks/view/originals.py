"""The signals themselves beside what their latents decode to, where the data is at hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from medfuncta._src.errors import DataError
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.source import ALL, Source
from medfuncta._src.tasks.explore import chosen_rows

Detail: TypeAlias = Literal["full", "small"]
"""All samples of a signal, or every second, third, ... along its axes."""

_SMALL: Final = {1: 512, 2: 64, 3: 32}
"""Samples along an axis that small originals have at the most, by dimension."""
_LOOKED_THROUGH: Final = 20
"""Signals of which one is looked for in the set, before all are."""
_MISSING: Final = 65535
_LEVELS: Final = 65534
ORIGINAL_SCHEMA: Final = pa.schema(
    {
        "row": pa.int32(),
        "values": pa.binary(),
        "shape": pa.list_(pa.int32()),
        "stride": pa.list_(pa.int32()),
        "low": pa.float64(),
        "high": pa.float64(),
    }
)
"""``values``: 16-bit numbers, little-endian, 0 for ``low`` and 65534 for ``high``, 65535 where
nothing was observed, ``[*shape, channels]``; sample ``i`` of an axis is the signal's own sample
``stride * i``."""


def check_originals(latents: LatentSet, source: Source) -> None:
    """Hold a source against a set by what it says of itself and by its first signal that the set
    knows, before work begins that takes minutes.

    Raises:
        DataError: As :func:`original_rows`, or if the two have no split in common.
    """
    latents.info.spec.check_fits(source.spec)
    common = _common_splits(latents, source)
    if not common:
        raise DataError(
            f"the data has the splits {', '.join(source.splits)}; expected one of the set's, "
            f"{', '.join(latents.splits)}; give --data with the options that the set was made with"
        )
    split = common[0]
    ids = set(latents.split(split).ids)
    for signal in islice(source.signals(split), _LOOKED_THROUGH):
        if signal.id in ids:
            domain = latents.row(signal.id, split).header.domain
            _check_shape(signal, domain.shape if isinstance(domain, Grid) else None)
            return


def _common_splits(latents: LatentSet, source: Source) -> list[str]:
    return [name for name in latents.splits if name == ALL or name in source.splits]


def _check_shape(signal: Signal, shape: Sequence[int] | None) -> None:
    """Raise where a signal is not sampled as the set says; where it does not say, any will do."""
    if not isinstance(signal.domain, Grid):
        raise DataError(
            f"signal '{signal.id}' has scattered samples, which a view shows no originals of; "
            "leave --data out"
        )
    if shape is not None and signal.domain.shape != tuple(shape):
        raise DataError(
            f"signal '{signal.id}' has {_by(signal.domain.shape)} samples in the data and "
            f"{_by(shape)} in the set; give --data with the options that the set was made with"
        )


def original_rows(
    latents: LatentSet, source: Source, limit: int, detail: Detail
) -> Iterator[dict[str, Any]]:
    """The signals of a source that a view holds, as rows of :data:`ORIGINAL_SCHEMA`, in the order
    of the source.

    Args:
        latents: The set of the view.
        source: The data that the set was made of.
        limit: Signals of the view.
        detail: How much of each is kept.

    Raises:
        DataError: If the source's signals are not of the set's form or have other samples, or a bad
            file is met.
    """
    latents.info.spec.check_fits(source.spec)
    places = _places(latents, limit)
    for split in _common_splits(latents, source):
        for signal in source.signals(split):
            row, shape = places.get((split, signal.id), (None, ()))
            if row is None:
                continue
            _check_shape(signal, shape)
            yield {"row": row, **_kept(signal, detail)}


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _places(latents: LatentSet, limit: int) -> dict[tuple[str, str], tuple[int, tuple[int, ...]]]:
    """The row of each signal of the view, and its shape, by its split and id."""
    places: dict[tuple[str, str], tuple[int, tuple[int, ...]]] = {}
    for chosen in chosen_rows(latents, limit):
        ids, shapes = chosen.block.ids, chosen.block.table["shape"].to_pylist()
        for row in chosen.rows.tolist():
            places[chosen.split, ids[row]] = (len(places), tuple(shapes[row]))
    return places


def _kept(signal: Signal, detail: Detail) -> dict[str, Any]:
    """One signal as the page reads it."""
    assert isinstance(signal.domain, Grid)  # as was checked
    stride = [1] * signal.domain.dim
    if detail == "small":
        most = _SMALL[signal.domain.dim]
        stride = [math.ceil(side / most) for side in signal.domain.shape]
    every = tuple(slice(None, None, step) for step in stride)
    values = signal.values[every]
    observed = np.isfinite(values)
    if signal.mask is not None:
        observed &= signal.mask[every][..., None]
    low, high = _bounds(values, observed)
    levels = np.full(values.shape, _MISSING, "<u2")
    scaled = (values[observed].astype(np.float64) - low) / (high - low) * _LEVELS
    levels[observed] = np.rint(scaled).astype("<u2")
    return {
        "values": levels.tobytes(),
        "shape": values.shape[:-1],
        "stride": stride,
        "low": low,
        "high": high,
    }


def _bounds(values: np.ndarray, observed: np.ndarray) -> tuple[float, float]:
    """What the levels span; a constant signal gets a span of 1."""
    known = values[observed]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if low == high:
        high = low + 1.0
    return low, high


def table_of_originals(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Some of them as a table, in the order of their rows."""
    ordered = sorted(rows, key=lambda row: row["row"])
    return pa.Table.from_pylist([dict(row) for row in ordered], schema=ORIGINAL_SCHEMA)
