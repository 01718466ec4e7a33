"""What a command allows the files of others: how much memory a signal and all of them may ask for,
and whether links may lead out of the folder that was named.

A small file may claim, or unpack to, more than any machine has. What a file asks for is held
against a budget before memory is given, and again while it is unpacked. Large files are not the
danger: what takes no more than some times its bytes on the disk is always let through.

The command line sets these from its options; a program does it by :func:`allowing`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Final

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Gibibytes
from medfuncta._src.door.streams import Stream
from medfuncta._src.errors import DataError

GIB: Final = 2**30
SIGNAL_GIB: Final = 0.25
COMMAND_GIB: Final = 0.4
_SIGNAL_GROWTH: Final = 8
"""Bytes in memory that one byte of a signal's file may become without counting: a packed CT has
two to six."""
_COMMAND_GROWTH: Final = 32
"""The same of all files of a source: windows may overlap."""
_BLOCK: Final = 2**20
"""Bytes unpacked at a time."""
_ROUNDING: Final = 1e-6
NUMBER: Final = 4
"""Bytes of a value in memory, float32."""
_ROW: Final = 200
"""Bytes of what is kept of a signal besides its values."""


@dataclass(frozen=True)
class Allowance:
    """What is allowed.

    Args:
        signal: Bytes of one signal.
        command: Bytes of all signals of a split, or of one file that is unpacked as a whole.
        links: Whether links that leave the named folder are followed.
    """

    signal: int = int(SIGNAL_GIB * GIB)
    command: int = int(COMMAND_GIB * GIB)
    links: bool = False


_current = Allowance()


def allowance() -> Allowance:
    """What is allowed at the moment."""
    return _current


@expecting
@contextmanager
def allowing(
    *,
    signal_gib: Gibibytes | None = None,
    command_gib: Gibibytes | None = None,
    links: bool | None = None,
) -> Iterator[None]:
    """Allow something else in this process while the block runs; what is None stays as it is."""
    global _current
    before = _current
    if signal_gib is not None:
        _current = replace(_current, signal=int(signal_gib * GIB))
    if command_gib is not None:
        _current = replace(_current, command=int(command_gib * GIB))
    if links is not None:
        _current = replace(_current, links=links)
    try:
        yield
    finally:
        _current = before


def check_signal(what: str, needed: float, held: float = 0) -> None:
    """Refuse what would take more memory than a signal may.

    Args:
        what: Who asks, in words.
        needed: Bytes in memory.
        held: Bytes of its file.

    Raises:
        DataError: If it is more.
    """
    _check(what, needed, held * _SIGNAL_GROWTH, _current.signal, "signal")


def check_command(what: str, needed: float, held: float = 0) -> None:
    """As :func:`check_signal`, of all signals that a command reads.

    Raises:
        DataError: If it is more.
    """
    _check(what, needed, held * _COMMAND_GROWTH, _current.command, "command")


def check_array(what: str, numbers: int, rows: int, held: int) -> None:
    """Refuse an array of a Python caller that stands for far more than it holds, such as one number
    that is shown a milliard times: what works on it would need all of that.

    Args:
        what: What it is, in words.
        numbers: That it shows.
        rows: Signals that it counts.
        held: Bytes of memory that it has.

    Raises:
        DataError: If they would take more than all signals of a command may, and much more than
            the array has.
    """
    needed = numbers * NUMBER + rows * _ROW
    if needed > max(_current.command, held * _COMMAND_GROWTH):
        enough = ceil(needed / GIB * 10 + _ROUNDING) / 10
        raise DataError(
            f"{what} would take {_size(needed)} of memory, made of {_size(held)}; expected at most "
            f"{_size(_current.command)}; give less at a time, or allow it by "
            f"medfuncta.allowing(command_gib={enough:g})"
        )


def _check(what: str, needed: float, grown: float, budget: float, of: str) -> None:
    if needed > max(budget, grown):
        enough = ceil(needed / GIB * 10 + _ROUNDING) / 10
        raise DataError(
            f"{what} asks for {_size(needed)} of memory or more; expected at most {_size(budget)} "
            f"a {of}; if it is right, give a larger budget, such as --{of}-budget {enough:g} (in "
            f"Python medfuncta.allowing({of}_gib={enough:g}))"
        )


def on_disk(path: Path) -> int:
    """Bytes that a file takes on the disk; holes in it take none."""
    found = path.stat()
    return min(found.st_size, getattr(found, "st_blocks", found.st_size) * 512)


def all_on_disk(location: Path) -> int:
    """Bytes of all files below a folder; of a file, also of those beside it whose names begin as
    its own does, such as a header's samples."""
    if location.is_dir():
        found = [Path(root, name) for root, _, names in os.walk(location) for name in names]
    else:
        stem = location.name.split(".")[0]
        found = [path for path in location.parent.iterdir() if path.name.startswith(stem)]
    return sum(on_disk(path) for path in found if path.is_file())


def unpacked(stream: Stream, limit: float, refuse: Callable[[], Exception]) -> bytes:
    """All that a stream unpacks to, read on no further than a limit.

    Raises:
        Exception: What ``refuse`` gives, if there is more.
    """
    held = bytearray()
    while block := stream.read(_BLOCK):
        held += block
        if len(held) > limit:
            raise refuse()
    return bytes(held)


def _size(count: float) -> str:
    """Bytes in words."""
    for unit, size in {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}.items():
        if count >= size:
            return f"{count / size:,.3g} {unit}"
    return f"{count:,.0f} bytes"
