"""What every command has in common."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, TypeVar

import tyro

from medfuncta.cli.terminal import safe_lines
from medfuncta.errors import ConfigError
from medfuncta.result import to_json
from medfuncta.settings import parse_assignments

Number = TypeVar("Number", int, float)

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


def check_positive(**options: int) -> None:
    """Raise unless every option, named as on the command line, is at least 1.

    Raises:
        ConfigError: If one is not.
    """
    for name, value in options.items():
        if value < 1:
            raise ConfigError(f"--{name} is {value}; expected at least 1")


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
