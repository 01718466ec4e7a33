"""What a file turns out to be in place of what its name says: gone, empty, a web page, a file of
another program, or what a versioning tool leaves where a large file was not fetched.

A reader that cannot read a file knows only that; asked here, the file itself tells why.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from medfuncta._src.errors import DataError, MedFunctaError

_START: Final = 1024
"""Bytes that are looked at."""
_PAGES: Final = (b"<!doctype html", b"<html", b"<head", b"<body")
_LFS: Final = b"version https://git-lfs.github.com/spec/"
_ANNEX: Final = b"/annex/objects/"
_OTHERS: Final[Mapping[bytes, str]] = {
    b"\x89HDF\r\n\x1a\n": "is an HDF5 file (as MATLAB 7.3 and Keras write them)",
    b"MATLAB 5.0 MAT-file": "is a file of MATLAB",
    b"\xffBIOSEMI": "is a BDF file, of 24 bits",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "is a workbook or document of old Excel or Word",
    b"SQLite format 3\0": "is an SQLite database",
    b"%PDF-": "is a PDF document",
    b"%!PS": "is a PostScript document",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive",
    b"Rar!\x1a\x07": "is a RAR archive",
    b"\xfd7zXZ\0": "is packed by xz",
    b"\x28\xb5\x2f\xfd": "is packed by Zstandard",
}
"""What no source reads, by its first bytes."""
_UNPACKED: Final = ("archive", "packed")
_ZIP: Final = b"PK\x03\x04"
_ZIPPED: Final = (".npz",)
"""Suffixes of files that are zip archives by right."""
_EXCEL: Final = (b"[Content_Types].xml", b"xl/")
_GONE: Final = (
    "was there when its folder was listed and is gone; leave the data as they are while they are "
    "read, and start again"
)


@contextmanager
def blaming(path: Path, name: str = "", *, listed: bool = False) -> Iterator[None]:
    """Within, an error in reading a file becomes the cause that the file itself tells, if it tells
    one.

    Args:
        path: The file.
        name: What the error calls it; its name when not given.
        listed: Whether the file is known to have been there.

    Raises:
        DataError: In place of a :class:`MedFunctaError`, or of an ``OSError``.
    """
    try:
        yield
    except (MedFunctaError, OSError) as error:
        cause = cause_in(path, listed=listed)
        if not cause:
            raise
        raise DataError(f"{name or path.name} {cause}") from error


def cause_in(path: Path, *, listed: bool = False) -> str:
    """Why a file is not what its name says and what to do about it, as the end of a sentence;
    ``""`` where nothing tells.

    Args:
        path: The file.
        listed: Whether the file is known to have been there.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return ""
        if not found.st_size:
            return "is empty, it has 0 bytes; get it again"
        start = _first_bytes(path)
    except FileNotFoundError:
        return _GONE if listed else ""
    except OSError:
        return ""
    return _told_by(start, path.suffix)


def check_itself(path: Path) -> None:
    """Raise where a file's first bytes tell that it is something else, before a reader of text
    makes sense of it.

    Raises:
        DataError: If they do.
    """
    try:
        cause = _told_by(_first_bytes(path), path.suffix)
    except OSError:
        return  # told by who opens it
    if cause:
        raise DataError(f"{path.name} {cause}")


def _first_bytes(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        return file.read(_START)


def _told_by(start: bytes, suffix: str) -> str:
    """The cause that a file's first bytes tell, where its name ends like this."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_LFS):
        return "is a pointer of Git LFS, not the file itself; fetch it with 'git lfs pull'"
    if start.startswith(_ANNEX):
        return "is a pointer of git-annex, not the file itself; fetch it with 'datalad get'"
    if text.startswith(_PAGES):
        return (
            "is a web page (HTML), such as a download leaves that asks for a login or has failed; "
            "get the file itself"
        )
    if text.startswith(b"<?xml") and (b"<error>" in text or b"<html" in text):
        return "is a server's refusal (XML), not the file itself; get the file again"
    if start.startswith(_ZIP) and suffix.lower() not in _ZIPPED:
        if any(name in start for name in _EXCEL):
            return "is a workbook of Excel; save it as CSV"
        return "is a zip archive, not the file itself; unpack it"
    for first, what in _OTHERS.items():
        if start.startswith(first):
            unpacked = any(word in what for word in _UNPACKED)
            return f"{what}; {'unpack' if unpacked else 'convert'} it"
    return ""
