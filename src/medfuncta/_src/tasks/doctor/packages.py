"""Which packages are installed, as far as this one has to do with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

from medfuncta._src.result import Result

_PACKAGE: Final = "medfuncta"
_NOT_SHOWN: Final = {"test", "docs", "dev", "all"}
"""Extras for developers, and the one that is all others together."""
_NAME: Final = re.compile(r"[\w.-]+")
_EXTRA: Final = re.compile(r"""extra == ['"]([\w-]+)['"]""")


@dataclass(frozen=True)
class Package(Result):
    """A package, installed or not.

    Args:
        name: What it is called where it is installed from.
        version: None where it is missing.
    """

    name: str
    version: str | None


@dataclass(frozen=True)
class Extra(Result):
    """What an extra brings.

    Args:
        name: Of the extra.
        packages: Its packages.
        command: What installs the missing ones; None where there are none.
    """

    name: str
    packages: Sequence[Package]
    command: str | None


def needed_packages() -> list[Package]:
    """This package and those that it cannot do without."""
    needed = [name for name, extra in _requirements() if extra is None]
    return [_package(name) for name in [_PACKAGE, *needed]]


def extras() -> list[Extra]:
    """Every extra for users that names packages of its own, in the order of their declaration."""
    brought: dict[str, list[Package]] = {}
    for name, extra in _requirements():
        if extra is not None and extra not in _NOT_SHOWN and name != _PACKAGE:
            brought.setdefault(extra, []).append(_package(name))
    found = []
    for extra, packages in brought.items():
        command = None
        if any(package.version is None for package in packages):
            command = f"pip install '{_PACKAGE}[{extra}]'"
        found.append(Extra(extra, packages, command))
    return found


def _requirements() -> Iterator[tuple[str, str | None]]:
    """The packages that this one names, each with the extra that brings it."""
    for line in requires(_PACKAGE) or ():
        name = _NAME.match(line)
        extra = _EXTRA.search(line)
        if name is not None:
            yield name[0], extra[1] if extra else None


def _package(name: str) -> Package:
    try:
        return Package(name, version(name))
    except PackageNotFoundError:
        return Package(name, None)
