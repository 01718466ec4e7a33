"""A CSV file as named columns and as records, every mistake in it told by its row and column and
never by its content.

Signals lie in a file in two ways: a row each, or a row a sample.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from medfuncta.errors import DataError, suggest

Refuse = Callable[[str, DataError], None]
"""Gets what is wrong with a row or a record, and its name, to raise the error or to note it."""

_BLOCK_BYTES: Final = 2**24  # read at a time; no row may be longer


@dataclass(frozen=True, eq=False)
class Record:
    """One signal of a file.

    Args:
        key: The number of its row, or its identifier.
        name: What an error calls it: the file and the row where it begins.
        values: ``[samples, channels]``, NaN where a cell is empty.
        positions: ``[samples, dim]``, or None when samples are equally spaced.
        label: Its class as text, or ``""``.
    """

    key: str
    name: str
    values: np.ndarray
    positions: np.ndarray | None
    label: str


@dataclass(frozen=True)
class SampleColumns:
    """The columns of a file in which a row is a sample.

    Args:
        values: Columns of the channels.
        positions: Columns of the position.
        ordered: Whether positions are times, which must rise within a signal.
        id: Column that tells signals apart; ``""`` when the file is one signal.
        label: Column of the class, the same in all rows of a signal; ``""`` when there is none.
    """

    values: tuple[str, ...]
    positions: tuple[str, ...]
    ordered: bool
    id: str = ""
    label: str = ""


def row_records(path: Path, refuse: Refuse, *, labelled: bool) -> Iterator[Record]:
    """The records of a file in which a row is a signal: its samples, then its label (the layout of
    the Kaggle heartbeat set).

    Raises:
        DataError: If the file as a whole cannot be read.
    """
    names, _ = column_names(path)
    samples, last = names, []
    if labelled:
        samples, last = names[:-1], names[-1:]
    if not samples:
        raise DataError(
            f"{path.name} has {len(names)} columns; expected samples, then a label, or set "
            "label=none"
        )
    columns, rows = _read_columns(path, samples, last, refuse)
    values = np.stack([columns[name] for name in samples], axis=1, dtype=np.float32)
    labels: Sequence[str | None] = [None] * len(rows)
    if labelled:
        labels = columns[names[-1]].tolist()
    for row, trace, label in zip(rows.tolist(), values, labels, strict=True):
        yield Record(
            key=f"{row:06d}",
            name=f"{path.name}, row {row}",
            values=trace[:, None],
            positions=None,
            label=label or "",
        )


def sample_records(path: Path, refuse: Refuse, named: SampleColumns) -> Iterator[Record]:
    """The records of a file in which a row is a sample; named columns hold its position, its
    values, and the signal that it belongs to.

    Raises:
        DataError: If the file as a whole cannot be read.
    """
    texts = [name for name in (named.id, named.label) if name]
    columns, rows = _read_columns(path, (*named.positions, *named.values), texts, refuse)
    positions = np.stack([columns[name] for name in named.positions], axis=1)
    values = np.stack([columns[name] for name in named.values], axis=1, dtype=np.float32)
    no_text = np.full(len(rows), "", object)
    keys = columns.get(named.id, no_text)
    labels = columns.get(named.label, no_text)
    for key, members in _groups(keys).items():
        name = f"{path.name}, row {rows[members[0]]}"
        try:
            _check_rising(path.name, positions[members], rows[members], named)
            _check_one_label(path.name, labels[members], rows[members])
        except DataError as error:
            refuse(name, error)
            continue
        yield Record(
            key=key,
            name=name,
            values=values[members],
            positions=positions[members],
            label=str(labels[members[0]] or ""),
        )


def _groups(keys: np.ndarray) -> dict[str, np.ndarray]:
    """Indices of the rows of each key, keys in the order of their first row."""
    texts = np.array([key or "" for key in keys], str)
    unique, first, inverse = np.unique(texts, return_index=True, return_inverse=True)
    ends = np.cumsum(np.bincount(inverse, minlength=len(unique)))
    members = np.split(np.argsort(inverse, kind="stable"), ends[:-1])
    return {str(unique[i]): members[i] for i in np.argsort(first)}


def _check_rising(file: str, positions: np.ndarray, rows: np.ndarray, named: SampleColumns) -> None:
    """Whether a signal's positions are numbers, and rise when they are times."""
    missing = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if missing.size:
        raise DataError(
            f"{file}, row {rows[missing[0]]} has no finite position; expected a number in "
            f"{', '.join(named.positions)}"
        )
    if not named.ordered:
        return
    falls = np.flatnonzero(np.diff(positions[:, 0]) <= 0)
    if falls.size:
        at = int(falls[0]) + 1
        raise DataError(
            f"{file}, row {rows[at]} is at time {positions[at, 0]:g} after "
            f"{positions[at - 1, 0]:g}; expected times that rise"
        )


def _check_one_label(file: str, labels: np.ndarray, rows: np.ndarray) -> None:
    if any(label != labels[0] for label in labels):
        raise DataError(
            f"{file} has several labels for the signal of row {rows[0]}; expected one for all its "
            "rows"
        )


def column_names(path: Path) -> tuple[list[str], bool]:
    """Names of a file's columns, and whether the first row gives them; a first row of numbers gets
    ``"0"``, ``"1"``, ...

    Raises:
        DataError: If the file is missing, empty or not text.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            first = next(csv.reader([file.readline(_BLOCK_BYTES)]), [])
    except FileNotFoundError as error:
        raise DataError(f"no file {path.name}; check the location") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path.name} is not a text file of comma separated values; check the file"
        ) from error
    if not any(first):
        raise DataError(f"{path.name} is empty; expected rows of comma separated values")
    if all(is_number(text) for text in first):
        return [str(i) for i in range(len(first))], False
    return [name.strip() for name in first], True


def rows_up_to(path: Path, most: int) -> int:
    """How many rows a file has, where that is below so many, without reading it whole.

    Raises:
        DataError: If the file is missing, empty or not text.
    """
    _, header = column_names(path)
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = islice(filter(str.strip, file), most + int(header))
        return sum(1 for _ in lines) - int(header)


def _read_columns(
    path: Path, numbers: Collection[str], texts: Collection[str], refuse: Refuse
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Some columns of a CSV file.

    Args:
        path: The file.
        numbers: Columns of numbers; an empty cell is NaN.
        texts: Columns of text.
        refuse: Called for a row of another length.

    Returns:
        The columns by name, each ``[rows]``, and the number of each row in the file, from 1.

    Raises:
        DataError: If a column is not there, or holds text where numbers are expected.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names, header = column_names(path)
    for name in (*numbers, *texts):
        if name not in names:
            raise DataError(f"no column '{name}' in {path.name}; {suggest(name, names)}")
    uneven: dict[int, str] = {}

    def skip_row(row: Any) -> str:
        uneven[row.number] = f"{row.actual_columns} columns; expected {row.expected_columns}"
        return "skip"  # an exception would be swallowed here

    types: dict[str, pa.DataType] = dict.fromkeys(numbers, pa.float64())
    types |= dict.fromkeys(texts, pa.string())
    try:
        table = arrow_csv.read_csv(
            path,
            arrow_csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                column_names=names,
                skip_rows=int(header),
            ),
            arrow_csv.ParseOptions(invalid_row_handler=skip_row),
            arrow_csv.ConvertOptions(column_types=types, include_columns=list(types)),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path.name} has something else than a number in {_place(str(error), names)}; "
            "expected numbers"
        ) from error
    for number, fault in uneven.items():
        line = f"{path.name}, row {number}"
        refuse(line, DataError(f"{line} has {fault}"))
    numbered = np.arange(1, len(table) + len(uneven) + 1) + int(header)
    rows = np.setdiff1d(numbered, list(uneven))
    return {name: table[name].to_numpy() for name in types}, rows


def _place(message: str, names: Sequence[str]) -> str:
    """The column and row that the parser complains of, without what it quotes of them."""
    found = re.search(r"In CSV column #(\d+): (?:Row #(\d+))?", message)
    if found is None:
        return "a row"
    column = f"column '{names[int(found[1])]}'"
    if found[2]:
        return f"{column} of row {found[2]}"
    return column


def is_number(text: str) -> bool:
    """Whether a cell is empty or holds a number."""
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
