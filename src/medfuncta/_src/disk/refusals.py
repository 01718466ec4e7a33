"""What a disk answers when something cannot be written, in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from medfuncta._src.door.files import reason
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import MedFunctaError

_ROOM: Final = "free some room or choose another folder"
_RIGHTS: Final = "choose a folder that you may write to"
_REMEDIES: Final = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EIO: "check the disk or choose another folder",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EILSEQ: "give a name that is valid UTF-8",
    errno.ENOENT: "its folder may have been removed meanwhile; start again",
    errno.ENOTDIR: "part of its path is a file; choose another folder",
    errno.EEXIST: "there is a file by the name of the folder; choose another folder",
    errno.EISDIR: "there is a folder by this name; choose another name",
    errno.ELOOP: "it is a link to itself or to elsewhere; choose another folder",
}
_TOLD: Final = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EROFS,
    errno.EACCES,
    errno.ENAMETOOLONG,
)
"""What libraries that are not Python's quote in errors of their own."""
_TRIED: Final = 2**16
"""Bytes that a disk is asked to take."""
_NAME: Final = 60
"""Characters of a name in a line."""


def unwritten(name: str, said: str, number: int | None = None) -> MedFunctaError:
    """The line about something that could not be written.

    Args:
        name: Of the file or folder.
        said: What the disk said.
        number: The same as one of :mod:`errno`, which says what can be done.
    """
    remedy = _REMEDIES.get(number or 0, _ROOM)
    return MedFunctaError(f"cannot write {shortened(name, _NAME)}: {said}; {remedy}")


@contextmanager
def disk_told(name: str) -> Iterator[None]:
    """Within, what the disk says is told of what has this name.

    Raises:
        MedFunctaError: In place of an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise unwritten(name, reason(error), error.errno) from error


def fault_of_disk(error: Exception, path: Path | None) -> OSError | None:
    """What the disk said when a library could not write a file; None if it was not the disk.

    Python's own functions and most libraries raise an ``OSError``. safetensors and FAISS quote the
    system in an error of their own; NumPy and PyTorch's writer of archives do not say why, and
    then the disk is asked.

    Args:
        error: What the library raised.
        path: Where it wrote; None when there is nothing yet.
    """
    if isinstance(error, MedFunctaError):
        return None
    if isinstance(error, OSError) and error.errno is not None:
        return error
    text = str(error)
    for number in _TOLD:
        if os.strerror(number) in text:
            return OSError(number, os.strerror(number))
    refused = None if path is None else _refusal(path)
    if refused is None and isinstance(error, OSError):
        return error
    return refused


def _refusal(path: Path) -> OSError | None:
    """What the disk says when a file is to become longer; None when it takes it."""
    try:
        with path.open("ab") as file:
            file.write(bytes(_TRIED))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None
