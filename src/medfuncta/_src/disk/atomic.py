"""Writes that either happen whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from medfuncta._src.disk.lock import LOCK_FILE, check_held, writing
from medfuncta._src.disk.places import TEMPORARY, fresh_folder, move
from medfuncta._src.disk.refusals import disk_told, fault_of_disk, unwritten
from medfuncta._src.door.files import reason
from medfuncta._src.errors import ConfigError

_SUFFIX: Final = 40
"""Characters that a temporary name keeps of a suffix."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, flush it to disk, then give it its name.

    A full disk or a kill leaves the old file as it was. The temporary name keeps the suffix, since
    some writers choose by it.

    Raises:
        MedFunctaError: If the disk is full or the folder cannot be written, whatever the library
            that writes says of it; or if the folder was removed while this process wrote into it
            (see :func:`~medfuncta._src.disk.lock.writing`).
    """
    check_held(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=TEMPORARY, suffix="".join(path.suffixes[-2:])[-_SUFFIX:], dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb+") as file:
            _check_whole(file)
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except Exception as error:
        fault = fault_of_disk(error, temporary)
        if fault is None:
            raise
        raise unwritten(path.name, reason(fault), fault.errno) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _check_whole(file: BinaryIO) -> None:
    """Raise where a file ends because the disk was full: NumPy's and FAISS's writers do not say so.
    Such a disk takes no further byte.

    Raises:
        OSError: If it takes none.
    """
    end = file.seek(0, os.SEEK_END)
    file.write(b"\0")
    file.flush()
    file.truncate(end)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically; NaN and Inf are refused, since JSON has no such thing."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that a killed write left anywhere below ``folder``;
    for whoever alone writes there."""
    for path in list(folder.rglob(f"{TEMPORARY}*")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill; when all went well, what it holds becomes the content of ``out``, which is
    new or empty until then. A kill leaves nothing that stands in the way of the next attempt.

    Raises:
        ConfigError: If ``out`` holds something already.
        MedFunctaError: If another process writes into it, or it cannot be written.
    """
    with writing(out), disk_told(out.name):
        remove_leftovers(out)
        if any(path.name != LOCK_FILE for path in out.iterdir()):
            raise ConfigError(f"'{out.name}' is there already; give a new folder")
        with fresh_folder(out) as aside:
            yield aside
            check_held(out)
            for path in sorted(aside.iterdir()):
                move(path, out, path.name)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
