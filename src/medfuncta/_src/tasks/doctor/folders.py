"""The folders of a user that the package keeps something in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medfuncta._src.field.siren.native import cache_home
from medfuncta._src.result import Result
from medfuncta._src.sources.identity import default_key_place

_VARIABLES: Final = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "APPDATA")


@dataclass(frozen=True)
class Folder(Result):
    """A folder of the user's.

    Args:
        holds: What the package keeps there.
        path: Where it is, from the home folder or a variable on, which say nothing of the user;
            None where the user has no home folder.
        files: How many files it has, those of its folders included.
        bytes: Of all of them together.
    """

    holds: str
    path: str | None
    files: int
    bytes: int


def folders() -> list[Folder]:
    """Each of them, whether it is there or not."""
    return [
        _folder("caches", lambda: cache_home() / "medfuncta"),
        _folder("settings", lambda: default_key_place().parent),
    ]


def _folder(holds: str, where: Callable[[], Path]) -> Folder:
    from medfuncta._src.errors import ConfigError

    try:
        path = where()
    except (RuntimeError, ConfigError):  # no home folder
        return Folder(holds, None, 0, 0)
    files = size = 0
    for folder, _, names in os.walk(path):
        for name in names:
            files += 1
            size += Path(folder, name).lstat().st_size
    return Folder(holds, without_names(path), files, size)


def without_names(path: Path) -> str:
    """A path without what stands before the user's home folder or the folder that a variable
    names, either of which may hold the user's name.

    >>> without_names(Path.home() / ".cache" / "medfuncta")
    '~/.cache/medfuncta'
    """
    starts = [(f"${name}", os.environ[name]) for name in _VARIABLES if os.environ.get(name)]
    starts.append(("~", str(Path.home())))
    for short, start in starts:
        if path.is_relative_to(Path(start).absolute()):
            return Path(short, path.relative_to(Path(start).absolute())).as_posix()
    return path.name


def home_as_tilde(text: str) -> str:
    """A text of the system's in which the user's home folder has no name."""
    try:
        return text.replace(str(Path.home()), "~")
    except RuntimeError:  # there is none
        return text
