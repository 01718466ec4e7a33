"""The columns of a latent set, and signals turned into rows.

``id``, ``latent``, ``latent_scale`` (8-bit only), ``label``, ``psnr`` (of what the stored latent
decodes to, values clamped to the signal's range as the paper does; decoding and pictures clamp
nothing, since a field's own value beyond the range tells something too); then what a latent needs
to be decoded in physical units on the signal's own grid: ``shape``, ``spacing``, ``spacing_unit``,
``affine`` (16 numbers, row by row), ``value_low``, ``value_high``, ``unit``, ``dtype``; then
``metadata``, the source's own words as a JSON object.

A scattered signal is stored with the regular grid that fills its box with about as many samples, so
that it can be decoded like any other; its ``positions`` are a column of their own, there only when
asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, TypeAlias

import numpy as np
import pyarrow as pa
from msgspec import Meta

from medfuncta._src.door.declared import convert_known
from medfuncta._src.door.files import decode_short
from medfuncta._src.door.limits import MAX_ID, Name, Shape
from medfuncta._src.door.wording import shown
from medfuncta._src.errors import DataError, LatentSetError, MedFunctaError
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.quantise import quantise
from medfuncta._src.signals.domain import Domain, Grid, Scatter, Spacing
from medfuncta._src.signals.signal import Label, SignalHeader, ValueRange
from medfuncta._src.types import ArrayLatents

Row: TypeAlias = Mapping[str, Any]
"""A row of a table by column, as Arrow gives it."""
Metadata: TypeAlias = dict[str, str | int | float | bool]
"""What a source said of a signal besides."""


@dataclass(frozen=True)
class _StoredHeader:
    """The columns that tell of a signal, but for the positions of scattered samples."""

    id: Annotated[str, Meta(max_length=MAX_ID)]
    label: int | tuple[int, ...] | None
    shape: Shape
    spacing: Spacing | None
    spacing_unit: Name
    affine: Annotated[tuple[float, ...], Meta(min_length=16, max_length=16)] | None
    value_low: float
    value_high: float
    unit: Name
    dtype: Name
    metadata: str


def schema_of(info: SetInfo) -> pa.Schema:
    """The Arrow schema; its ``huggingface`` entry tells ``datasets`` the types and the names of the
    classes."""
    label = pa.list_(pa.int64()) if info.multi_label else pa.int64()
    columns = {
        "id": pa.string(),
        "latent": _latent_type(info),
        "latent_scale": pa.float32(),
        "label": label,
        "psnr": pa.float32(),
        "shape": pa.list_(pa.int32()),
        "spacing": pa.list_(pa.float64()),
        "spacing_unit": pa.string(),
        "affine": pa.list_(pa.float64()),
        "value_low": pa.float64(),
        "value_high": pa.float64(),
        "unit": pa.string(),
        "dtype": pa.string(),
        "metadata": pa.string(),
        "positions": pa.list_(pa.float64()),
    }
    if info.dtype != "int8":
        del columns["latent_scale"]
    if not info.positions:
        del columns["positions"]
    fields = [pa.field(name, kind, name != "latent") for name, kind in columns.items()]
    features = {field.name: _feature(field.type) for field in fields}
    if info.spec.label_names:
        features["label"] = {"names": list(info.spec.label_names), "_type": "ClassLabel"}
        if info.multi_label:
            features["label"] = {"feature": features["label"], "_type": "Sequence"}
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": features}})})


def _latent_type(info: SetInfo) -> pa.DataType:
    """P numbers none of which is missing, which saves a reader a third of its time."""
    return pa.list_(
        pa.field("element", pa.from_numpy_dtype(np.dtype(info.dtype)), nullable=False),
        info.latent_size,
    )


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """An Arrow type in the words of ``datasets``."""
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "Sequence"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "Sequence"}
    names = {pa.float16(): "float16", pa.float32(): "float32", pa.float64(): "float64"}
    return {"dtype": names.get(kind, str(kind)), "_type": "Value"}


def table_of(
    info: SetInfo, headers: Sequence[SignalHeader], latents: ArrayLatents, psnr: np.ndarray
) -> pa.Table:
    """Signals as rows.

    Args:
        info: What holds for all rows.
        headers: The signals.
        latents: ``[signals, latent]`` finite numbers.
        psnr: ``[signals]`` decibels; NaN where it is not known.
    """
    stored, scales = quantise(latents, info.dtype)
    columns: dict[str, Any] = {
        "latent": pa.FixedSizeListArray.from_arrays(
            pa.array(stored.reshape(-1)), type=_latent_type(info)
        ),
        "psnr": pa.array(psnr, pa.float32(), from_pandas=True),  # NaN, not known, becomes null
    }
    if scales is not None:
        columns["latent_scale"] = pa.array(scales)
    rows = [_row(header, info) for header in headers]
    schema = schema_of(info)
    for field in schema:
        if field.name not in columns:
            columns[field.name] = pa.array([row[field.name] for row in rows], field.type)
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def _row(signal: SignalHeader, info: SetInfo) -> Row:
    grid, positions = signal.domain, None
    if isinstance(grid, Scatter):
        positions = grid.positions.reshape(-1)
        grid = _grid_in_box(grid)
    affine = None
    if grid.affine is not None:
        affine = grid.affine.ravel()
    return {
        "id": signal.id,
        "label": _stored_label(signal.label, info.multi_label),
        "shape": grid.shape,
        "spacing": grid.spacing,
        "spacing_unit": grid.unit,
        "affine": affine,
        "value_low": signal.range.low,
        "value_high": signal.range.high,
        "unit": signal.unit,
        "dtype": signal.dtype,
        "metadata": json.dumps(dict(signal.metadata)),
        "positions": positions,
    }


def _stored_label(label: Label, multi_label: bool) -> Any:
    if label is None or not multi_label:
        return label
    if isinstance(label, int):
        return [label]
    return list(label)


def _grid_in_box(scatter: Scatter) -> Grid:
    """The regular grid that fills the box of scattered samples with about as many; a coordinate
    means the same place in both."""
    low, high = np.asarray(scatter.low, np.float64), np.asarray(scatter.high, np.float64)
    sides = high - low
    step = (prod(sides.tolist()) / scatter.points) ** (1 / scatter.dim)
    shape = np.maximum(1, np.rint(sides / step)).astype(int)
    spacing = sides / shape
    affine = np.eye(4)
    affine[range(scatter.dim), range(scatter.dim)] = spacing
    affine[: scatter.dim, 3] = low + spacing / 2
    return Grid(tuple(shape.tolist()), tuple(spacing.tolist()), affine, scatter.unit)


def header_of(row: Row, info: SetInfo) -> SignalHeader:
    """The signal of a row without its values, ready for ``reconstruct``.

    Raises:
        LatentSetError: If the row is damaged.
    """
    try:
        stored = convert_known(row, _StoredHeader)
        return SignalHeader(
            id=stored.id,
            domain=_domain(stored, row.get("positions"), info.spec.dim),
            channels=info.spec.channels,
            range=ValueRange(stored.value_low, stored.value_high),
            unit=stored.unit,
            label=stored.label,
            dtype=_checked_dtype(stored.dtype),
            metadata=metadata_of(stored.metadata),
        )
    except (MedFunctaError, ValueError) as error:
        raise LatentSetError(
            f"the row of signal {shown(row.get('id'))} is damaged ({error}); copy the latent set "
            "again"
        ) from error


def metadata_of(text: str) -> Metadata:
    """What a row's ``metadata`` says.

    Raises:
        MedFunctaError: If it is not a JSON object of texts and numbers.
    """
    return decode_short(text, Metadata, "metadata")


def _checked_dtype(name: str) -> str:
    """The name of a data type of real numbers."""
    try:
        kind = np.dtype(name).kind
    except TypeError:
        kind = ""
    if kind not in ("b", "i", "u", "f"):
        raise DataError(f"dtype is {shown(name)}; expected one of real numbers, such as float32")
    return name


def _domain(stored: _StoredHeader, positions: Sequence[float] | None, dim: int) -> Domain:
    if len(stored.shape) != dim:
        raise DataError(f"its shape is {list(stored.shape)}; expected {dim} axes, as the set has")
    affine = None
    if stored.affine is not None:
        affine = np.reshape(stored.affine, (4, 4))
    grid = Grid(stored.shape, stored.spacing, affine, stored.spacing_unit)
    if positions is None or grid.spacing is None or grid.affine is None:
        return grid
    first = grid.affine[: grid.dim, 3]
    low = first - np.asarray(grid.spacing) / 2
    high = low + np.asarray(grid.shape) * grid.spacing
    numbers = np.array(positions, float)  # a missing one becomes NaN
    if not numbers.size or numbers.size % dim or not np.isfinite(numbers).all():
        raise DataError(f"its positions are not finite numbers, {dim} for each of its samples")
    # The box was rounded on its way through the grid.
    inside = np.clip(numbers.reshape(-1, dim), low, high)
    return Scatter(inside, tuple(low.tolist()), tuple(high.tolist()), grid.unit)
