"""The settings of a run, and how they are layered: default < preset < file < flag."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from medfuncta._src.config import LATER, FieldConfig, FitConfig, InnerConfig, TrainConfig
from medfuncta._src.door.declared import Fault, check_plain, convert, from_text, hints_of, plain
from medfuncta._src.door.files import Origin, read_toml
from medfuncta._src.door.wording import shown
from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.table import field_kind

T = TypeVar("T")

_RETIRED: Final = frozenset({("train", "compile"), ("train", "optimizer")})
"""Settings that older runs hold and that no longer say anything."""


@dataclass(frozen=True)
class Config:
    """All settings of a run, section by section.

    Args:
        field: Sizes of the shared network; its type says which kind of field it is.
        inner: The inner loop of training and fitting.
        train: Meta-learning.
        fit: Test-time adaptation.
    """

    field: FieldConfig = dataclasses.field(default_factory=SirenConfig)
    inner: InnerConfig = dataclasses.field(default_factory=InnerConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain nested dictionaries, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Mapping[str, Any]]) -> Config:
        """The inverse of :meth:`to_dict`; reads what older versions wrote too.

        Raises:
            ConfigError: If a setting is unknown or missing, or a value is of another type or out
                of its bounds.
        """
        known = without_retired(data)
        config = override(cls(), known, written=False)
        for section in fields(config):
            held = known.get(section.name, {})
            for setting in fields(getattr(config, section.name)):
                added = setting.metadata == LATER
                if setting.name not in held and not added and setting.default is not None:
                    raise ConfigError(f"setting '{section.name}.{setting.name}' is missing")
        return config


def _later_settings() -> Iterator[tuple[str, str]]:
    """Section and name of the settings that came later than the first runs."""
    for section in fields(Config):
        for setting in fields(getattr(Config(), section.name)):
            if setting.metadata == LATER:
                yield section.name, setting.name


ADDED: Final = frozenset(_later_settings())
"""Settings that older runs do not hold: their default is what these runs did."""


def without_retired(data: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a run's settings without what no longer says anything."""
    kept: dict[str, Any] = {}
    for name, section in data.items():
        if isinstance(section, Mapping):
            section = {key: v for key, v in section.items() if (name, key) not in _RETIRED}
        kept[name] = section
    return kept


def override(config: T, changes: Mapping[str, Any], path: str = "", *, written: bool = True) -> T:
    """A copy of a (nested) configuration with some values replaced.

    Another ``field.kind`` takes what it has in common with the one before from that one.

    Args:
        config: Settings, or one section of them.
        changes: By name.
        path: What stands before a name in an error.
        written: Whether text may stand for a number or a truth value, as a person writes it.

    Raises:
        ConfigError: On an unknown key (the nearest known one is named), or a value of the wrong
            type or out of its bounds.
    """
    if isinstance(config, FieldConfig):
        config = cast(T, _of_kind(config, changes))
    kinds = hints_of(type(config))
    new: dict[str, Any] = {}
    for key, value in changes.items():
        name = f"{path}{key}"
        if key not in kinds:
            raise ConfigError(f"unknown setting {shown(name)}; {suggest(str(key), kinds)}")
        current = getattr(config, key)
        if not is_dataclass(current):
            new[key] = _converted(name, value, kinds[key], written)
        elif isinstance(value, Mapping):
            new[key] = override(current, value, f"{name}.", written=written)
        else:
            raise ConfigError(
                f"setting '{name}' is a section, got {shown(value)}; expected settings such as "
                f"{name}.{fields(current)[0].name}"
            )
    return replace(config, **new)  # type: ignore[type-var]


def _of_kind(config: FieldConfig, changes: Mapping[str, Any]) -> FieldConfig:
    """The settings of the kind of field that is asked for."""
    kind = changes.get("kind", config.kind)
    if kind == config.kind:
        return config
    _converted("field.kind", kind, hints_of(FieldConfig)["kind"], written=True)
    config_type = field_kind(kind).config
    known = {f.name for f in fields(config_type)} - {"kind"}
    shared = {name: value for name, value in asdict(config).items() if name in known}
    return config_type(**shared)


def read_config_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file with the sections [field], [inner], [train] and [fit].

    Raises:
        ConfigError: If the file is missing, is not TOML, or has a setting outside of a section.
    """
    remedy = "give a file with the sections [field], [inner], [train] and [fit]"
    missing = f"cannot read the configuration file {path.name}: there is no such file"
    settings = read_toml(path, Origin(path.name, ConfigError, remedy, missing))
    for name, section in settings.items():
        if not isinstance(section, dict):
            raise ConfigError(
                f"{shown(name)} in {path.name} stands outside of a section; put it below [field], "
                "[inner], [train] or [fit]"
            )
    return settings


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """``["train.batch=8"]`` to ``{"train": {"batch": "8"}}``.

    Raises:
        ConfigError: If one is not of the form section.name=value.
    """
    result: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        section, dot, name = key.partition(".")
        if not (equals and dot and section and name):
            raise ConfigError(
                f"got the setting '{assignment}'; expected section.name=value, such as "
                "train.batch=8"
            )
        result.setdefault(section, {})[name] = value
    return result


def _converted(name: str, value: Any, kind: Any, written: bool) -> Any:
    """A value as the type of its setting."""
    value = plain(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # TOML has 1e5 for a count of steps
    try:
        if written and isinstance(value, str):
            return from_text(value, kind, name)
        check_plain(value)
        return convert(value, kind, name)
    except Fault as fault:
        raise ConfigError(f"setting '{name}' {fault.said}") from None
