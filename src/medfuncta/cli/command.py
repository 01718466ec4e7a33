"""What every command has in common."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import tyro

from medfuncta.declared import printable
from medfuncta.settings import parse_assignments

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
    def run(self) -> dict[str, Any]:
        """Do the work and give the result as plain data, ready for JSON."""

    def summary(self, result: dict[str, Any]) -> str:
        """The result for a person, printed on standard output without ``--json``."""
        return "\n".join(f"{key}: {value}" for key, value in result.items())

    def print_result(self, result: dict[str, Any]) -> None:
        """Print what :meth:`run` gave, as a person or a program wants it."""
        if self.json:
            text = json.dumps(result, allow_nan=False)
        else:
            text = self.summary(_printable(result))
        sys.stdout.write(text + "\n")


def _printable(data: Any) -> Any:
    """Plain data with its texts made printable: ids and names of classes are other people's."""
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {_printable(name): _printable(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_printable(value) for value in data]
    return data


def assigned(assignments: Assignments) -> dict[str, Any]:
    """The settings by section and name.

    Raises:
        ConfigError: If one is not of the form section.name=value.
    """
    return parse_assignments(chain.from_iterable(assignments))


def given(**options: object) -> dict[str, object]:
    """The options that were given: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}
