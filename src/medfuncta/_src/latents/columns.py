"""The columns of a shard, read in no more memory than they may ask for.

Parquet stores what repeats once: a file of a few bytes can hold a million texts of a megabyte, or
lists of a milliard equal numbers. The footer tells how many numbers a column has; texts are read as
a dictionary, which holds each once, and become plain ones when their lengths are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medfuncta._src.door.allowance import check_command, on_disk
from medfuncta._src.door.declared import Fault
from medfuncta._src.door.files import is_utf8
from medfuncta._src.door.limits import MAX_TEXT
from medfuncta._src.door.wording import counted

_TEXTS: Final[tuple[str, ...]] = ("spacing_unit", "unit", "dtype", "metadata")
"""Columns of texts that repeat."""
_ID: Final = "id"
"""One that does not; it is read as a dictionary where a file says that it has one."""
_LONGEST: Final[Mapping[str, int]] = {"shape": 3, "spacing": 3, "affine": 16}
"""Numbers of a list."""
_WIDEST: Final = 8
"""Bytes of a number."""


class Columns:
    """A Parquet file, opened for reading.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw = None
        opened: Path | BinaryIO = path
        if not is_utf8(path):  # Arrow takes no other path
            opened = self._raw = path.open("rb")
        with pq.ParquetFile(opened) as file:
            footer = file.metadata
        texts: list[str] = [*_TEXTS]
        if _has_dictionary(footer, _ID):
            texts.append(_ID)
        self.file = pq.ParquetFile(
            opened, metadata=footer, page_checksum_verification=True, read_dictionary=texts
        )

    def __enter__(self) -> Columns:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        if self._raw is not None:
            self._raw.close()

    def read(self, columns: Sequence[str] | None) -> pa.Table:
        """All rows.

        Raises:
            MedFunctaError: If texts are longer than any.
        """
        return _plain(self.file.read(columns=_listed(columns)), self.path)

    def batches(self, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows in order, at most so many at a time.

        Raises:
            MedFunctaError: If texts are longer than any.
        """
        for batch in self.file.iter_batches(batch_size=rows, columns=_listed(columns)):
            yield from _plain(pa.Table.from_batches([batch]), self.path).to_batches()

    def row(self, row: int, columns: Sequence[str] | None) -> pa.Table:
        """One row, for which its row group is read.

        Raises:
            MedFunctaError: If its texts are longer than any.
        """
        first = group = 0
        while row >= first + self.file.metadata.row_group(group).num_rows:
            first += self.file.metadata.row_group(group).num_rows
            group += 1
        table = self.file.read_row_group(group, columns=_listed(columns))
        return _plain(table.slice(row - first, 1), self.path)


def check_footer(path: Path, found: pq.FileMetaData) -> None:
    """Raise where the columns of a file claim more numbers, or unpack to more bytes, than it may
    ask for.

    Raises:
        MedFunctaError: If they do.
    """
    held = on_disk(path)
    for number in range(found.num_row_groups):
        group = found.row_group(number)
        needed = 0
        for place in range(group.num_columns):
            column = group.column(place)
            name = column.path_in_schema.split(".")[0]
            most = group.num_rows * _LONGEST.get(name, column.num_values)
            if column.num_values > most:
                said = f"holds {counted(column.num_values, 'number')}; expected at most {most:,}"
                raise Fault(f"the column '{name}'", said)
            needed += max(column.num_values * _WIDEST, column.total_uncompressed_size)
        check_command(f"a group of its rows ({group.num_rows:,})", needed, held)


def _has_dictionary(found: pq.FileMetaData, name: str) -> bool:
    """Whether a column is stored as a dictionary anywhere."""
    for number in range(found.num_row_groups):
        group = found.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            if column.path_in_schema == name and column.has_dictionary_page:
                return True
    return False


def _listed(columns: Sequence[str] | None) -> list[str] | None:
    return None if columns is None else list(columns)


def _plain(table: pa.Table, path: Path) -> pa.Table:
    """A table whose texts were read as dictionaries, with plain ones.

    Raises:
        MedFunctaError: If one is longer than any, or all together ask for too much.
    """
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if pa.types.is_dictionary(column.type):
            _check_lengths(name, column, path)
            table = table.set_column(place, name, column.cast(column.type.value_type))
    return table


def _check_lengths(name: str, column: pa.ChunkedArray, path: Path) -> None:
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)  # type: ignore[attr-defined]
        used = lengths.take(chunk.indices.drop_null())
        longest = pc.max(used).as_py() or 0  # type: ignore[attr-defined]
        if longest > MAX_TEXT:
            said = f"holds a text of {longest:,} bytes; expected at most {MAX_TEXT:,}"
            raise Fault(f"the column '{name}'", said)
        total += pc.sum(used).as_py() or 0  # type: ignore[attr-defined]
    check_command(f"the column '{name}'", total, on_disk(path))
