"""Options of a source: declared once as a dataclass, which gives their names, help, parsing and
what a run records of them.

@dataclass(frozen=True)
class NpzOptions:
    kind: Literal["", "grey", "rgb"] = option("", "what the arrays hold; guessed when empty")
    limit: int | None = option(None, "first N signals of each split", at_least=1)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import Field, fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from medfuncta.errors import ConfigError, suggest

T = TypeVar("T")


def option(
    default: Any,
    summary: str,
    *,
    at_least: int | float | None = None,
    more_than: int | float | None = None,
) -> Any:
    """A field of an options dataclass: its default, one line of help, and the bounds of its number
    or numbers."""
    return dataclasses.field(
        default=default, metadata={"summary": summary, "at_least": at_least, "more_than": more_than}
    )


def describe(options: type) -> dict[str, str]:
    """Option names and their help with the default, as
    :class:`~medfuncta.sources.source.SourceKind` wants it."""
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
    known = {field.name: field for field in fields(options)}  # type: ignore[arg-type]
    hints = get_type_hints(options)
    for name in given:
        if name not in known:
            raise ConfigError(f"unknown option '{name}'; {suggest(name, known)}")
    return options(
        **{name: _parse_one(known[name], hints[name], text) for name, text in given.items()}
    )


def details(options: Any) -> dict[str, str | int | float | bool | None]:
    """All options in force, for :class:`~medfuncta.sources.source.SourceInfo`; tuples become
    text."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    return {
        name: _to_text(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def check_bounds(name: str, bounds: tuple[float, ...] | None, axes: int = 1) -> None:
    """Whether an option holds ``low,high`` of each axis, the lower one first; None is fine.

    Raises:
        ConfigError: If it does not.
    """
    if bounds is not None and (
        len(bounds) != 2 * axes
        or any(low >= high for low, high in zip(bounds[::2], bounds[1::2], strict=True))
    ):
        given = ",".join(f"{bound:g}" for bound in bounds)
        raise ConfigError(
            f"the option '{name}' is {given}; expected low,high{' of each axis' * (axes > 1)}"
        )


def _parse_one(field: Field[Any], hint: Any, text: str) -> Any:
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if NoneType in kinds and text.lower() == "none":
        return None
    kind = next(kind for kind in kinds if kind is not NoneType)
    words = text.split(",") if get_origin(kind) is tuple else [text]
    single = get_args(kind)[0] if get_origin(kind) is tuple else kind
    values = tuple(_convert(field.name, single, word.strip()) for word in words)
    for value in values:
        _check_bounds(field, value)
    return values if get_origin(kind) is tuple else values[0]


def _convert(name: str, kind: Any, text: str) -> Any:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ConfigError(f"the option '{name}' is '{text}'; {suggest(text, get_args(kind))}")
        return text
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        value = kind(text)
        if kind is float and not math.isfinite(value):
            raise ValueError
        return value
    except (ValueError, KeyError):
        expected = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise ConfigError(f"the option '{name}' is '{text}'; expected {expected}") from None


def _check_bounds(field: Field[Any], value: Any) -> None:
    at_least, more_than = field.metadata["at_least"], field.metadata["more_than"]
    if at_least is not None and value < at_least:
        raise ConfigError(f"the option '{field.name}' is {value}; expected at least {at_least}")
    if more_than is not None and value <= more_than:
        raise ConfigError(f"the option '{field.name}' is {value}; expected more than {more_than}")


def _to_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
