"""Options of a source: declared once as a dataclass, which gives their names, help, parsing and
what a run records of them.

@dataclass(frozen=True)
class NpzOptions(Options):
    kind: Literal["", "grey", "rgb"] = option("", "what the arrays hold; guessed when empty")
    limit: int | None = option(None, "first N signals of each split", at_least=1)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from msgspec import Meta

from medfuncta._src.door.declared import Fault, from_text, hints_of, settle
from medfuncta._src.errors import ConfigError, suggest

T = TypeVar("T")

_NOUN: Final = "the option"
_LARGEST: Final = 10**9
"""Of whole numbers that are said to be no smaller: no count or size of a signal comes near."""


def option(
    default: Any,
    summary: str,
    *,
    at_least: int | float | None = None,
    more_than: int | float | None = None,
    at_most: int | float | None = None,
) -> Any:
    """A field of an options dataclass: its default, one line of help, and the bounds of its number
    or numbers; a whole number is at most a milliard where nothing else is said."""
    bounds = {"ge": at_least, "gt": more_than, "le": at_most}
    return dataclasses.field(default=default, metadata={"summary": summary, "bounds": bounds})


@dataclass(frozen=True)
class Options:
    """What every options dataclass derives from.

    Raises:
        ConfigError: If an option is not of its type or outside its bounds, however it was given.
    """

    def __post_init__(self) -> None:
        settle(self, noun=_NOUN, kinds=_declared(type(self)))


def describe(options: type) -> dict[str, str]:
    """Option names and their help with the default, as
    :class:`~medfuncta._src.sources.source.SourceKind` wants it."""
    return {
        field.name: f"{field.metadata['summary']} (default: {_to_text(field.default)})"
        for field in fields(options)
    }


def parse(options: type[T], given: Mapping[str, str]) -> T:
    """The options dataclass filled from text.

    Types may be ``int``, ``float``, ``bool``, ``str``, ``Literal`` words, tuples of one of these
    (comma separated), or any of them ``| None`` (written ``none``).

    Raises:
        ConfigError: If an option is unknown, or its text is not of its type or outside its bounds.
    """
    declared = _declared(options)
    values = {}
    for name, text in given.items():
        if name not in declared:
            raise ConfigError(f"unknown option '{name}'; {suggest(name, declared)}")
        try:
            values[name] = from_text(text, declared[name], name)
        except Fault as fault:
            raise ConfigError(f"{_NOUN} '{name}' {fault.said}") from None
    return options(**values)


def details(options: Any) -> dict[str, str | int | float | bool | None]:
    """All options in force, for :class:`~medfuncta._src.sources.source.SourceInfo`; tuples become
    text."""
    found = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if isinstance(value, tuple):
            value = _to_text(value)
        found[field.name] = value
    return found


def check_bounds(name: str, bounds: tuple[float, ...] | str | None, axes: int = 1) -> None:
    """Whether an option holds ``low,high`` of each axis, the lower one first; None and a word are
    fine.

    Raises:
        ConfigError: If it does not.
    """
    if bounds is None or isinstance(bounds, str):
        return
    lows, highs = bounds[::2], bounds[1::2]
    ordered = all(low < high for low, high in zip(lows, highs, strict=False))
    if len(bounds) != 2 * axes or not ordered:
        given = ",".join(f"{bound:g}" for bound in bounds)
        of_each = " of each axis" if axes > 1 else ""
        raise ConfigError(f"{_NOUN} '{name}' is {given}; expected low,high{of_each}")


@cache
def _declared(options: type) -> dict[str, Any]:
    """The annotation of each option, with its bounds."""
    hints = hints_of(options)
    return {
        field.name: _bounded(hints[field.name], field.metadata["bounds"])
        for field in fields(options)
    }


def _bounded(kind: Any, bounds: Mapping[str, Any]) -> Any:
    """An annotation with these bounds on the number or numbers in it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is float:
        return Annotated[kind, Meta(**bounds)]
    if kind is int:
        at_most = _LARGEST if bounds["le"] is None else bounds["le"]
        return Annotated[kind, Meta(**{**bounds, "le": at_most})]
    if origin is tuple:
        return tuple[(_bounded(arguments[0], bounds), ...)]
    if origin in (Union, UnionType):
        return reduce(or_, (_bounded(member, bounds) for member in arguments))
    return kind


def _to_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)
