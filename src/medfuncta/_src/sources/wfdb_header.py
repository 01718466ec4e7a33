"""A WFDB header as its bytes have it, and as the field's library can read it.

The library drops every letter beyond ASCII (which turns a microvolt into a volt), knows few
characters in the names of records and files, and takes a length of 0 for no sample at all, where
the format means "as many as there are". Units and segments are therefore read here, and a header
that the library would not understand is put before it in plain words.

Format: https://www.physionet.org/physiotools/wag/header-5.htm
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medfuncta._src.door.content import blaming, check_itself
from medfuncta._src.door.files import Origin, read_bytes
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.sources.units import unit_text

_MOST_BYTES: Final = 2**24
_MOST_SIGNALS: Final = 4096
_LENGTH_FIELD: Final = 3  # of the record's line, counted from 0
_GAIN_FIELD: Final = 2  # of a signal's line
_PLAIN_NAME: Final = re.compile(rb"[-\w]+")
_PLAIN_FILE: Final = re.compile(rb"~?[-\w]*\.?\w*")
_PLAIN_UNIT: Final = re.compile(rb"[\w^?%/-]*")
_DEFAULT_UNIT: Final = b"mV"
_OTHER_UNIT: Final = b"NU"  # stands for one that the library cannot read


@dataclass(frozen=True)
class HeaderText:
    """The lines of a header that are no comments, as bytes.

    Args:
        record: The record's line.
        lines: Those of its signals or segments.
    """

    record: bytes
    lines: tuple[bytes, ...]

    @property
    def joins_segments(self) -> bool:
        """Whether it describes a recording in segments that are records of their own."""
        return b"/" in self.record.split()[0]

    @property
    def is_layout(self) -> bool:
        """Whether it only tells which signals the segments of a recording may have."""
        return bool(self.lines) and all(line.startswith(b"~") for line in self.lines)

    @property
    def segments(self) -> list[str]:
        """Names of the segments, gaps left out."""
        names = [line.split()[0].decode("utf-8", "replace") for line in self.lines]
        return [name for name in names if name != "~"]

    @property
    def units(self) -> list[str]:
        """The unit of each signal."""
        return [unit_text(_unit(line)) for line in self.lines]

    @property
    def files(self) -> list[str]:
        """The file of each signal."""
        return [line.split()[0].decode("utf-8", "replace") for line in self.lines]


def read_header(path: Path) -> HeaderText:
    """The header of a record.

    Args:
        path: The record, without suffix.

    Raises:
        DataError: If there is none, or it has no line of a record.
    """
    name = f"{path.name}.hea"
    file = header_file(path)
    origin = Origin(name, DataError, "copy the record again")
    with blaming(file, listed=True):
        check_itself(file)
        return _header_text(name, read_bytes(file, origin, limit=_MOST_BYTES))


def _header_text(name: str, content: bytes) -> HeaderText:
    """The lines in a header's bytes.

    Raises:
        DataError: If none is one of a record.
    """
    lines = [line.strip() for line in content.splitlines()]
    lines = [line for line in lines if line and not line.startswith(b"#")]
    if not lines or len(lines[0].split()) < 2:
        raise DataError(f"{name} is not a WFDB header; check the file")
    header = HeaderText(lines[0], tuple(lines[1:]))
    if len(header.lines) > _MOST_SIGNALS and not header.joins_segments:
        raise DataError(
            f"{name} describes {counted(len(header.lines), 'signal')}; expected at most "
            f"{_MOST_SIGNALS:,}; "
            "check the file"
        )
    return header


def header_file(path: Path) -> Path:
    """The header of a record that is named without suffix."""
    return path.with_name(f"{path.name}.hea")


@contextmanager
def readable(path: Path, header: HeaderText) -> Iterator[str]:
    """The name under which the library can read a record: its own, or that of a header in plain
    words beside links to its files, for as long as the block lasts.

    Args:
        path: The record, without suffix.
        header: Its header.

    Raises:
        DataError: If it names a file outside of its folder.
    """
    for file in header.files:
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise DataError(
                f"{path.name}.hea names a file outside of its folder; expected signals beside it"
            )
    if header.joins_segments:
        yield str(path)
        return
    record, links = _plain_record(header.record), dict[str, Path]()
    lines = [_plain_signal(line, path.parent, links) for line in header.lines]
    if record == header.record and lines == list(header.lines):
        yield str(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, file in links.items():
            Path(folder, name).symlink_to(file.absolute())
        plain = Path(folder, "record")
        header_file(plain).write_bytes(b"\n".join([record, *lines]) + b"\n")
        yield str(plain)


def _plain_record(line: bytes) -> bytes:
    """The record's line under a plain name, without a length of 0 and what follows it."""
    fields = line.split()
    if not _PLAIN_NAME.fullmatch(fields[0]):
        fields[0] = b"record"
    if fields[_LENGTH_FIELD : _LENGTH_FIELD + 1] == [b"0"]:
        fields = fields[:_LENGTH_FIELD]
    return line if fields == line.split() else b" ".join(fields)


def _plain_signal(line: bytes, folder: Path, links: dict[str, Path]) -> bytes:
    """A signal's line with a plain unit and a plain name of its file; which file that stands for
    is added to ``links``."""
    fields = line.split(maxsplit=_GAIN_FIELD + 1)
    name = fields[0].decode("utf-8", "surrogateescape")
    alias = name
    if not _PLAIN_FILE.fullmatch(fields[0]):
        alias = next((old for old, file in links.items() if file == folder / name), "")
        alias = alias or f"signals{len(links)}.dat"
        fields[0] = alias.encode()
    if name != "~":
        links[alias] = folder / name
    unit = _unit(line)
    if not _PLAIN_UNIT.fullmatch(unit):
        fields[_GAIN_FIELD] = fields[_GAIN_FIELD].replace(b"/" + unit, b"/" + _OTHER_UNIT)
    plain = b" ".join(fields)
    return line if fields == line.split(maxsplit=_GAIN_FIELD + 1) else plain


def _unit(line: bytes) -> bytes:
    """The unit behind the gain of a signal, millivolts where none is given."""
    fields = line.split()
    if len(fields) <= _GAIN_FIELD:
        return _DEFAULT_UNIT
    _, _, unit = fields[_GAIN_FIELD].partition(b"/")
    return unit or _DEFAULT_UNIT
