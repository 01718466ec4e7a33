"""From this machine to an object store: a folder is made here and copied when it is whole, with the
file that tells a reader of it last, so that nobody ever finds half of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medfuncta._src.disk.places import (
    file_name,
    make_folder,
    make_private_folder,
    place,
    remove_folder,
)
from medfuncta._src.disk.refusals import disk_told
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import ConfigError
from medfuncta._src.remote.address import (
    address_of,
    check_place,
    local_path,
    name_of,
    store_of,
    store_told,
)
from medfuncta._src.remote.fetching import cache_folder

_WAITING = "out"
"""The folder of the caches where folders are made."""


@contextmanager
def published(out: Path | str, last: Sequence[str]) -> Iterator[Path]:
    """A folder to fill, which is then copied to where it belongs.

    What is to lie in an object store is made in the user's folder of caches, always in the same
    place for one address, so that work that was stopped goes on; it is removed there when all of
    it has been copied. A path of this machine stays what it is.

    Args:
        out: An address such as ``s3://bucket/folder``, or a path.
        last: The files that tell a reader that all others are there; the very last one last.

    Raises:
        ConfigError: If there is such a folder in the store already, or no store of that kind.
        MedFunctaError: If a package is missing, or the store does not take it.
    """
    check_place(out)
    address = address_of(out)
    if address is None:
        yield local_path(out)
        return
    store, path = store_of(address)
    with store_told(address):
        taken = store.exists(f"{path}/{last[-1]}")
    if taken:
        raise ConfigError(
            f"'{shortened(name_of(address), 60)}' is in the store already; give a new address"
        )
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    with disk_told("the cache of what is to be copied"):
        make_private_folder(cache_folder())
        waiting = make_folder(cache_folder(), _WAITING, digest)
    folder = place(waiting, file_name(name_of(address)))
    yield folder
    for name in _in_turn(folder, last):
        with store_told(address):
            store.put_file(str(place(folder, *name.split("/"))), f"{path}/{name}")
    remove_folder(cache_folder(), _WAITING, digest)


def _in_turn(folder: Path, last: Sequence[str]) -> list[str]:
    """The names of all files of a folder but hidden ones, those that tell of the others at the
    end."""
    names = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if path.is_file() and not hidden and name not in last:
            names.append(name)
    return [*names, *(name for name in last if place(folder, name).is_file())]
