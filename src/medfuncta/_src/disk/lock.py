"""One writer at a time in a folder."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medfuncta._src.disk.refusals import disk_told
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import MedFunctaError

LOCK_FILE: Final = ".lock"
"""Says which process writes into the folder that it lies in; gone when it has ended well."""
_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_WITHOUT_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
"""What file systems answer that know no locks, as some of clusters do."""
_NOTE_BYTES: Final = 256

_held: Final[dict[Path, int]] = {}
"""Folders that this process writes into, and their open lock files."""
_guard: Final = threading.Lock()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Within, this process alone writes into a folder, which is made when missing.

    The lock is the system's (``flock``), so that it ends with its process, however that ends; the
    file that it lies on says who has it. Where a file system knows no locks, what the file says is
    all there is: the word of a process that is no more on this machine does not count.

    A folder that was made for this and is still empty at the end is removed again.

    Raises:
        MedFunctaError: If another process, or another part of this one, writes into it, or it
            cannot be written.
    """
    with disk_told(folder.name):
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(os.path.realpath(folder))
    with _guard:
        if place in _held:
            raise _taken(place, f"this process ({os.getpid()})")
        with disk_told(folder.name):
            _held[place] = _acquired(place)
    try:
        yield
    finally:
        with _guard:
            handle = _held.pop(place)
        _release(place, handle)
        if made:
            with suppress(OSError):
                place.rmdir()  # only an empty one can be


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove the folders of this pattern in a folder that nobody writes into any more: a process
    that filled one, and held it with :func:`writing`, has been killed."""
    for path in list(folder.glob(pattern)):
        if path.is_dir() and not path.is_symlink():
            with suppress(MedFunctaError), writing(path):
                for entry in path.iterdir():
                    if entry.is_dir() and not entry.is_symlink():
                        shutil.rmtree(entry, ignore_errors=True)
                    elif entry.name != LOCK_FILE:
                        entry.unlink(missing_ok=True)
            with suppress(OSError):
                path.rmdir()


def check_held(path: Path) -> None:
    """Raise where a path lies in a folder that this process had begun to write into, and that was
    removed or moved meanwhile: what is written now would be a part of nothing.

    Raises:
        MedFunctaError: If it does.
    """
    if not _held:
        return
    place = Path(os.path.realpath(path))
    for folder in (place, *place.parents):
        handle = _held.get(folder)
        if handle is not None and not _is_at(folder / LOCK_FILE, handle):
            raise MedFunctaError(
                f"the folder '{shortened(folder.name, 60)}' was removed or changed by somebody "
                "else while it was written; start again with a folder of its own"
            )


def _acquired(folder: Path) -> int:
    """The open lock file of a folder, with our name in it."""
    path = folder / LOCK_FILE
    while True:
        handle = os.open(path, _FLAGS, 0o666)
        try:
            _lock(folder, handle)
            if _is_at(path, handle):  # else the one before us has removed it since
                os.ftruncate(handle, 0)
                os.pwrite(handle, _Writer.this().note(), 0)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(folder: Path, handle: int) -> None:
    """Lock a file that is open, or raise with the name of who has it."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise MedFunctaError(
            f"{LOCK_FILE} in '{shortened(folder.name, 60)}' is not a file; remove it"
        )
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _taken(folder, str(_Writer.of(handle) or "another process")) from None
    except (ImportError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _WITHOUT_LOCKS:
            raise
        writer = _Writer.of(handle)
        if writer is not None and writer.may_live():
            raise _taken(folder, f"{writer} (if that is gone, remove {LOCK_FILE} in it)") from None


def _release(folder: Path, handle: int) -> None:
    path = folder / LOCK_FILE
    if _is_at(path, handle):
        with suppress(OSError):
            path.unlink()
    os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    """Whether an open file still has this name."""
    try:
        there = path.lstat()
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(handle))


def _taken(folder: Path, who: str) -> MedFunctaError:
    return MedFunctaError(
        f"'{shortened(folder.name, 60)}' is being written by {who}; wait until that has ended, or "
        "give another folder"
    )


@dataclass(frozen=True)
class _Writer:
    """Who writes.

    Args:
        pid: Number of the process.
        host: Name of its machine.
    """

    pid: int
    host: str

    def __str__(self) -> str:
        return f"process {self.pid} on {shortened(self.host, 60)}"

    @classmethod
    def this(cls) -> _Writer:
        """This process."""
        return cls(os.getpid(), socket.gethostname())

    @classmethod
    def of(cls, handle: int) -> _Writer | None:
        """The one that a lock file names; None where it names none."""
        words = os.pread(handle, _NOTE_BYTES, 0).decode("utf-8", "replace").split()
        if len(words) != 2 or not words[0].isdecimal() or len(words[0]) > 10:
            return None
        return cls(int(words[0]), words[1])

    def note(self) -> bytes:
        """What its lock file holds."""
        return f"{self.pid} {self.host}\n".encode()[:_NOTE_BYTES]

    def may_live(self) -> bool:
        """Whether it may still be there; another machine's processes are not to be asked."""
        if self.host != socket.gethostname() or sys.platform == "win32":
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            return True
        return True
