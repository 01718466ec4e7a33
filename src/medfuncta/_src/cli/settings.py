"""``medfuncta settings`` and ``medfuncta presets``: what can be set, and what goes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import facts, table
from medfuncta._src.result import Result

if TYPE_CHECKING:
    from medfuncta._src.settings import Config
    from medfuncta._src.settings_guide import Setting


@dataclass(frozen=True, eq=False)
class SettingsList(Result):
    """Settings by section.

    Args:
        settings: In the order of their declaration.
    """

    settings: Mapping[str, Sequence[Setting]]


@dataclass(kw_only=True)
class Settings(Command):
    """List the settings that --set and a file of settings take, each with its meaning, type, bounds
    and default."""

    section: Annotated[Positional[str | None], arg(metavar="SECTION")] = None
    """field, inner, train or fit; all of them when not given."""

    def run(self) -> SettingsList:
        from medfuncta._src.settings_guide import section_names, settings_of

        names = section_names() if self.section is None else [self.section]
        return SettingsList({name: settings_of(name) for name in names})

    def summary(self, result: SettingsList) -> str:
        lines = []
        for section, settings in result.settings.items():
            lines += [f"[{section}]", ""]
            for setting in settings:
                of = f" (where field.kind is {setting.of})" if setting.of else ""
                lines.append(f"{setting.name} = {setting.default}{of}")
                lines.append(f"    {setting.meaning}")
                lines.append(f"    {setting.type}")
            lines.append("")
        lines.append("set one with --set section.name=value, or below [section] in --config FILE")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class PresetsList(Result):
    """Settings by the name of their preset.

    Args:
        presets: All of them, or the one that was asked for.
    """

    presets: Mapping[str, Config]

    def to_json(self) -> dict[str, Any]:
        """Plain data: every setting by preset, section and name."""
        return {name: config.to_dict() for name, config in self.presets.items()}


@dataclass(kw_only=True)
class Presets(Command):
    """List the presets, or every setting of one."""

    name: Annotated[Positional[str | None], arg(metavar="NAME")] = None
    """Which one; an overview of all when not given."""

    def run(self) -> PresetsList:
        from medfuncta._src.presets import PRESETS, preset

        if self.name is not None:
            return PresetsList({self.name: preset(self.name)})
        return PresetsList(PRESETS)

    def summary(self, result: PresetsList) -> str:
        if self.name is not None:
            return _every_setting(result.presets[self.name])
        rows = []
        for name, config in result.presets.items():
            field, train = config.field, config.train
            size, batch = f"{field.latent_size:,}", f"{train.batch}"
            kind = f"{field.dim}D"
            rows.append((name, kind, field.kind, size, f"{train.steps:,}", batch))
        header = ("preset", "signals", "field", "latent", "meta-steps", "batch")
        return f"{table(header, rows)}\nevery setting of one: medfuncta presets NAME"


def _every_setting(config: Config) -> str:
    from medfuncta._src.settings_guide import written

    entries: dict[str, object] = {}
    for section, settings in config.to_dict().items():
        for name, value in settings.items():
            entries[f"{section}.{name}"] = written(value)
    return facts(entries)
