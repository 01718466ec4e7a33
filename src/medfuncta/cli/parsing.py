"""Words of the command line to a command; what is wrong with them is said in one line."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr

from medfuncta.cli.command import Command
from medfuncta.errors import ConfigError, suggest

_MISTAKE = 2  # exit code of tyro
_FLAG = re.compile(r"--[\w-]+")
_RULE = "───"


def parse(words: Sequence[str], commands: Mapping[str, type[Command]], description: str) -> Command:
    """The command that these words ask for.

    Raises:
        ConfigError: If the command or an option is unknown, missing or not of its type.
        SystemExit: With code 0, after ``--help``.
    """
    import tyro

    if not words:
        raise ConfigError(f"no command given; {suggest('', commands)}; 'medfuncta demo' shows them at work, --help explains them")
    if not words[0].startswith("-") and words[0] not in commands:
        raise ConfigError(f"unknown command '{words[0]}'; {suggest(words[0], commands)}")
    boxed = io.StringIO()
    try:
        with redirect_stderr(boxed):
            return tyro.extras.subcommand_cli_from_dict(dict(commands), args=words, prog="medfuncta", description=description)
    except SystemExit as stop:
        if stop.code != _MISTAKE:
            raise
        command = words[0] if words[0] in commands else ""
        raise ConfigError(f"{_unboxed(boxed.getvalue())}; see {' '.join(filter(None, ('medfuncta', command, '--help')))}") from None


def _unboxed(text: str) -> str:
    """What tyro says in a box, as one line: its first paragraph and the first flag of its proposals.

    >>> _unboxed("╭─ Unrecognized options ─╮\\n│ Unrecognized options: --stpes │\\n╰───╯")
    'Unrecognized options: --stpes'
    """
    lines = [line.strip("│ ") for line in text.splitlines() if not line.startswith(("╭", "╰"))]
    rules = [number for number, line in enumerate(lines) if line.startswith(_RULE)]
    first, rest = lines[: rules[0]] if rules else lines, " ".join(lines[rules[0] :]) if rules else ""
    paragraph = " ".join(first[: first.index("")] if "" in first else first).rstrip(".")
    proposed = _FLAG.search(rest) if "Perhaps you meant" in rest else None
    return f"{paragraph}; did you mean {proposed[0]}?" if proposed else paragraph
