"""Which texts name an object store, and what is said when one does not answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from medfuncta._src.door.files import reason
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import ConfigError, MedFunctaError, missing_extra

STORES: Final = ("s3", "gs", "gcs", "az", "abfs", "abfss", "memory")
"""Protocols of fsspec that are taken; others unpack archives, chain caches or run commands."""
_FILE: Final = "file"
_FORM: Final = re.compile(rf"({'|'.join((*STORES, _FILE))}):/+(.*)", re.DOTALL)
"""A path that was made of an address has one slash left of two."""
_ANY_FORM: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""Not a drive of Windows, which has one letter."""
_NAME: Final = 60
_SAID: Final = 120


def address_of(text: Path | str) -> str | None:
    """The address in an object store that a text names; None for a path of this machine.

    >>> address_of("s3:/bucket/set"), address_of("s3://bucket/set/"), address_of("file:///data/set")
    ('s3://bucket/set', 's3://bucket/set', None)
    """
    found = _FORM.fullmatch(str(text))
    if found is None or found[1] == _FILE:
        return None
    return f"{found[1]}://{found[2].rstrip('/')}"


def local_path(text: Path | str) -> Path:
    """The path of this machine that a text names, which may begin with ``file://``.

    >>> local_path("file:///data/set").as_posix(), local_path("data/set").as_posix()
    ('/data/set', 'data/set')
    """
    found = _FORM.fullmatch(str(text))
    if found is not None and found[1] == _FILE:
        return Path("/", found[2])
    return Path(text)


def check_place(text: Path | str) -> None:
    """Refuse the address of a store that nobody knows as a place to write to, which would become a
    folder of that name.

    Raises:
        ConfigError: If it is one.
    """
    found = _ANY_FORM.match(str(text))
    if found is not None and found[1] not in (*STORES, _FILE):
        raise ConfigError(
            f"no store '{shortened(found[1], _NAME)}://'; expected a path, file://, or one of "
            f"{', '.join(STORES)}"
        )


def name_of(address: str) -> str:
    """The last part of an address: a path may name people."""
    return address.rstrip("/").rpartition("/")[2]


def store_of(address: str) -> tuple[Any, str]:
    """The file system of fsspec and the path in it; its settings are those of the environment.

    Raises:
        MedFunctaError: If a package is missing, or there is no such store.
    """
    try:
        import fsspec
    except ImportError as error:
        raise missing_extra("fsspec", "remote") from error
    protocol = address.partition(":")[0]
    try:
        # what was listed once may have changed
        store = fsspec.filesystem(protocol, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        said = shortened(reason(error), _SAID)
        raise MedFunctaError(
            f"{protocol}:// needs a package that is not installed ({said}); run: pip install "
            "'medfuncta[remote]' for s3, gcsfs for gs, adlfs for az"
        ) from error
    except Exception as error:
        raise _unreachable(address, error) from error
    return store, store._strip_protocol(address)


@contextmanager
def store_told(address: str) -> Iterator[None]:
    """Within, what a store says is told in one line.

    Raises:
        MedFunctaError: In place of any other error.
    """
    at = f"'{shortened(name_of(address), _NAME)}' ({address.partition(':')[0]}://)"
    try:
        yield
    except MedFunctaError:
        raise
    except FileNotFoundError as error:
        raise MedFunctaError(f"there is no {at}; check the address") from error
    except PermissionError as error:
        raise MedFunctaError(
            f"you may not read or write {at}; check the address and your credentials"
        ) from error
    except Exception as error:  # those of the store's client and of the network below it
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> MedFunctaError:
    said = shortened(reason(error), _SAID)
    return MedFunctaError(
        f"the store of '{shortened(name_of(address), _NAME)}' did not answer ({said}); check the "
        "connection, the address and your credentials, and run it again"
    )
