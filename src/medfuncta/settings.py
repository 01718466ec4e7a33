"""The settings of a run, and how they are layered: default < preset < file < flag."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from medfuncta.config import FieldConfig, FitConfig, InnerConfig, TrainConfig
from medfuncta.errors import ConfigError, suggest
from medfuncta.field.siren.config import SirenConfig
from medfuncta.field.table import field_kind

T = TypeVar("T")


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
        """The inverse of :meth:`to_dict`.

        Raises:
            ConfigError: On an unknown key or a value of the wrong type.
        """
        return override(cls(), data)


def override(config: T, changes: Mapping[str, Any], path: str = "") -> T:
    """A copy of a (nested) configuration with some values replaced.

    Another ``field.kind`` takes what it has in common with the one before from that one.

    Raises:
        ConfigError: On an unknown key (the nearest known one is named) or a value of the wrong
            type.
    """
    if isinstance(config, FieldConfig):
        config = cast(T, _of_kind(config, changes))
    known = {f.name for f in fields(config)}  # type: ignore[arg-type]
    hints = get_type_hints(type(config))
    new: dict[str, Any] = {}
    for key, value in changes.items():
        name = f"{path}{key}"
        if key not in known:
            raise ConfigError(f"unknown setting '{name}'; {suggest(key, known)}")
        current = getattr(config, key)
        if is_dataclass(current):
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"setting '{name}' is a section, got {value!r}; expected settings such as "
                    f"{name}.{fields(current)[0].name}"
                )
            new[key] = override(current, value, f"{name}.")
        else:
            new[key] = _convert(name, value, hints[key])
    return replace(config, **new)  # type: ignore[type-var]


def _of_kind(config: FieldConfig, changes: Mapping[str, Any]) -> FieldConfig:
    """The settings of the kind of field that is asked for."""
    kind = changes.get("kind", config.kind)
    if kind == config.kind:
        return config
    config_type = field_kind(str(kind)).config
    known = {f.name for f in fields(config_type)} - {"kind"}
    shared = {name: value for name, value in asdict(config).items() if name in known}
    return config_type(**shared)


def read_config_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file with the sections [field], [inner], [train] and [fit].

    Raises:
        ConfigError: If the file is missing, is not TOML, or has a setting outside of a section.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration file {path.name}: {error.strerror}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not a TOML file: {error}") from error
    for name, section in settings.items():
        if not isinstance(section, dict):
            raise ConfigError(
                f"'{name}' in {path.name} stands outside of a section; put it below [field], "
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


def _convert(name: str, value: Any, hint: Any) -> Any:
    """A value as the type of its setting; text (from a flag) is parsed, other types must match."""
    options = getattr(hint, "__args__", (hint,))
    if type(None) in options and value in (None, "none"):
        return None
    kind = next(t for t in options if t is not type(None))
    if kind is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        if kind is bool and not isinstance(value, bool):
            raise ValueError
        if kind is int and (
            isinstance(value, bool) or (not isinstance(value, str) and value != int(value))
        ):
            raise ValueError
        if kind is str and not isinstance(value, str):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError, OverflowError):  # int(inf) overflows
        raise ConfigError(f"setting '{name}' got {value!r}; expected {kind.__name__}") from None
