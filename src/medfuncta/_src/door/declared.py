"""Declared types: what a file, a flag or a caller gives becomes what an annotation says, or one
line that tells what was got and what was expected.

A declared type is a dataclass whose fields carry their bounds, each written once::

    @dataclass(frozen=True)
    class Inner:
        step_size: Annotated[float, Meta(gt=0, le=100)] = 1e-2
        context: Literal["random", "stratified"] = "random"

msgspec decodes into them: one small wheel that needs no other and is imported in 10 ms. It fills
our own frozen dataclasses, knows bounds, patterns and words from the annotations, and never guesses
a type unless it is text that a person wrote. (pydantic does as much with five times the code and
ten times the time to import, and wants its own base class.)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from functools import cache
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

import msgspec

from medfuncta._src.door.limits import MAX_DEPTH, MAX_ENTRIES, MAX_INTEGER, MAX_TEXT
from medfuncta._src.door.wording import QUOTED, bare, members, remedy, shortened, shown
from medfuncta._src.errors import ConfigError, MedFunctaError, suggest

T = TypeVar("T")


class Fault(MedFunctaError):
    """What is wrong with one value.

    Args:
        place: Where it stands, such as ``config.train.steps``.
        said: What was got and what was expected, such as ``is 'x'; expected a number``.
    """

    def __init__(self, place: str, said: str) -> None:
        super().__init__(f"{place or 'it'} {said}")
        self.said = said


def check_plain(data: Any) -> None:
    """Raise where plain data has NaN or Inf, deep nesting, long texts, endless numbers or more
    values than any file of ours.

    Raises:
        Fault: If it has.
    """
    left = MAX_ENTRIES
    stack = [(data, 0)]
    while stack:
        value, depth = stack.pop()
        left -= 1
        if depth > MAX_DEPTH:
            raise Fault("", f"is nested more than {MAX_DEPTH} deep")
        if left < len(stack):
            raise Fault("", f"has more than {MAX_ENTRIES:,} values")
        if isinstance(value, str):
            _check_text(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise Fault("", f"holds the number {value}; expected finite numbers")
        if isinstance(value, int) and abs(value) >= MAX_INTEGER:
            raise Fault("", f"holds {shown(value)}; expected smaller numbers")
        if isinstance(value, Mapping):
            stack.extend((key, depth + 1) for key in value)
            stack.extend((part, depth + 1) for part in value.values())
        elif isinstance(value, list | tuple):
            stack.extend((part, depth + 1) for part in value)


def _check_text(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise Fault("", f"has a text of {len(text):,} characters; expected at most {MAX_TEXT:,}")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Fault("", f"has half a character in {shown(text)}; expected whole ones")


def convert(data: Any, kind: Any, place: str = "", *, whole: bool = False) -> Any:
    """Plain data as a declared type.

    Args:
        data: What JSON or TOML gives, after :func:`check_plain`.
        kind: A dataclass, or any annotation with bounds.
        place: Where it stands, for the error.
        whole: Whether what has a default must be there too.

    Raises:
        Fault: At the first value that is unknown, missing, or not of its type or in its bounds.
    """
    _check_keys(data, kind, place, whole)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError:
        raise _first_fault(data, kind, place) from None


def convert_known(data: Any, kind: type[T], place: str = "") -> T:
    """As :func:`convert`, but keys that the type does not name are passed over, and the first fault
    is told in fewer words: a hundred times faster, for rows of which there are millions.

    Raises:
        Fault: If a key is missing, or a value not of its type or in its bounds.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        said = str(error).replace("`", "'").replace("'$.", "'")
        raise Fault(place, f"is damaged: {shortened(said)}") from None


def from_text(text: str, kind: Any, place: str = "") -> Any:
    """What a person wrote, as a declared type: several values separated by commas, ``none`` for
    none.

    Raises:
        Fault: If it is something else.
    """
    words = text.strip()
    optional, kinds = members(kind)
    if optional and words.lower() == "none":
        return None
    data: Any = words
    if any(words in get_args(member) for member in kinds if get_origin(member) is Literal):
        return words
    if any(get_origin(bare(member)) is tuple for member in kinds):
        data = [word.strip() for word in words.split(",")]
    try:
        check_plain(words)
        value = msgspec.convert(data, kind, strict=False)
        check_plain(value)
    except (msgspec.ValidationError, Fault):
        raise Fault(place, f"is {shown(text)}; {remedy(words, kind, written=True)}") from None
    return value


def settle(
    owner: Any,
    *,
    noun: str = "setting",
    prefix: str = "",
    kinds: Mapping[str, Any] | None = None,
    error: type[MedFunctaError] = ConfigError,
) -> None:
    """Check a dataclass that was made in Python by its own annotations, from its ``__post_init__``;
    a whole number where any is asked for becomes a ``float``, a list a tuple.

    Args:
        owner: The dataclass.
        noun, prefix: How a field is named in an error: ``setting 'train.steps'``.
        kinds: The annotations, where they are not those of the class.
        error: The class of the error.

    Raises:
        MedFunctaError: Of this class, at the first field that is not of its type or in its bounds.
    """
    for name, kind in (kinds or hints_of(type(owner))).items():
        value = getattr(owner, name)
        if dataclasses.is_dataclass(value):
            continue  # it has settled itself
        value = plain(value)
        try:
            check_plain(value)
            value = msgspec.convert(value, kind)
        except (msgspec.ValidationError, Fault):
            said = f"is {shown(value)}; {remedy(value, kind)}"
            raise error(f"{noun} '{prefix}{name}' {said}") from None
        object.__setattr__(owner, name, value)


def plain(value: Any) -> Any:
    """A value with numbers and arrays of NumPy's or PyTorch's made Python's."""
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if hasattr(value, "tolist") and hasattr(value, "shape"):
        return value.tolist()
    return value


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """The fields of a dataclass and their annotations, bounds included."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _check_keys(data: Any, kind: Any, place: str, whole: bool) -> None:
    """Raise at a key that is unknown or missing, wherever in the data it is."""
    for at, part, part_kind in _parts(data, kind, place, whole):
        _check_keys(part, part_kind, at, whole)


def _parts(data: Any, kind: Any, place: str, whole: bool = False) -> Iterator[tuple[str, Any, Any]]:
    """What a value is made of: where each part stands, the part, and its declared type.

    Raises:
        Fault: At a key that is unknown or missing.
    """
    for member in map(bare, members(kind)[1]):
        origin, arguments = get_origin(member), get_args(member)
        if dataclasses.is_dataclass(member) and isinstance(data, Mapping):
            hints = hints_of(cast(type, member))
            _check_names(data, cast(type, member), place, whole)
            for name, part in data.items():
                yield _below(place, name), part, hints[name]
        elif origin in (tuple, list) and isinstance(data, list | tuple):
            for index, part in enumerate(data):
                yield f"{place}[{index}]", part, _item(arguments, index)
        elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(data, Mapping):
            for key, part in data.items():
                yield f"a name in {place or 'it'}", key, arguments[0]
                yield _below(place, shortened(str(key), QUOTED)), part, arguments[1]


def _below(place: str, name: str) -> str:
    """Where an entry of an object stands."""
    if not place:
        return name
    return f"{place}.{name}"


def _item(arguments: tuple[Any, ...], index: int) -> Any:
    """The type of one entry of a list."""
    if Ellipsis in arguments or len(arguments) == 1:
        return arguments[0]
    return arguments[min(index, len(arguments) - 1)]


def _check_names(data: Mapping[Any, Any], kind: type, place: str, whole: bool) -> None:
    known = hints_of(kind)
    for name in data:
        if name not in known:
            said = f"is unknown; {suggest(str(name), known)}"
            raise Fault(_below(place, shown(name)), said)
    for field in dataclasses.fields(kind):
        optional = field.default is not MISSING or field.default_factory is not MISSING
        if field.name not in data and (whole or not optional):
            raise Fault(_below(place, field.name), "is missing")


def _first_fault(data: Any, kind: Any, place: str) -> Fault:
    """The innermost value that is not of its type."""
    for at, part, part_kind in _parts(data, kind, place):
        try:
            msgspec.convert(part, part_kind)
        except msgspec.ValidationError:
            return _first_fault(part, part_kind, at)
    return Fault(place, f"is {shown(data)}; {remedy(data, kind)}")
