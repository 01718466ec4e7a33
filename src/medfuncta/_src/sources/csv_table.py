"""A CSV file as named columns and as records, every mistake in it told by its row and column and
never by its content.

Signals lie in a file in two ways: a row each, or a row a sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError, suggest
from medfuncta._src.sources.csv_form import BLOCK_BYTES, COUNTING, NO_VALUE, CsvForm, csv_form

Refuse = Callable[[str, DataError], None]
"""Gets what is wrong with a row or a record, and its name, to raise the error or to note it."""


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
        factor: What positions are multiplied by.
    """

    values: tuple[str, ...]
    positions: tuple[str, ...]
    ordered: bool
    id: str = ""
    label: str = ""
    factor: float = 1.0


@dataclass(frozen=True)
class RowColumns:
    """Columns of a file in which a row is a signal.

    Args:
        samples: Those of the samples, by their places.
        label: That of the class; None when there is none.
        remarks: What was made of the others, one sentence each.
    """

    samples: tuple[int, ...]
    label: int | None
    remarks: tuple[str, ...] = ()


def row_columns(path: Path, form: CsvForm, label: str) -> RowColumns:
    """Which columns hold the samples of a row and which its class: the last one, unless only the
    first one can. A column without name and values, and one that counts rows, hold neither.

    Args:
        path: The file.
        form: Its form.
        label: The column of the class; ``""`` when it is to be found, ``"none"`` when there is
            none.

    Raises:
        DataError: If there is no such column, or none is left for samples.
    """
    columns, remarks = list(range(len(form.names))), []
    while len(columns) > 1 and form.is_empty(columns[-1]):
        del columns[-1]
    if len(columns) > 2 and form.counts_rows(columns[0]):
        del columns[0]
        remarks.append(f"the first column of {path.name} counts its rows and is no sample")
    if label == "none":
        return RowColumns(tuple(columns), None, tuple(remarks))
    chosen = columns[-1]
    if label:
        chosen = form.names.index(_known(path, label, form.names))
    elif _first_is_class(form, columns):
        chosen = columns[0]
        remarks.append(f"the first column of {path.name} is taken for the label, not the last")
    elif form.is_class(chosen) and not form.names_class(chosen):
        remarks.append(
            f"the last column of {path.name} is taken for the class of each row; label=none takes "
            "it for a sample"
        )
    samples = tuple(column for column in columns if column != chosen)
    if not samples:
        raise DataError(
            f"{path.name} has {counted(len(columns), 'column')}; expected samples, then a label, "
            "or set "
            "label=none"
        )
    return RowColumns(samples, chosen, tuple(remarks))


def _first_is_class(form: CsvForm, columns: Sequence[int]) -> bool:
    """Whether the first column must be that of the class, as in the UCR archive: the header says
    so, or it has few whole numbers where the last one has measurements."""
    first, last = columns[0], columns[-1]
    if form.names_class(first) or form.names_class(last):
        return not form.names_class(last)
    few = len(form.rows) >= COUNTING and 2 * len(set(form.column(first))) <= len(form.rows)
    return few and form.is_class(first) and not form.is_class(last)


def row_records(
    path: Path, refuse: Refuse, *, label: str, remark: Callable[[str], None]
) -> Iterator[Record]:
    """The records of a file in which a row is a signal: its samples and its label
    (:func:`row_columns`).

    Raises:
        DataError: If the file as a whole cannot be read.
    """
    form = csv_form(path)
    chosen = row_columns(path, form, label)
    for sentence in chosen.remarks:
        remark(sentence)
    texts = [] if chosen.label is None else [chosen.label]
    columns, rows = _read_columns(path, form, chosen.samples, texts, refuse)
    values = np.stack([columns[at] for at in chosen.samples], axis=1, dtype=np.float32)
    labels: Sequence[str | None] = [None] * len(rows)
    if chosen.label is not None:
        labels = columns[chosen.label].tolist()
    for row, trace, text in zip(rows.tolist(), values, labels, strict=True):
        yield Record(
            key=f"{row:06d}",
            name=f"{path.name}, row {row}",
            values=trace[:, None],
            positions=None,
            label=(text or "").strip(),
        )


def sample_records(path: Path, refuse: Refuse, named: SampleColumns) -> Iterator[Record]:
    """The records of a file in which a row is a sample; named columns hold its position, its
    values, and the signal that it belongs to.

    Raises:
        DataError: If the file as a whole cannot be read.
    """
    form = csv_form(path)

    def place(name: str) -> int:
        return form.names.index(_known(path, name, form.names))

    where, what = [place(name) for name in named.positions], [place(name) for name in named.values]
    id = place(named.id) if named.id else None
    label = place(named.label) if named.label else None
    texts = [at for at in (id, label) if at is not None]
    columns, rows = _read_columns(path, form, [*where, *what], texts, refuse)
    positions = np.stack([columns[at] for at in where], axis=1) * named.factor
    values = np.stack([columns[at] for at in what], axis=1, dtype=np.float32)
    no_text = np.full(len(rows), "", object)
    keys = no_text if id is None else columns[id]
    labels = no_text if label is None else columns[label]
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


def _known(path: Path, name: str, names: Sequence[str]) -> str:
    """The name of a column, once it is known to be there, and there once.

    Raises:
        DataError: If it is not, or another column has the same name.
    """
    if name not in names:
        raise DataError(f"no column '{name}' in {path.name}; {suggest(name, names)}")
    if names.count(name) > 1:
        raise DataError(f"{path.name} has several columns '{name}'; give each a name of its own")
    return name


def rows_up_to(path: Path, most: int) -> int:
    """How many rows a file has, where that is below so many, without reading it whole.

    Raises:
        DataError: If the file is missing, empty or not text.
    """
    form = csv_form(path)
    with path.open(encoding=form.encoding, errors="replace") as file:
        data = islice(file, form.before_data, None)
        return sum(1 for _ in islice(filter(str.strip, data), most))


def _read_columns(
    path: Path, form: CsvForm, numbers: Collection[int], texts: Collection[int], refuse: Refuse
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Some columns of a CSV file.

    Args:
        path: The file.
        form: Its form.
        numbers: Columns of numbers, by their places; a cell without a value is NaN.
        texts: Columns of text.
        refuse: Called for a row of another length.

    Returns:
        The columns by their places, each ``[rows]``, and the number of each row in the file,
        from 1.

    Raises:
        DataError: If a column holds text where numbers are expected.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    uneven: dict[int, str] = {}

    def skip_row(row: Any) -> str:
        uneven[row.number] = (
            f"{counted(row.actual_columns, 'column')}; expected {row.expected_columns}"
        )
        return "skip"  # an exception would be swallowed here

    types: dict[str, pa.DataType] = {str(at): pa.float64() for at in numbers}
    types |= {str(at): pa.string() for at in texts}
    encoding = "utf8" if form.encoding.startswith("utf-8") else form.encoding
    try:
        table = arrow_csv.read_csv(
            path,
            arrow_csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                column_names=[str(at) for at in range(len(form.names))],
                skip_rows=form.before_data,
                encoding=encoding,
            ),
            arrow_csv.ParseOptions(delimiter=form.separator, invalid_row_handler=skip_row),
            arrow_csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=sorted(NO_VALUE),
                decimal_point=form.decimal,
            ),
        )
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise _unreadable(path, form, str(error)) from error
    for number, fault in uneven.items():
        line = f"{path.name}, row {number}"
        refuse(line, DataError(f"{line} has {fault}"))
    numbered = np.arange(1, len(table) + len(uneven) + 1) + form.before_data
    rows = np.setdiff1d(numbered, list(uneven))
    return {int(name): table[name].to_numpy() for name in types}, rows


def _unreadable(path: Path, form: CsvForm, message: str) -> DataError:
    """What the parser complains of, without what it quotes."""
    if "UTF8" in message or "codec" in message:
        return DataError(f"the text of {path.name} is not UTF-8 throughout; save it as UTF-8")
    if "Empty CSV" in message:
        return DataError(f"{path.name} has a header and no row below it; expected rows of numbers")
    return DataError(
        f"{path.name} has something else than a number in {_place(message, form.names)}; "
        "expected numbers"
    )


def _place(message: str, names: Sequence[str]) -> str:
    """The column and row that the parser complains of, without what it quotes of them."""
    found = re.search(r"In CSV column #(\d+): (?:Row #(\d+))?", message)
    if found is None:
        return "a row"
    column = f"column '{names[int(found[1])]}'"
    if found[2]:
        return f"{column} of row {found[2]}"
    return column
