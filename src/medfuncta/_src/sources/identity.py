"""Names of signals that are safe to publish.

A file's name, a record's or a patient's number would name a person. A signal is called by a digest
of it, and since all numbers of a hospital can be tried, the digest has a key: 256 random bits that
are made once and stay with the user, in ``medfuncta/id.key`` of the folder of settings
(``~/.config``) or where ``MEDFUNCTA_ID_KEY`` says. One key gives one source the same ids every
time; people who are to get the same ids share the file. No run and no set holds it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from functools import cache
from pathlib import Path
from typing import Final, Literal

from medfuncta._src.disk.places import create_private
from medfuncta._src.door.files import Origin, read_bytes
from medfuncta._src.errors import ConfigError

Ids = Literal["hash", "names"]
"""Whether signals are named by a digest of the file's name (it may be a patient's identifier) or by
the name itself."""

KEY_VARIABLE: Final = "MEDFUNCTA_ID_KEY"
"""Environment variable: the file with the key; or ``none`` for the digests of earlier versions,
which anyone can compute, to go on with what they have made."""
_NO_KEY: Final = "none"
_DIGITS: Final = 12
_LEAST: Final = 32
"""Characters of a key."""
_MOST: Final = 4096


def public_name(name: str, ids: Ids) -> str:
    """A file's name as part of a signal's id: 12 digits of its digest under the user's key, or the
    name itself.

    Raises:
        ConfigError: If the key cannot be read or made, or others can read it.
    """
    if ids == "names":
        return name
    where = os.environ.get(KEY_VARIABLE, "")
    if where == _NO_KEY:
        return group_name(name)
    key = _key(where or str(default_key_place()))
    digest = hmac.new(key, name.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return digest.hexdigest()[:_DIGITS]


def key_fingerprint() -> str:
    """A digest that tells one user's key from another's and gives neither away; ``""`` where no key
    was needed so far.

    Raises:
        ConfigError: As :func:`public_name`.
    """
    where = os.environ.get(KEY_VARIABLE, "")
    if where == _NO_KEY:
        return _NO_KEY
    place = where or str(default_key_place())
    if not Path(place).expanduser().absolute().exists():
        return ""
    return hmac.new(_key(place), b"fingerprint of the key", hashlib.sha256).hexdigest()[:_DIGITS]


def group_name(name: str) -> str:
    """A patient's number as the name of a group: the same for everybody, so that splits are. It
    leaves the program with no run and no set."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def default_key_place() -> Path:
    """Where the key lies when nothing else is said.

    Raises:
        ConfigError: If the user has no folder for it.
    """
    settings = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    try:
        home = Path(settings) if settings else Path.home() / ".config"
    except RuntimeError as error:
        raise ConfigError(f"there is no home folder for the key of ids; {_REMEDY}") from error
    return home / "medfuncta" / "id.key"


_REMEDY: Final = f"name a file for it with {KEY_VARIABLE}, or give ids=names"


@cache
def _key(where: str) -> bytes:
    """The key in a file, which is made when it is missing."""
    path = Path(where).expanduser().absolute()
    if not path.exists():
        try:
            create_private(path.parent, path.name, f"{secrets.token_hex(32)}\n")
        except OSError as error:
            said = error.strerror or type(error).__name__
            raise ConfigError(f"cannot keep the key of ids: {said}; {_REMEDY}") from error
    origin = Origin(f"the key of ids {path.name}", ConfigError, _REMEDY)
    key = read_bytes(path, origin, limit=_MOST).strip()
    if len(key) < _LEAST:
        raise origin.fault(f"it has {len(key)} characters; expected at least {_LEAST}")
    if os.name == "posix" and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ConfigError(
            f"everybody can read the key of ids {path.name}; make it private with chmod 600"
        )
    return key
