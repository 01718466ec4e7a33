"""From an object store to this machine: a folder or file is copied once and read from then on
through the one door of what lies on the disk.

A copy lies in the user's folder of caches under a digest of its address and of what the store says
of every file (sizes, tags, times): a copy never changes, and of what has changed there is another.
Files get their names when they are whole and of the size that the store states, so that several
processes may fetch the same at once, and a download that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from medfuncta._src.disk.places import (
    file_name,
    fresh_folder,
    make_folder,
    make_private_folder,
    move,
    place,
)
from medfuncta._src.disk.refusals import disk_told
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import ConfigError, MedFunctaError
from medfuncta._src.remote.address import address_of, local_path, name_of, store_of, store_told

_TAGS: Final = ("ETag", "etag", "md5Hash", "LastModified", "updated", "mtime", "created", "version")
"""What stores say of a file that changes with it."""
_MOST_FILES: Final = 2_000_000
_AT_ONCE: Final = 64
"""Files of one request."""
_GIB: Final = 2**30

Limits = Callable[[str], int | None]
"""The most bytes that a file of this name may have; None for one that is not wanted."""


@dataclass(frozen=True)
class _File:
    """A file of a store.

    Args:
        path: There.
        parts: Its name below what was asked for.
        size: In bytes.
        tag: Changes with it.
    """

    path: str
    parts: Sequence[str]
    size: int
    tag: str


def fetched(where: Path | str, limits: Limits | None = None) -> Path:
    """The path on this machine of a file or folder, copied from an object store where it lies in
    one and was not copied before.

    Of a file, those beside it whose names begin as its own does come with it, such as a header's
    samples.

    Args:
        where: An address such as ``s3://bucket/folder``, or a path, which stays what it is.
        limits: Which files are wanted; all when None.

    Raises:
        MedFunctaError: If a package is missing, the store does not answer, there is nothing, it
            asks for more room than there is, or a file is larger than its limit or arrives with
            another size than the store states.
    """
    address = address_of(where)
    if address is None:
        return local_path(where)
    store, path = store_of(address)
    name = _plain(name_of(address))
    with store_told(address):
        files, is_folder = _listed(store, path, limits)
    if not files:
        raise MedFunctaError(
            f"there is no file that is wanted in '{shortened(name, 60)}'; check the address"
        )
    with disk_told("the cache of downloads"):
        make_private_folder(cache_folder())
    entry = place(cache_folder(), file_name(f"{_digest([address])}-{_state(files)}"))
    root = place(entry, name) if is_folder else entry
    with disk_told("the cache of downloads"):
        make_folder(root)
        missing = [file for file in files if not _is_there(root, file)]
        _check_room(root, missing)
        for begin in range(0, len(missing), _AT_ONCE):
            _copy(store, address, missing[begin : begin + _AT_ONCE], root)
    return place(entry, name)


def cache_folder() -> Path:
    """Where copies are kept; it may be removed at any time.

    Raises:
        ConfigError: If the user has no folder for it.
    """
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        home = Path(named) if named else Path.home() / ".cache"
    except RuntimeError as error:
        raise ConfigError(
            "there is no home folder for copies of remote files; name one with XDG_CACHE_HOME"
        ) from error
    return home.absolute() / "medfuncta" / "remote"


def _listed(store: Any, path: str, limits: Limits | None) -> tuple[list[_File], bool]:
    """The wanted files, and whether what was asked for is a folder.

    Raises:
        MedFunctaError: If there are too many, or one is too large.
    """
    is_folder = not store.isfile(path)
    base = path if is_folder else path.rpartition("/")[0]
    found: Mapping[str, Mapping[str, Any]]
    if is_folder:
        found = store.find(path, detail=True)
    else:
        stem = path.rpartition("/")[2].split(".")[0]
        beside = store.ls(base, detail=True)
        found = {
            info["name"]: info
            for info in beside
            if info["type"] == "file" and info["name"].rpartition("/")[2].startswith(stem)
        }
    if len(found) > _MOST_FILES:
        raise MedFunctaError(f"there are {len(found):,} files; expected at most {_MOST_FILES:,}")
    files = []
    for full, info in sorted(found.items()):
        file = _file_of(full, base, info, limits)
        if file is not None:
            files.append(file)
    return files, is_folder


def _file_of(full: str, base: str, info: Mapping[str, Any], limits: Limits | None) -> _File | None:
    """What is to be known of a file; None where it is not wanted."""
    relative = full.removeprefix(base.rstrip("/") + "/").strip("/")
    if not relative:
        return None
    size = int(info.get("size") or 0)
    if limits is not None:
        most = limits(relative)
        if most is None:
            return None
        if size > most:
            raise MedFunctaError(
                f"{shortened(relative, 60)} has {size:,} bytes; expected at most {most:,}"
            )
    tags = {tag: str(info[tag]) for tag in _TAGS if tag in info}
    return _File(full, [_plain(part) for part in relative.split("/")], size, json.dumps(tags))


def _plain(name: str) -> str:
    """A name that is one below a folder: an object store allows any.

    Raises:
        MedFunctaError: If it would lead elsewhere.
    """
    place(Path(), name)
    return name


def _state(files: Sequence[_File]) -> str:
    return _digest([[file.parts, file.size, file.tag] for file in files])


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]


def _is_there(root: Path, file: _File) -> bool:
    path = place(root, *file.parts)
    return path.is_file() and path.stat().st_size == file.size


def _check_room(root: Path, files: Sequence[_File]) -> None:
    needed = sum(file.size for file in files)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise MedFunctaError(
            f"a copy of it takes {needed / _GIB:,.1f} GiB and {free / _GIB:,.1f} GiB are free; "
            "free some room, or name another folder of caches with XDG_CACHE_HOME"
        )


def _copy(store: Any, address: str, files: Sequence[_File], root: Path) -> None:
    """Copy files side by side, and give them their names when they are whole.

    Raises:
        MedFunctaError: If one is not of the size that the store states.
    """
    with fresh_folder(root.parent) as beside:
        copies = [place(beside, str(number)) for number in range(len(files))]
        with store_told(address):
            store.get([file.path for file in files], [str(copy) for copy in copies])
        for file, copy in zip(files, copies, strict=True):
            got = copy.stat().st_size
            if got != file.size:
                raise MedFunctaError(
                    f"{shortened(file.parts[-1], 60)} arrived with {got:,} bytes; expected "
                    f"{file.size:,}; run it again"
                )
            folder = root
            if len(file.parts) > 1:
                folder = make_folder(root, *file.parts[:-1])
            move(copy, folder, file.parts[-1])
