"""The entry point: how errors and results leave the program."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from medfuncta.cli.terminal import safely, say, tell
from medfuncta.door.wording import shortened
from medfuncta.errors import MedFunctaError

_LONGEST = 480
"""Characters of the line about a mistake."""

_DESCRIPTION = """One compact vector a signal: train a shared network on ECG traces, medical
images or volumes, fit a latent to each, and reconstruct, classify and search with the latents."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, or 2 after a user's mistake (one line on standard error)."""
    from medfuncta.cli.commands import COMMANDS
    from medfuncta.cli.parsing import parse
    from medfuncta.process import keep_freed_memory

    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words == ["--version"]:
            return _print_version()
        command = parse(words, COMMANDS, _DESCRIPTION)
        keep_freed_memory()
        with safely(), command.allowed():
            command.print_result(command.run())
    except MedFunctaError as error:
        return _complain(str(error))
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, as `| head` does
        return 0
    except KeyboardInterrupt:
        return _complain("stopped; finished work is kept")
    return 0


def _print_version() -> int:
    from medfuncta import __version__

    say(f"medfuncta {__version__}")
    return 0


def _complain(line: str) -> int:
    tell(f"medfuncta: {shortened(' '.join(line.split()), _LONGEST)}")
    return 2
