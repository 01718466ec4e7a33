"""Files that others wrote: opened, held against limits, and decoded.

A file is opened only if it is a regular one; its size, nesting and texts have limits
(:mod:`medfuncta._src.door.limits`); what it says becomes a declared type
(:mod:`medfuncta._src.door.declared`, which says why by msgspec). What is wrong is said in one line:
what was got, what was expected, and what to do.

A link must not lead out of the folder that a user named (``within``): a stranger's folder could
name a private file of whoever opens it. Within it links are followed, and so are those of Hugging
Face's cache and of DataLad, which lay downloads so; a user may allow others
(:mod:`medfuncta._src.door.allowance`). What a user names by itself may be a link. A key that a file
has twice counts as it stands last, as with every common reader of JSON.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from medfuncta._src.door.allowance import allowance
from medfuncta._src.door.declared import Fault, check_plain
from medfuncta._src.door.limits import (
    MAX_JSON_BYTES,
    MAX_TEXT,
    MAX_TOML_BYTES,
    MAX_TOML_LINE,
)
from medfuncta._src.door.wording import shortened, shown
from medfuncta._src.errors import MedFunctaError

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDERS: Final = re.compile(
    r"(?<=')[^']*[\\/]|(?<=\")[^\"]*[\\/]|(?:[A-Za-z]:)?[\\/]?(?:[^\\/\s'\"]+[\\/])+"
)
"""Folders of a path: quoted ones, and others without spaces."""


@dataclass(frozen=True)
class Origin:
    """Whose content is read, and how a mistake in it is told.

    Args:
        name: The file in a person's words, without its folder: ``field.json in 'run'``.
        error: The class of the error.
        remedy: What to do about a damaged one.
        missing: The whole line for one that is not there.
    """

    name: str
    error: type[MedFunctaError]
    remedy: str
    missing: str = ""

    def fault(self, said: object) -> MedFunctaError:
        """The error that says this of the file's content."""
        return self.error(f"{self.name} is damaged ({shortened(str(said))}); {self.remedy}")

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Within, what is said of a value is said of this file."""
        try:
            yield
        except MedFunctaError as error:
            raise self.fault(error) from error


@contextmanager
def open_regular(path: Path, origin: Origin, within: Path | None = None) -> Iterator[BinaryIO]:
    """A file for reading, once it is known to be a regular one; nothing waits for a pipe.

    Args:
        path: The file.
        origin: How a mistake is told.
        within: The folder that a user named and that it must lie in, links followed
            (:func:`lies_outside`); None when the user named the file itself.

    Raises:
        MedFunctaError: Of the class of ``origin``, if it is missing, something else or elsewhere.
    """
    if within is not None:
        _check_inside(path, within, origin)
    try:
        handle = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise _unopened(error, origin) from error
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise origin.error(f"{origin.name} is {_what(mode)}; expected a file; {origin.remedy}")
    with os.fdopen(handle, "rb") as file:
        try:
            yield file
        except OSError as error:
            raise origin.fault(reason(error)) from error


def check_regular(path: Path, origin: Origin, within: Path | None = None) -> int:
    """The size in bytes of a file that a library is about to open by its name.

    Raises:
        MedFunctaError: As :func:`open_regular`.
    """
    with open_regular(path, origin, within) as file:
        return os.fstat(file.fileno()).st_size


def lies_outside(path: Path, folder: Path) -> bool:
    """Whether a path, links followed, leads out of a folder that a user named, and that is not
    allowed.

    A link may lead to the ``blobs`` beside the ``snapshots`` in which Hugging Face keeps downloads,
    and to the store of files in the DataLad data set (``.git/annex/objects``) that the folder is a
    part of.
    """
    target, root = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    if target.is_relative_to(root) or allowance().links:
        return False
    if target.parent.name == "blobs" and root.is_relative_to(target.parents[1] / "snapshots"):
        return False
    stores = [up / ".git" / "annex" / "objects" for up in (root, *root.parents)]
    return not any(target.is_relative_to(store) for store in stores)


def is_utf8(path: Path) -> bool:
    """Whether all of a path is UTF-8, without which some libraries open nothing."""
    try:
        str(path.absolute()).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_inside(path: Path, folder: Path, origin: Origin) -> None:
    """Raise where a link leads out of the folder."""
    if lies_outside(path, folder):
        raise origin.error(
            f"{origin.name} is a link that leaves its folder; copy the file itself to its place, "
            "or give --follow-links"
        )


def _unopened(error: OSError | ValueError, origin: Origin) -> MedFunctaError:
    said = reason(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if origin.missing:
            return origin.error(origin.missing)
        said = "there is no such file"
    elif isinstance(error, OSError) and error.errno == errno.ELOOP:
        said = "it is a link to itself"
    elif isinstance(error, OSError) and error.errno in (errno.ENXIO, errno.ENODEV):
        said = "it is a socket or a device"
    return origin.error(f"{origin.name} cannot be read: {said}; {origin.remedy}")


def _what(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a device"


def read_bytes(
    path: Path, origin: Origin, *, limit: int = MAX_JSON_BYTES, within: Path | None = None
) -> bytes:
    """A file as a whole.

    Raises:
        MedFunctaError: As :func:`open_regular`, or if it has more than ``limit`` bytes.
    """
    with open_regular(path, origin, within) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise origin.fault(f"it has {size:,} bytes; expected at most {limit:,}")
        return file.read(size)


def read_json(
    path: Path, origin: Origin, *, limit: int = MAX_JSON_BYTES, within: Path | None = None
) -> dict[str, Any]:
    """The object in a JSON file, as plain data.

    Raises:
        MedFunctaError: As :func:`read_bytes`, or if it is not JSON or not an object.
    """
    content = read_bytes(path, origin, limit=limit, within=within)
    with origin.blamed():
        data = decode_json(content)
        if not isinstance(data, dict):
            raise Fault("", f"is {shown(data)}; expected an object")
    return data


def read_toml(path: Path, origin: Origin) -> dict[str, Any]:
    """The content of a TOML file, as plain data.

    Raises:
        MedFunctaError: As :func:`read_bytes`, or if it is not TOML.
    """
    content = read_bytes(path, origin, limit=MAX_TOML_BYTES)
    try:
        text = _as_utf8(content)
        longest = max(map(len, text.splitlines()), default=0)
        if longest > MAX_TOML_LINE:
            raise Fault("", f"has a line of {longest:,} characters")
        data = tomllib.loads(text)
        check_plain(data)
    except (RecursionError, ValueError, Fault) as error:
        said = shortened(said_of_json(error))
        raise origin.error(f"{origin.name} is not a TOML file: {said}; {origin.remedy}") from error
    return data


def decode_json(content: bytes | str) -> Any:
    """JSON text as plain data.

    Raises:
        Fault: If it is something else, or beyond the limits of nesting, texts and numbers.
    """
    try:
        text = _as_utf8(content) if isinstance(content, bytes) else content
        data = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:  # msgspec's errors and those of UTF-8 are such
        raise Fault("", f"is not JSON: {said_of_json(error)}") from error
    check_plain(data)
    return data


def decode_short(text: str, kind: Any, place: str) -> Any:
    """Short JSON text of a known type in one step, for columns of many such texts.

    Raises:
        Fault: If it is something else.
    """
    if len(text) > MAX_TEXT:
        raise Fault(place, f"has {len(text):,} characters; expected at most {MAX_TEXT:,}")
    try:
        return msgspec.json.decode(text, type=kind)
    except (ValueError, RecursionError) as error:
        raise Fault(place, f"is damaged: {said_of_json(error)}") from error


def _as_utf8(content: bytes) -> str:
    """Bytes as text.

    Raises:
        ValueError: If it is of another encoding.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is UTF-16; save it as UTF-8")
    if content.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte order mark; save it as UTF-8 without one")
    return content.decode("utf-8")


def said_of_json(error: Exception) -> str:
    """What msgspec, or a reader of text, found wrong."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return reason(error).removeprefix("JSON is malformed: ").replace("`", "'")


def reason(error: BaseException) -> str:
    """What a library said of a broken file: the first line, file names without their folders; the
    exception's name when it said nothing.

    >>> reason(ValueError("cannot parse '/home/jane doe/a.nii'; sorry"))
    "cannot parse 'a.nii'; sorry"
    """
    text = (isinstance(error, OSError) and error.strerror) or str(error).strip()
    return _FOLDERS.sub("", text.splitlines()[0]) if text else type(error).__name__
