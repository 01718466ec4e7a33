"""What every command has in common."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import chain
from types import UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin

import tyro
from msgspec import Meta

from medfuncta.cli.terminal import safe_lines
from medfuncta.door.declared import Fault, check_plain, convert, hints_of
from medfuncta.door.wording import bare, members, remedy, shown
from medfuncta.errors import ConfigError
from medfuncta.result import to_json
from medfuncta.settings import parse_assignments

Number = TypeVar("Number", int, float)

Count: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]
"""How many signals, neighbours, ... there are at the most."""
Epochs: TypeAlias = Annotated[int, Meta(ge=1, le=10**6)]
"""Passes over the training split."""
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=10**9)]
"""A time budget."""
Seed: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""Of random draws."""
Assignments = Annotated[list[tuple[str, ...]], tyro.conf.UseAppendAction]
"""Settings as section.name=value, several behind one flag, the flag as often as one likes:
``--set a.b=1 c.d=2 --set e.f=3``."""


@dataclass(kw_only=True)
class Command(ABC):
    """Options of every command; a subclass adds its own, each with a docstring that becomes its
    help text."""

    json: bool = False
    """Print the result as one JSON object on standard output; progress goes to standard error
    either way."""

    def __post_init__(self) -> None:
        """Hold every number to the bounds that its option declares.

        Raises:
            ConfigError: At the first that is not in them.
        """
        for name, kind in hints_of(type(self)).items():
            if not numbers_in(kind):
                continue
            value = getattr(self, name)
            flag = _flag(name, kind)
            try:
                check_plain(value)
                convert(value, kind, flag)
            except Fault:
                said = f"is {_quoted(value)}; {remedy(value, _in_words(kind), written=True)}"
                raise ConfigError(f"{flag} {said}") from None

    @abstractmethod
    def run(self) -> Any:
        """Do the work and give the result, a :class:`medfuncta.result.Result` or plain data."""

    def summary(self, result: Any) -> str:
        """The result for a person, printed on standard output without ``--json``."""
        return "\n".join(f"{key}: {value}" for key, value in to_json(result).items())

    def print_result(self, result: Any) -> None:
        """Print what :meth:`run` gave, as a person or a program wants it."""
        if self.json:
            text = json.dumps(to_json(result), allow_nan=False)
        else:
            text = safe_lines(self.summary(result), emphasis=sys.stdout.isatty())
        sys.stdout.write(text + "\n")


def assigned(assignments: Assignments) -> dict[str, Any]:
    """The settings by section and name.

    Raises:
        ConfigError: If one is not of the form section.name=value.
    """
    return parse_assignments(chain.from_iterable(assignments))


def given(**options: object) -> dict[str, object]:
    """The options that were given: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def _quoted(value: object) -> str:
    """A value as it was typed."""
    if isinstance(value, tuple):
        return " ".join(map(shown, value))
    return shown(value)


def _in_words(kind: Any) -> Any:
    """The number that an option holds, or that each of several is."""
    return numbers_in(kind)[0]


def _flag(name: str, kind: Any) -> str:
    """What an option is called on the command line: the short one where there is one."""
    for extra in get_args(kind)[1:]:
        short = [alias for alias in getattr(extra, "aliases", None) or () if alias[1] != "-"]
        if short:
            return short[0]
    return f"--{name.replace('_', '-')}"


def numbers_in(kind: Any) -> list[Any]:
    """The whole and other numbers that an option's type may hold, each with its bounds."""
    found = []
    for member in members(kind)[1]:
        plain = bare(member)
        if plain in (int, float):
            found.append(member)
        elif get_origin(plain) in (tuple, list):
            found += numbers_in(get_args(plain)[0])
        elif get_origin(plain) in (Union, UnionType):
            found += numbers_in(plain)
    return found


def numbers(flag: str, text: str, kind: type[Number], axes: int = 0) -> list[Number]:
    """The numbers of ``128,128,64``, one an axis.

    Args:
        flag: What they were given as.
        text: The numbers.
        kind: ``int`` or ``float``.
        axes: How many are asked for; a single number is then that of every axis.

    Raises:
        ConfigError: If they are not positive numbers separated by commas.
    """
    try:
        result = [kind(part) for part in text.split(",")]
    except ValueError:
        result = []
    if not result or not all(0 < number < float("inf") for number in result):
        raise ConfigError(
            f"--{flag} is '{text}'; expected positive numbers separated by commas, one an axis"
        )
    if len(result) == 1:
        return result * max(1, axes)
    return result
