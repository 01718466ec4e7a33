"""What the first rows of a table tell of its form: encoding, separator, decimal sign, header,
columns that hold no data.

A table is written by many hands: Excel puts a byte order mark before it, or semicolons and decimal
commas into it, or makes it UTF-16; pandas and R put the numbers of rows before it; instruments put
lines of comment above it. All of that is seen in its first rows.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medfuncta._src.door.content import check_itself
from medfuncta._src.door.files import Origin, open_regular
from medfuncta._src.errors import DataError

BLOCK_BYTES: Final = 2**24  # read at a time; no row may be longer
NO_VALUE: Final = frozenset(
    {
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-NaN",
        "-nan",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "n/a",
        "nan",
        "null",
    }
    | {"-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"}
)
"""What stands in a cell without a value."""

_SEPARATORS: Final = (",", ";", "\t", "|")
_LOOK_BYTES: Final = 2**20
_LOOK_ROWS: Final = 50
COUNTING: Final = 4
"""Rows that tell a column of row numbers, or of classes, from one of values."""
_LABEL_NAMES: Final = ("label", "labels", "class", "target", "y", "category", "diagnosis")


@dataclass(frozen=True)
class CsvForm:
    """The form of one file.

    Args:
        encoding: Of its text.
        separator: Between cells.
        decimal: The sign before decimals.
        above: Lines above the first row: blank ones and comments.
        names: Of all columns, as the header has them; ``"0"``, ``"1"``, ... without a header.
        header: Whether the first row gives them.
        rows: The first rows of data, as many cells in each as there are names.
    """

    encoding: str
    separator: str
    decimal: str
    above: int
    names: tuple[str, ...]
    header: bool
    rows: tuple[tuple[str, ...], ...]

    @property
    def before_data(self) -> int:
        """Lines before the first row of data."""
        return self.above + int(self.header)

    def is_value(self, cell: str) -> bool:
        """Whether a cell is a number in this form, or has no value."""
        return _is_value(cell, self.decimal)

    def column(self, at: int) -> list[str]:
        """The first cells of a column."""
        return [row[at] for row in self.rows]

    def counts_rows(self, at: int) -> bool:
        """Whether a column holds nothing but the numbers of rows."""
        unnamed = self.header and self.names[at].lower() in ("", "index", "unnamed: 0")
        enough = len(self.rows) >= COUNTING or (unnamed and self.rows)
        return bool(enough) and _consecutive(self.column(at))

    def is_empty(self, at: int) -> bool:
        """Whether a column has neither a name nor a value, as behind a last separator."""
        unnamed = not self.header or not self.names[at]
        return unnamed and bool(self.rows) and not any(self.column(at))

    def is_class(self, at: int) -> bool:
        """Whether the first cells of a column may be classes: whole numbers or text."""
        for cell in self.column(at):
            if self.is_value(cell) and cell not in NO_VALUE and not _is_whole(cell, self.decimal):
                return False
        return True

    def names_class(self, at: int) -> bool:
        """Whether the header calls a column a class."""
        return self.header and self.names[at].lower() in _LABEL_NAMES


def csv_form(path: Path) -> CsvForm:
    """The form of a file.

    Raises:
        DataError: If it is missing, empty or not text.
    """
    check_itself(path)
    text, encoding = _first_text(path)
    lines = text.splitlines()
    above = 0
    while above < len(lines) and (not lines[above].strip() or lines[above].startswith("#")):
        above += 1
    lines = [line for line in lines[above : above + _LOOK_ROWS] if line.strip()]
    if not lines:
        raise DataError(f"{path.name} is empty; expected rows of comma separated values")
    try:
        separator, decimal = _separator(lines)
        rows = _cells(lines, separator)
    except csv.Error as error:
        raise _not_text(path) from error
    first = rows[0]
    below = [row for row in rows[1:] if len(row) == len(first)]
    header = _is_header(first, below, decimal)
    names = [str(at) for at in range(len(first))]
    data = [first, *below]
    if header:
        names, data = first, below
    return CsvForm(encoding, separator, decimal, above, tuple(names), header, tuple(data))


def _first_text(path: Path) -> tuple[str, str]:
    """The first whole lines of a file, and the encoding of it all."""
    origin = Origin(
        path.name, DataError, "check the file", f"no file {path.name}; check the location"
    )
    with open_regular(path, origin) as file:
        start = file.read(_LOOK_BYTES)
        whole = len(start) < _LOOK_BYTES
        if not whole and b"\n" not in start and b"\r" not in start:
            start += file.read(BLOCK_BYTES - _LOOK_BYTES)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig" if start.startswith(b"\xef\xbb\xbf") else "utf-8"
        if not whole:
            start = start[: max(start.rfind(b"\n"), start.rfind(b"\r")) + 1] or start
    try:
        text = start.decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
        text = start.decode(encoding)
    if any(sign < " " and sign not in "\t\n\r\f" for sign in text[:_LOOK_BYTES]):
        raise _not_text(path)
    if encoding == "utf-16" and not whole:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    return text, encoding


def _not_text(path: Path) -> DataError:
    return DataError(f"{path.name} is not a text file of comma separated values; check the file")


def _cells(lines: Sequence[str], separator: str) -> list[tuple[str, ...]]:
    rows = csv.reader(lines, delimiter=separator)
    return [tuple(cell.strip() for cell in row) for row in rows]


def _separator(lines: Sequence[str]) -> tuple[str, str]:
    """The separator and decimal sign that make the most of the cells numbers."""
    best, chosen = 0.0, (",", ".")
    for separator in _SEPARATORS:
        cells = [cell for row in _cells(lines, separator) if len(row) > 1 for cell in row]
        for decimal in (".", ","):
            if separator == decimal or not cells:
                continue
            share = sum(_is_value(cell, decimal) for cell in cells) / len(cells)
            if share > best:
                best, chosen = share, (separator, decimal)
    return chosen


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether a first row names the columns: text stands where numbers follow, or its cells count
    the columns."""
    values = [_is_value(cell, decimal) for cell in first]
    if not any(values):
        return True
    if not below:
        return 2 * sum(values) < len(values)
    for at, is_value in enumerate(values):
        if not is_value and all(_is_value(row[at], decimal) for row in below):
            return True
    numbers = [cell for cell in first if cell and _is_value(cell, decimal)]
    return len(numbers) >= COUNTING and _consecutive(numbers) and not _consecutive(below[0])


def _consecutive(cells: Sequence[str]) -> bool:
    """Whether cells count up from 0 or 1."""
    starts = cells[:1] in (["0"], ["1"], ("0",), ("1",))
    return starts and list(cells) == [str(int(cells[0]) + k) for k in range(len(cells))]


def _is_value(cell: str, decimal: str) -> bool:
    """Whether a cell is a number with this decimal sign, or has no value."""
    if cell in NO_VALUE:
        return True
    if decimal == ",":
        if "." in cell:
            return False
        cell = cell.replace(",", ".", 1)
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_whole(cell: str, decimal: str) -> bool:
    return float(cell.replace(decimal, ".", 1)).is_integer()
