"""Where files are written, and how they are named after what data says.

Two functions are the only ways. :func:`file_name` makes one harmless name of any text;
:func:`place` joins names below a folder, and goes through no link on the way: what a stranger's
folder holds cannot lead a write out of it. The folder itself is the user's word and may be a link.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final, TextIO

from medfuncta._src.errors import MedFunctaError

TEMPORARY: Final = ".writing-"
"""How the names of files and folders begin that are not whole yet."""
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", re.ASCII)
_KEPT: Final = 60
"""Characters of a name that are kept where not all of it can be."""


def file_name(text: str) -> str:
    """A text from data as one name in a folder: as it is where it holds nothing but letters,
    digits, dots, dashes and underscores; else what is left of it and a digest, so that different
    texts never become one name.

    >>> file_name("train"), file_name("../train").startswith("train-")
    ('train', True)
    """
    if _HARMLESS.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", text[: 4 * _KEPT], flags=re.ASCII).strip("-")
    return "-".join(filter(None, (plain[:_KEPT], digest)))


def place(folder: Path, *names: str) -> Path:
    """The path of a file or folder that is to be written below a folder.

    Args:
        folder: As the user named it.
        names: One or more names, from the outermost on.

    Raises:
        MedFunctaError: If a name would lead elsewhere, or one on the way is a link.
    """
    path = folder
    for name in names:
        if not name or name in (".", "..") or set(name) & set("/\\\0"):
            raise MedFunctaError(
                f"the name {name[:60]!r} leads out of its folder; expected a name without slashes"
            )
        path = path / name
        if path.is_symlink():
            raise MedFunctaError(
                f"'{name}' in '{path.parent.name}' is a link, and nothing is written through "
                "links; put the file or folder itself in its place"
            )
    return path


def make_folder(folder: Path, *names: str) -> Path:
    """A folder below another one, made with all on the way where it is missing.

    Raises:
        MedFunctaError: As :func:`place`.
        OSError: If it cannot be made.
    """
    path = place(folder, *names)
    path.mkdir(parents=True, exist_ok=True)
    return path


def make_private_folder(folder: Path) -> None:
    """A folder that only the user can read, made with all on the way where it is missing; one that
    is there stays as it is.

    Raises:
        OSError: If it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def remove_folder(folder: Path, *names: str) -> None:
    """Remove a folder below another one and all in it; links in it are removed, not followed.
    Nothing happens where there is none.

    Raises:
        MedFunctaError: As :func:`place`.
        OSError: If it cannot be removed.
    """
    path = place(folder, *names)
    if path.exists():
        shutil.rmtree(path)


def remove_file(folder: Path, *names: str) -> None:
    """Remove a file below a folder, where it is there.

    Raises:
        MedFunctaError: As :func:`place`.
        OSError: If it cannot be removed.
    """
    place(folder, *names).unlink(missing_ok=True)


def move(old: Path, folder: Path, *names: str) -> None:
    """Give a file or folder its place below a folder; a file that is there is replaced.

    Raises:
        MedFunctaError: As :func:`place`.
        OSError: If it cannot be moved.
    """
    old.replace(place(folder, *names))


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A new folder inside another one, to fill and to move from; what is left in it is removed.

    Raises:
        OSError: If it cannot be made.
    """
    make_folder(folder)
    with TemporaryDirectory(prefix=TEMPORARY, dir=folder) as name:
        yield Path(name)


def create_private(folder: Path, name: str, text: str) -> None:
    """A file that only the user can read, unless there is one by this name; two processes that do
    this at once agree on one of theirs.

    Raises:
        MedFunctaError: As :func:`place`.
        OSError: If it cannot be made.
    """
    path = place(folder, name)
    with fresh_folder(folder) as beside:
        made = beside / name
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(made, path)


def remove_empty(folder: Path, *names: str) -> None:
    """Remove a folder below another one where nothing is in it.

    Raises:
        MedFunctaError: As :func:`place`.
    """
    with suppress(OSError):  # which any other is answered with
        place(folder, *names).rmdir()


def open_to_append(folder: Path, *names: str) -> TextIO:
    """A text file below a folder that lines are added to; it is never opened through a link.

    Raises:
        MedFunctaError: As :func:`place`.
        OSError: If it cannot be opened.
    """
    return os.fdopen(_appending(folder, names), "a", newline="", encoding="utf-8")


def open_to_append_bytes(folder: Path, *names: str) -> BinaryIO:
    """As :func:`open_to_append`, for bytes.

    Raises:
        MedFunctaError: As :func:`place`.
        OSError: If it cannot be opened.
    """
    return os.fdopen(_appending(folder, names), "ab")


def _appending(folder: Path, names: Sequence[str]) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.open(place(folder, *names), flags, 0o666)
