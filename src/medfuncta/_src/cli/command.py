"""What every command has in common."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

import tyro

from medfuncta._src.cli.terminal import say
from medfuncta._src.disk.lock import writing
from medfuncta._src.door.allowance import COMMAND_GIB, SIGNAL_GIB, allowing
from medfuncta._src.door.declared import Fault, check_plain, convert, hints_of
from medfuncta._src.door.limits import Gibibytes, Processes
from medfuncta._src.door.wording import bare, members, remedy, shown
from medfuncta._src.errors import ConfigError
from medfuncta._src.process import Stop
from medfuncta._src.result import to_json
from medfuncta._src.settings import parse_assignments

Number = TypeVar("Number", int, float)

GOES_ON: Final = "finished work is kept; start the same command again to go on"
"""What is said of a command that was stopped and whose next start goes on where it was."""
Assignments = Annotated[list[tuple[str, ...]], tyro.conf.UseAppendAction]
"""Settings as section.name=value, several behind one flag, the flag as often as one likes:
``--set a.b=1 c.d=2 --set e.f=3``."""

Workers = Annotated[Processes | None, tyro.conf.arg(metavar="N")]
"""How many processes work side by side."""
Cluster = Annotated[str | None, tyro.conf.arg(metavar="local|ray[:ADDRESS]")]
"""Where they run."""


@dataclass(kw_only=True)
class Command(ABC):
    """Options of every command; a subclass adds its own, each with a docstring that becomes its
    help text."""

    json: bool = False
    """Print the result as one JSON object on standard output; progress goes to standard error
    either way."""
    signal_budget: Gibibytes = SIGNAL_GIB
    """GiB of memory that one signal may ask for. A file whose signal claims or unpacks to more is
    refused before memory is given, unless it takes less than eight times its bytes on the disk."""
    command_budget: Gibibytes = COMMAND_GIB
    """GiB of memory that all signals of a split, or an array as a whole, may ask for in the same
    way; up to 32 times the bytes of their files is always allowed."""
    follow_links: bool = False
    """Read files outside of the folders that were named, where links in them lead there."""

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Within, files may ask for what the options say."""
        with allowing(
            signal_gib=self.signal_budget,
            command_gib=self.command_budget,
            links=self.follow_links,
        ):
            yield

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

    def when_stopped(self) -> str:
        """What is left when a person or a batch system stops the command, and how to go on."""
        return "every file that was written is whole; start the same command again"

    def code_when_stopped(self, stop: Stop) -> int:
        """The exit code when a person or a batch system stops the command.

        Args:
            stop: Who did.
        """
        return stop.exit_code

    def may_tell(self, *, stopped: bool) -> bool:
        """Whether this process says how the command has ended, where several do it together.

        Args:
            stopped: Whether somebody has stopped it; else it has failed.
        """
        del stopped
        return True

    @abstractmethod
    def run(self) -> Any:
        """Do the work and give the result, a :class:`~medfuncta._src.result.Result` or data."""

    def answer(self) -> Any:
        """As :meth:`run`, with the folder of the report held from the start: what cannot be written
        is known before the work, and nobody else writes there meanwhile.

        Raises:
            MedFunctaError: If it cannot be written, or another process writes there.
        """
        folder = self._report_folder()
        if folder is None:
            return self.run()
        with writing(folder):
            return self.run()

    def _report_folder(self) -> Path | None:
        """What ``--out`` names where a command can do without it; elsewhere it is no report, and
        whoever writes it holds it."""
        for field in fields(self):
            if field.name == "out" and field.default is None:
                return getattr(self, field.name)
        return None

    def summary(self, result: Any) -> str:
        """The result for a person, printed on standard output without ``--json``."""
        return "\n".join(f"{key}: {value}" for key, value in to_json(result).items())

    def print_result(self, result: Any) -> None:
        """Print what :meth:`run` gave, as a person or a program wants it."""
        if self.json:
            say(json.dumps(to_json(result), allow_nan=False))
        else:
            say(self.summary(result))


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
