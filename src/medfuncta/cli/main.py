"""The entry point: the table of commands, and how errors and results leave the program."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from medfuncta.errors import MedFunctaError, suggest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, or 2 after a user's mistake (one line on standard error)."""
    import tyro

    from medfuncta.cli.commands import COMMANDS

    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        return _complain(f"unknown command '{words[0]}'; {suggest(words[0], COMMANDS)}")
    try:
        command = tyro.extras.subcommand_cli_from_dict(COMMANDS, args=words, prog="medfuncta", description=__doc__)
        command.print_result(command.run())
    except MedFunctaError as error:
        return _complain(str(error))
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, as `| head` does
        return 0
    except KeyboardInterrupt:
        return _complain("stopped; finished work is kept")
    return 0


def _complain(line: str) -> int:
    sys.stderr.write(f"medfuncta: {' '.join(line.split())}\n")
    return 2
