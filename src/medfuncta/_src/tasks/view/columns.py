"""What signals can be coloured and filtered by: their split, class and PSNR, how far they lie from
the others, and what their source said of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from numpy import ndarray

from medfuncta._src.latents.schema import Metadata

_MOST_COLUMNS: Final = 24
"""Of metadata that can be filtered by; the page shows the others signal by signal."""
_MOST_TEXTS: Final = 1000
"""Different texts of a column."""


@dataclass(frozen=True, eq=False)
class ViewColumn:
    """One thing that is known of the signals of a view.

    Args:
        name: Of the column in the parts; never a word from data.
        title: What a person reads.
        kind: How the page shows it.
        values: One a signal, None where it is not known.
        unit: Of numbers.
    """

    name: str
    title: str
    kind: Literal["number", "text"]
    values: pa.Array
    unit: str = ""

    def to_json(self) -> dict[str, str]:
        """What the page is told of it."""
        return {"name": self.name, "title": self.title, "kind": self.kind, "unit": self.unit}


def number_column(
    name: str, title: str, values: Float[ndarray, " rows"], unit: str = ""
) -> ViewColumn:
    """Numbers; NaN and Inf are not known."""
    finite = np.isfinite(values)
    array = pa.array(values.astype(np.float32), pa.float32(), mask=~finite)
    return ViewColumn(name, title, "number", array, unit)


def text_column(name: str, title: str, values: Sequence[str | None]) -> ViewColumn:
    """Texts, of which there are few."""
    return ViewColumn(name, title, "text", pa.array(values, pa.string()).dictionary_encode())


def metadata_columns(metadata: Sequence[Metadata]) -> list[ViewColumn]:
    """A column for each of the first entries that signals have, in the order in which they come;
    texts of which there are as many as signals are left out."""
    titles: dict[str, None] = {}
    for entries in metadata:
        titles.update(dict.fromkeys(entries))
    columns: list[ViewColumn] = []
    for title in titles:
        if len(columns) == _MOST_COLUMNS:
            break
        column = _column(f"m{len(columns)}", title, metadata)
        if column is not None:
            columns.append(column)
    return columns


def _column(name: str, title: str, metadata: Sequence[Metadata]) -> ViewColumn | None:
    """A column of one entry; None where its texts tell signals apart rather than group them."""
    values = [entries.get(title) for entries in metadata]
    known = [value for value in values if value is not None]
    if all(_is_number(value) for value in known):
        numbers = np.array([math.nan if value is None else value for value in values], np.float64)
        return number_column(name, title, numbers)
    texts = [None if value is None else _worded(value) for value in values]
    different = len(set(texts))
    if different > _MOST_TEXTS or (different > 2 and different > len(known) // 2 + 1):
        return None
    return text_column(name, title, texts)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _worded(value: Any) -> str:
    """A value as a text of its column."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def class_texts(classes: Sequence[tuple[int, ...]], names: Sequence[str]) -> list[str | None]:
    """The classes of each signal in words, None without a label; a class without a name keeps its
    number."""
    words: dict[tuple[int, ...], str | None] = {(): None}
    for own in classes:
        if own not in words:
            named = [names[number] if number < len(names) else str(number) for number in own]
            words[own] = ", ".join(named)
    return [words[own] for own in classes]


def groups_of(metadata: Sequence[Mapping[str, Any]], title: str) -> list[str | None]:
    """What each signal says under one entry of its metadata, as text."""
    values = [entries.get(title) for entries in metadata]
    return [None if value is None else _worded(value) for value in values]
