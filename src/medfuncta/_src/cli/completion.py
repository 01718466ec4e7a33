"""``medfuncta completion``: words that a shell completes."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from tyro.conf import Positional, arg

from medfuncta._src.cli.command import Command
from medfuncta._src.result import Result

Shell: TypeAlias = Literal["bash", "zsh", "fish", "tcsh"]

_HELP_TEXTS: Final = "COMPLETION_SPEC = "
_END_OF_LINE: Final = re.compile(r"\\n\s*")


@dataclass(frozen=True)
class CompletionScript(Result):
    """What a shell reads to complete commands and options.

    Args:
        shell: Which one.
        script: In its language.
    """

    shell: Shell
    script: str


@dataclass(kw_only=True)
class Completion(Command):
    """Print the script with which a shell completes commands and options.

    For bash: medfuncta completion bash > ~/.local/share/bash-completion/completions/medfuncta
    """

    commands: ClassVar[Mapping[str, type[Command]]] = {}
    """All of them; filled in by the table of commands, which holds this one too."""

    shell: Annotated[Positional[Shell], arg(metavar="SHELL")]
    """bash, zsh, fish or tcsh."""

    def run(self) -> CompletionScript:
        return CompletionScript(self.shell, _script(self.shell, self.commands))

    def summary(self, result: CompletionScript) -> str:
        return result.script


def _script(shell: Shell, commands: Mapping[str, type[Command]]) -> str:
    """The script that tyro makes of the table of commands.

    Raises:
        MedFunctaError: If it takes a package that is not installed, or a newer tyro.
    """
    import tyro

    from medfuncta._src.errors import MedFunctaError, missing_extra

    printed = io.StringIO()
    words = ["--tyro-print-completion", shell]
    try:
        with redirect_stdout(printed), redirect_stderr(io.StringIO()):
            tyro.extras.subcommand_cli_from_dict(dict(commands), args=words, prog="medfuncta")
    except ImportError as error:
        raise missing_extra("shtab", "completion") from error
    except SystemExit as stop:
        if stop.code:
            raise MedFunctaError(
                f"the installed version of tyro knows no completion for {shell}; run: pip install "
                "-U tyro"
            ) from stop
    lines = printed.getvalue().splitlines()
    return "\n".join(_unwrapped(line) for line in lines)


def _unwrapped(line: str) -> str:
    """A line of a script; that with the help texts without the ends of lines in these, since bash
    would propose what stands behind one as a word."""
    if not line.startswith(_HELP_TEXTS):
        return line
    return _END_OF_LINE.sub(" ", line)
