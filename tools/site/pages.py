"""Pages that are made of the program, so that they cannot say what it said yesterday: the command
line of its parser, the options of sources, presets and settings of their declarations, and the
Python interface of ``medfuncta.__all__``."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import medfuncta
from medfuncta._src.cli.command import Command
from medfuncta._src.cli.commands import COMMANDS
from medfuncta._src.presets import PRESETS
from medfuncta._src.settings_guide import section_names, settings_of
from medfuncta._src.sources.options import describe
from medfuncta._src.sources.table import FORMATS, STATEMENTS, format_named

API: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "signals": ("Sources and signals", ("sources", "signals", "writers", "door")),
    "fields": ("Settings and fields", ("config", "field", "settings", "presets")),
    "training": ("Training and fitting", ("workflow", "run", "learning", "trackers", "process")),
    "latents": ("Latent sets and what they are for", ("latents", "estimator", "tasks", "errors")),
}
"""Pages of the Python interface: title, and the parts of the package whose public names stand on
it."""


_NOTHING: Final = (" (default: None)", " (default: False)")
"""What the parser says of an option that is not given where that means nothing."""


def made_pages() -> dict[str, str]:
    """Every made page, Markdown by its place on the site."""
    pages = {
        "reference/command-line.md": command_line(),
        "reference/sources.md": sources(),
        "reference/settings.md": settings(),
    }
    for name, (title, parts) in API.items():
        pages[f"api/{name}.md"] = api(title, parts)
    return pages


# --- the command line


def command_line() -> str:
    """Every command with its options."""
    common = {option.dest for option in _options(_bare_command())}
    lines = [
        "# Command line",
        "",
        "Made of the program's own parser. `medfuncta COMMAND --help` says the same.",
        "",
        "A result goes to standard output, progress to standard error. A mistake is answered in "
        "one line with exit code 2; Ctrl-C and SIGTERM end a command with 130 and 143. "
        "`medfuncta --version` prints the version.",
        "",
        "## Options of every command",
        "",
        *_option_lines(_options(_bare_command())),
    ]
    for name, command in COMMANDS.items():
        lines += _command_lines(name, command, common)
    return "\n".join(lines) + "\n"


class _Bare(Command):
    """A command with no options of its own."""

    def run(self) -> None:
        return None


def _bare_command() -> argparse.ArgumentParser:
    return _parser("command", _Bare)


def _parser(name: str, command: type[Command]) -> argparse.ArgumentParser:
    import tyro

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # nothing else tells of its options
        return tyro.extras.get_parser(command, prog=f"medfuncta {name}")


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.dest != "help"]


def _command_lines(name: str, command: type[Command], common: Iterable[str]) -> list[str]:
    parser = _parser(name, command)
    own = [option for option in _options(parser) if option.dest not in common]
    usage = [f"medfuncta {name}"]
    for option in own:
        if not option.option_strings:
            usage.append(_placeholder(option))
    for option in own:
        if option.option_strings and option.required:
            usage.append(f"{option.option_strings[-1]} {_placeholder(option)}")
    if any(not option.required for option in own if option.option_strings):
        usage.append("[OPTIONS]")
    lines = ["", f"## {name}", "", *(parser.description or "").splitlines(), ""]
    lines += ["```text", " ".join(usage), "```", ""]
    return lines + _option_lines(own)


def _option_lines(options: Sequence[argparse.Action]) -> list[str]:
    """A definition list of options."""
    lines: list[str] = []
    for option in options:
        names = [f"`{_spelled(name, option)}`" for name in _names_of(option)]
        title = ", ".join(names) or f"`{_placeholder(option)}`"
        text = " ".join((option.help or "").split())
        for nothing in _NOTHING:
            text = text.removesuffix(nothing)
        lines += [title, f":   {_safe(text)}", ""]
    return lines


def _names_of(option: argparse.Action) -> list[str]:
    """What an option is called; a switch that is off by default needs no word for off."""
    names = list(option.option_strings)
    if option.nargs == 0 and option.default is False:
        return [name for name in names if not name.startswith("--no-")]
    return names


def _spelled(name: str, option: argparse.Action) -> str:
    if option.nargs == 0:  # a switch
        return name
    return f"{name} {_placeholder(option)}"


def _placeholder(option: argparse.Action) -> str:
    return str(option.metavar or option.dest).replace("{None}|", "").replace("None,", "")


# --- sources and settings


def sources() -> str:
    """Every kind of source with its options."""
    lines = [
        "# Sources and their options",
        "",
        "Made of the declarations in the program. A source is written "
        "`kind:path?option=value&option=value`; what several of them have in common is explained "
        "in the [guides](../guides/ecg.md).",
    ]
    for name in FORMATS:
        kind = format_named(name)
        lines += ["", f"## {name}", "", _safe(kind.summary), ""]
        options = describe(kind.options)
        meanings = {option: text.removesuffix(" (default: )") for option, text in options.items()}
        lines += _table(("option", "meaning"), meanings.items())
    lines += ["", "## Options of every source", ""]
    lines += _table(("option", "meaning"), STATEMENTS.items())
    return "\n".join(lines) + "\n"


def settings() -> str:
    """Presets, and every setting."""
    lines = [
        "# Presets and settings",
        "",
        "Made of the declarations in the program. Settings are layered: preset, then a TOML file "
        "(`--config`), then flags (`--set section.name=value`).",
        "",
        "## Presets",
        "",
    ]
    rows = []
    for name, config in PRESETS.items():
        field, train = config.field, config.train
        sizes = (f"{field.dim}D", field.kind, f"{field.latent_size:,}", f"{train.steps:,}")
        rows.append((name, *sizes, f"{train.batch}"))
    header = ("preset", "signals", "field", "latent", "meta-steps", "batch")
    lines += _table(header, rows)
    for section in section_names():
        lines += ["", f"## {section}", ""]
        rows = []
        for setting in settings_of(section):
            of = f" ({setting.of} only)" if setting.of else ""
            rows.append((setting.name, setting.meaning + of, setting.type, setting.default))
        lines += _table(("setting", "meaning", "values", "default"), rows)
    return "\n".join(lines) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table whose first column is set as code."""
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    for first, *others in rows:
        cells = [f"`{first}`", *(_safe(cell).replace("|", "\\|") for cell in others)]
        lines.append(f"| {' | '.join(cells)} |")
    if len(lines) == 2:
        return ["No options."]
    return lines


def _safe(text: str) -> str:
    """Plain text, with nothing that Markdown would take for markup."""
    for sign in "\\`*_<>[":
        text = text.replace(sign, f"\\{sign}")
    return text


# --- Python


def api(title: str, parts: Sequence[str]) -> str:
    """The public names that live in these parts of the package."""
    lines = [f"# {title}", "", "All of it is imported as `medfuncta.NAME`.", ""]
    for part in parts:
        for name in _names_in(part):
            lines += [f"::: {home(name)}.{name}", ""]
    return "\n".join(lines)


def _names_in(part: str) -> list[str]:
    """Public names of a part: functions first, then classes and constants, in the order of the
    alphabet."""
    names = []
    for name in medfuncta.__all__:
        if home(name).split(".")[2] == part:
            names.append(name)
    return sorted(names, key=lambda name: (not name.islower(), name))


def home(name: str) -> str:
    """The module that holds a public name."""
    return f"medfuncta._src.{medfuncta._HOMES[name]}"


def named_on_pages() -> list[Any]:
    """The public names that stand on a page, each as often as it does."""
    names = []
    for _, parts in API.values():
        for part in parts:
            names += _names_in(part)
    return names
