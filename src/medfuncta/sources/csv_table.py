"""A CSV file as named columns, every mistake in it told by its row and column and never by its
content."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import numpy as np

from medfuncta.errors import DataError, suggest

_BLOCK_BYTES: Final = 2**24  # read at a time; no row may be longer


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
    header = not all(is_number(text) for text in first)
    return [name.strip() for name in first] if header else [
        str(i) for i in range(len(first))
    ], header


def read_columns(
    path: Path,
    numbers: Collection[str],
    texts: Collection[str],
    refuse: Callable[[str, DataError], None],
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Some columns of a CSV file.

    Args:
        path: The file.
        numbers: Columns of numbers; an empty cell is NaN.
        texts: Columns of text.
        refuse: Called for a row of another length, to raise the error or to note it.

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
    uneven: list[tuple[int, int, int]] = []

    def skip_row(row: Any) -> str:
        uneven.append((row.number, row.actual_columns, row.expected_columns))
        return "skip"  # an exception would be swallowed here

    types = {name: pa.float64() for name in numbers} | {name: pa.string() for name in texts}
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
        place = re.search(r"In CSV column #(\d+): (?:Row #(\d+))?", str(error))
        where = (
            f"column '{names[int(place[1])]}'{f' of row {place[2]}' if place[2] else ''}"
            if place
            else "a row"
        )
        raise DataError(
            f"{path.name} has something else than a number in {where}; expected numbers"
        ) from error
    for number, actual, expected in uneven:
        line = f"{path.name}, row {number}"
        refuse(line, DataError(f"{line} has {actual} columns; expected {expected}"))
    rows = np.setdiff1d(
        np.arange(1, len(table) + len(uneven) + 1) + int(header), [number for number, *_ in uneven]
    )
    return {name: table[name].to_numpy() for name in types}, rows


def is_number(text: str) -> bool:
    """Whether a cell is empty or holds a number."""
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
