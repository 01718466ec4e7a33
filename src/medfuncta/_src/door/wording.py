"""How a value and a declared type are told in the one line of an error, and how other people's text
is made fit for a terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from msgspec import Meta

from medfuncta._src.errors import suggest

QUOTED: Final = 60
"""Characters that an error quotes of a value."""
_LINE: Final = 320
"""Characters of what an error says of a file's content."""
_NOUNS: Final = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "true or false"),
    str: ("text", "texts"),
}


def shown(value: Any) -> str:
    """A value as an error quotes it: short and printable, whatever a file holds."""
    if isinstance(value, Mapping):
        return f"an object of {len(value)} entries"
    if isinstance(value, list | tuple):
        nested = any(isinstance(part, Mapping | list | tuple) for part in value)
        if len(value) > 8 or nested:
            return f"a list of {len(value)} values"
        return shortened(f"[{', '.join(map(shown, value))}]", QUOTED)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**20:
        return f"a number of {int(value.bit_length() * math.log10(2)) + 1} digits"
    if isinstance(value, str):
        return repr(shortened(value, QUOTED))
    return shortened(str(value), QUOTED)


def shortened(text: str, limit: int = _LINE) -> str:
    """Text as one printable line of at most so many characters."""
    if len(text) <= limit:
        return printable(text)
    return f"{printable(text[: limit - 1])}…"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun, whose plural is said where it is not the noun with an s.

    >>> counted(1, "channel"), counted(12000, "signal"), counted(2, "axis", "axes")
    ('1 channel', '12,000 signals', '2 axes')
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {plural or f'{noun}s'}"


def printable(text: str) -> str:
    """Other people's text for a terminal: a blank in place of what moves the cursor, colours,
    rings, or turns the direction of writing."""
    return "".join(c if c.isprintable() else " " for c in text)


def in_markdown(text: object) -> str:
    """Other people's text for a page of Markdown, which shows it as it is written: no markup, no
    HTML, no further cell of a table.

    >>> in_markdown("<b>a|b</b> *c*")
    '&lt;b&gt;a\\\\|b&lt;/b&gt; \\\\*c\\\\*'
    """
    plain = re.sub(r"&(?=#?\w+;)", "&amp;", printable(str(text)))
    harmless = plain.replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|])", r"\\\1", harmless)


def in_code(text: object) -> str:
    """The same between backticks, which nothing but another of them ends."""
    return f"`{printable(str(text)).replace('`', chr(39))}`"


def described(kind: Any, *, several: bool = False, written: bool = False) -> str:
    """A declared type in words.

    Args:
        kind: An annotation with bounds.
        several: Whether in the plural.
        written: Whether as a person writes it, with commas and ``none``.

    >>> described(Annotated[int, Meta(ge=1, le=3)] | None)
    'a whole number from 1 to 3, or null'
    """
    optional, kinds = members(kind)
    words = [_one(member, several, written) for member in kinds]
    line = " or ".join(dict.fromkeys(words))
    if optional and written:
        return f"{line}, or none"
    if optional:
        return f"{line}, or null"
    return line


def _one(kind: Any, several: bool, written: bool) -> str:
    """One member of a union in words."""
    meta = _meta_of(kind)
    if meta.description:
        return meta.description
    kind = bare(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        words = [str(word) for word in arguments if word != ""]
        line = f"one of {', '.join(words)}" if len(words) > 1 else words[0]
        return f"{line}, or empty" if "" in arguments else line
    if origin in (tuple, list):
        item = described(arguments[0], several=True, written=written)
        if written:
            return f"{item}, separated by commas"
        if meta.max_length is not None:
            return f"a list of at most {meta.max_length:,} {item}"
        return f"a list of {item}"
    noun, plural = _NOUNS.get(kind, ("an object", "objects"))
    if several:
        noun = plural
    return f"{noun}{_bounds(meta)}"


def _meta_of(kind: Any) -> Meta:
    """The bounds in an annotation."""
    for extra in get_args(kind)[1:]:
        if isinstance(extra, Meta):
            return extra
    return Meta()


def _bounds(meta: Meta) -> str:
    """The bounds of a number or the length of a text in words."""
    if meta.max_length is not None:
        return f" of at most {meta.max_length:,} characters"
    if meta.ge is not None and meta.le is not None:
        return f" from {_figure(meta.ge)} to {_figure(meta.le)}"
    sides = {"of at least": meta.ge, "above": meta.gt, "of at most": meta.le, "below": meta.lt}
    words = [f" {word} {_figure(bound)}" for word, bound in sides.items() if bound is not None]
    return " and".join(words).replace("and of", "and")


def _figure(bound: float) -> str:
    if bound == int(bound):
        return f"{int(bound):,}"
    return str(bound)


def remedy(value: Any, kind: Any, *, written: bool = False) -> str:
    """The end of a line: what was expected; the nearest word where it is one of several."""
    words: list[Any] = []
    for member in members(kind)[1]:
        if get_origin(bare(member)) is Literal:
            words.extend(get_args(bare(member)))
    if isinstance(value, str) and any(isinstance(word, str) for word in words):
        return suggest(value[:QUOTED], [str(word) for word in words])
    return f"expected {described(kind, written=written)}"


def bare(kind: Any) -> Any:
    """A type without its bounds."""
    if get_origin(kind) is Annotated:
        return get_args(kind)[0]
    return kind


def members(kind: Any) -> tuple[bool, list[Any]]:
    """Whether a type may be None, and what else it may be."""
    kinds = [kind]
    if get_origin(kind) in (Union, UnionType):
        kinds = list(get_args(kind))
    return NoneType in kinds, [member for member in kinds if member is not NoneType]
