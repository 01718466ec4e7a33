"""What a Python program hands to the public functions: a value of another kind than the signature
says, or out of the bounds that it declares, gets its one line too, instead of a traceback from
where it first does harm."""

from __future__ import annotations

import functools
import inspect
import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import Any, Final, ParamSpec, TypeVar, cast, get_origin, get_type_hints

from medfuncta._src.door.declared import Fault, check_plain, convert, plain
from medfuncta._src.door.wording import bare, described, members, shown
from medfuncta._src.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

_WIDER: Final[Mapping[type, type]] = {
    int: numbers.Integral,
    float: numbers.Real,
    Path: os.PathLike,
}
"""What passes for these as well: numbers of NumPy's, paths of other libraries."""
_WORDS: Final[Mapping[type, str]] = {
    str: "text",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    Path: "a path",
    Mapping: "a dictionary",
    Sequence: "a list",
    Callable: "a function",  # type: ignore[dict-item]
}


def expecting(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which first holds its arguments against its own annotations: those that are
    classes, or one of several, and the bounds of numbers, as :mod:`~medfuncta._src.door.limits` has
    them. What an annotation says of shapes and the like is left to it.

    Raises:
        ConfigError: At the first argument that is something else, told what was expected.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        kinds = _kinds_of(function)
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            kind = kinds.get(name)
            if kind is not None and not kind.has(value):
                who = "" if function.__name__.startswith("__") else f"{function.__name__}: "
                raise ConfigError(f"{who}{name} is {_quoted(value)}; expected {kind.words}")
        return function(*args, **kwargs)

    return checked


class _Kind:
    """What an argument may be.

    Args:
        classes: As ``isinstance`` takes them.
        words: In a person's words.
        bounds: The annotations that bound a number, one of which must hold.
    """

    def __init__(self, classes: tuple[type, ...], words: str, bounds: Sequence[Any]) -> None:
        self.classes, self.words, self.bounds = classes, words, bounds

    def has(self, value: Any) -> bool:
        """Whether a value is of it."""
        if not isinstance(value, self.classes):
            return False
        if not self.bounds or not isinstance(value, numbers.Real):
            return True
        return any(_is_in(bounds, plain(value)) for bounds in self.bounds)


def _is_in(bounds: Any, value: Any) -> bool:
    try:
        check_plain(value)
        convert(value, bounds)
    except Fault:
        return False
    return True


@functools.cache
def _kinds_of(function: Callable[..., Any]) -> dict[str, _Kind]:
    """The arguments whose annotation is a class, or one of several."""
    written = {name: hint for name, hint in function.__annotations__.items() if name != "return"}
    space = getattr(inspect.unwrap(function), "__globals__", None)
    given = SimpleNamespace(__annotations__=written)  # a result may be of a class of an extra
    kinds = {}
    for name, hint in get_type_hints(given, space, include_extras=True).items():
        kind = _kind(hint)
        if kind is not None:
            kinds[name] = kind
    return kinds


def _kind(hint: Any) -> _Kind | None:
    optional, alternatives = members(hint)
    classes: list[type] = []
    words = []
    bounds = []
    for alternative in alternatives:
        found: Any = get_origin(bare(alternative)) or bare(alternative)
        opaque = found is Any or not isinstance(found, type)
        if opaque or found.__module__.startswith("jaxtyping"):
            return None
        kind = cast(type, found)
        classes.append(_WIDER.get(kind, kind))
        if kind in (int, float) and alternative is not kind:
            bounds.append(alternative)
            words.append(described(alternative))
        else:
            words.append(_WORDS.get(kind, f"a {kind.__name__} of {kind.__module__.split('.')[0]}"))
    if optional:
        classes.append(NoneType)
        words.append("None")
    return _Kind(tuple(classes), " or ".join(words), bounds)


def _quoted(value: Any) -> str:
    """A value as an error quotes it, with its class where that says more."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float | str):
        return shown(value)
    return f"a {type(value).__name__}"
