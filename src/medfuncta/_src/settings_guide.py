"""Every setting with its meaning, type, bounds and default, read off the one declaration: the
fields, annotations and docstrings of the dataclasses that hold them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any, Final

from medfuncta._src.config import FieldConfig
from medfuncta._src.door.declared import hints_of
from medfuncta._src.door.wording import described
from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.field.table import field_kind, field_names
from medfuncta._src.result import Result
from medfuncta._src.settings import Config

_FIELD: Final = "field"
_ENTRY: Final = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<meaning>.*)$")
_ROLE: Final = re.compile(r":\w+:`~?([\w.]+\.)?(\w+)`")


@dataclass(frozen=True)
class Setting(Result):
    """One setting.

    Args:
        name: As ``--set`` takes it, such as ``train.steps``.
        of: The kinds of field that have it, or ``""`` when all have.
        type: Its type and bounds, in words.
        default: Its default, as a person writes it.
        meaning: What it is.
    """

    name: str
    of: str
    type: str
    default: str
    meaning: str


def section_names() -> list[str]:
    """The sections, in the order of a file of settings."""
    return [section.name for section in fields(Config)]


def settings_of(section: str) -> list[Setting]:
    """Every setting of a section; of ``field`` those of each kind of field.

    Raises:
        ConfigError: If there is no such section.
    """
    if section not in section_names():
        raise ConfigError(f"unknown section '{section}'; {suggest(section, section_names())}")
    if section != _FIELD:
        return list(_declared(section, type(getattr(Config(), section))))
    kinds = field_names()
    found = list(_declared(_FIELD, FieldConfig))
    found[0] = replace(found[0], type=f"one of {', '.join(kinds)}")  # the kind itself
    shared = {setting.name for setting in found}
    of_kinds: dict[Setting, list[str]] = {}
    for kind in kinds:
        for setting in _declared(_FIELD, field_kind(kind).config):
            if setting.name not in shared:
                of_kinds.setdefault(setting, []).append(kind)
    return [*found, *(replace(setting, of=", ".join(of)) for setting, of in of_kinds.items())]


def written(value: Any) -> str:
    """A value as a person writes it behind ``--set section.name=``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(written, value))
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _declared(section: str, config: type) -> Iterator[Setting]:
    """The settings of one dataclass."""
    meanings = _meanings(config)
    for name, kind in hints_of(config).items():
        yield Setting(
            name=f"{section}.{name}",
            of="",
            type=described(kind, written=True),
            default=written(_default(_field_named(config, name))),
            meaning=meanings.get(name, ""),
        )


def _field_named(config: type, name: str) -> Field[Any]:
    for field in fields(config):
        if field.name == name:
            return field
    raise KeyError(name)


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    return ""


def _meanings(config: type) -> dict[str, str]:
    """What the docstrings of a dataclass, and of those that it derives from, say of its fields."""
    found: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if base is not object:
            found |= _arguments(inspect.cleandoc(base.__doc__ or ""))
    return found


def _arguments(text: str) -> dict[str, str]:
    """The entries below ``Args:`` of a docstring in Google's style."""
    found: dict[str, str] = {}
    names: list[str] = []
    _, _, below = text.partition("Args:\n")
    for line in below.splitlines():
        if line and not line.startswith("    "):
            break  # the next section
        entry = _ENTRY.match(line)
        if entry is not None:
            names = entry["names"].split(", ")
            found |= dict.fromkeys(names, entry["meaning"])
            continue
        for name in names:
            found[name] = f"{found[name]} {line.strip()}".rstrip()
    return {name: _plain(meaning) for name, meaning in found.items()}


def _plain(text: str) -> str:
    """A docstring's words without its markup."""
    return _ROLE.sub(r"\2", text).replace("``", "").replace("`", "")
