"""Words of the command line to a command; what is wrong with them is said in one line."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from itertools import groupby, takewhile
from typing import Final, TypeVar

from medfuncta._src.cli.command import Command
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import ConfigError, suggest

T = TypeVar("T")

_MISTAKE = 2  # exit code of tyro
_FLAG = re.compile(r"--[\w-]+")
_REPEATABLE: Final = {"--set"}
_NOT_PARSED: Final = re.compile(
    r"Error parsing (?P<flag>[^:]+): (?P<expected>invalid literal for int\(\) with base 10:|"
    r"could not convert string to float:|"
    r"no type matching \S*(?:INT|FLOAT) could be instantiated from) \[?(?P<got>.*?)\]?"
)
_WHOLE: Final = ("int()", "INT ")
"""What tyro and Python call a whole number; all else that they could not read is a number."""


def parse(words: Sequence[str], commands: Mapping[str, type[Command]], description: str) -> Command:
    """The command that these words ask for.

    Raises:
        ConfigError: If the command or an option is unknown, missing, not of its type, or given
            twice.
        SystemExit: With code 0, after ``--help``.
    """
    import tyro

    if not words:
        raise ConfigError(
            f"no command given; {suggest('', commands)}; 'medfuncta demo' shows them at work, "
            "--help explains them"
        )
    if not words[0].startswith("-") and words[0] not in commands:
        raise ConfigError(f"unknown command '{words[0]}'; {suggest(words[0], commands)}")
    program = f"medfuncta {words[0]}" if words[0] in commands else "medfuncta"
    return parsed(
        lambda: tyro.extras.subcommand_cli_from_dict(
            dict(commands), args=words, prog="medfuncta", description=description
        ),
        words,
        program,
    )


def parsed(parser: Callable[[], T], words: Sequence[str], program: str) -> T:
    """What a parser of tyro's makes of these words.

    Args:
        parser: Reads them.
        words: What it reads.
        program: What ``--help`` is to be asked of.

    Raises:
        ConfigError: If an option is unknown, missing, not of its type, or given twice.
        SystemExit: With code 0, after ``--help``.
    """
    _refuse_repetition(words)
    boxed = io.StringIO()
    try:
        with redirect_stderr(boxed):
            return parser()
    except SystemExit as stop:
        if stop.code != _MISTAKE:
            raise
        said = _in_our_words(_unboxed(boxed.getvalue()))
        raise ConfigError(f"{said}; see {program} --help") from None


def _in_our_words(said: str) -> str:
    """What tyro says of a word that is no number, as all else is said.

    >>> _in_our_words("Error parsing --seed: invalid literal for int() with base 10: 'x'")
    "--seed is 'x'; expected a whole number"
    >>> _in_our_words("Error parsing -k/--k: could not convert string to float: 'x'")
    "-k/--k is 'x'; expected a number"
    """
    found = _NOT_PARSED.fullmatch(said)
    if found is None:
        return said
    whole = any(word in found["expected"] for word in _WHOLE)
    expected = "a whole number" if whole else "a number"
    return f"{found['flag']} is {shortened(found['got'], 60)}; expected {expected}"


def _refuse_repetition(words: Sequence[str]) -> None:
    """Raise where an option is given twice: the first would be forgotten without a word."""
    flags = Counter(match[0].replace("_", "-") for word in words if (match := _FLAG.match(word)))
    for flag, count in flags.items():
        if count > 1 and flag not in _REPEATABLE:
            raise ConfigError(
                f"{flag} is given {count} times; give it once, with all of its values behind it if "
                "it takes several"
            )


def _unboxed(text: str) -> str:
    """What tyro says in a box under a title, as one line: the first paragraph, and the first flag
    that it proposes.

    A flag that another command has is proposed by its own name; that tells nothing.

    >>> said, proposed = "│ Unknown: --uot. │", "│ Perhaps you meant: │\\n│     --out   │"
    >>> _unboxed(f"╭─ Oh ──────╮\\n{said}\\n│ ──────── │\\n{proposed}")
    'Unknown: --uot; did you mean --out?'
    """
    body = [line.strip("│ ") for line in text.splitlines()[1:]]
    sections = [list(lines) for ruled, lines in groupby(body, _is_rule) if not ruled]
    said = " ".join(takewhile(bool, sections[0])).rstrip(".")
    proposals = next(
        (" ".join(lines) for lines in sections if lines[0].startswith("Perhaps you meant")), ""
    )
    nearest = _FLAG.search(proposals)
    return f"{said}; did you mean {nearest[0]}?" if nearest and nearest[0] not in said else said


def _is_rule(line: str) -> bool:
    return bool(line) and set(line) <= set("-─╰╯")
