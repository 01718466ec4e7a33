"""The entry point: how errors and results leave the program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medfuncta._src.cli.terminal import safely, say, tell
from medfuncta._src.door.files import reason
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.process import Stop, stopping
from medfuncta._src.status import working_on

_LONGEST: Final = 480
"""Characters of the line about a mistake."""
_NAME: Final = 60
"""Characters of a name in it."""
_NOT_BEGUN: Final = "nothing was begun"

_DESCRIPTION = """One compact vector a signal: train a shared network on ECG traces, medical
images or volumes, fit a latent to each, and reconstruct, classify and search with the latents."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 2 after a user's mistake or what the disk refuses (one line on standard error); 130 or
        143 when it was stopped by Ctrl-C or SIGTERM, unless SIGTERM found a training that could
        save what it has, which ends well.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    work = _Work()
    with stopping() as stop:
        try:
            return _run(words, work)
        except SystemExit:
            raise
        except BaseException as error:
            if stop.by is None and not isinstance(error, KeyboardInterrupt):
                raise
            if work.may_tell(stopped=True):
                _complain(f"stopped by {stop.cause}; {work.left()}")
            return work.code(stop)


@dataclass
class _Work:
    """What is being done.

    Args:
        left: What is left of it when it is stopped, and how to go on, for a person.
        code: With what code it ends then.
        may_tell: Whether this process says how it has ended (``stopped`` or failed).
    """

    left: Callable[[], str] = lambda: _NOT_BEGUN
    code: Callable[[Stop], int] = lambda stop: stop.exit_code
    may_tell: Callable[..., bool] = lambda *, stopped: True


def _run(words: list[str], work: _Work) -> int:
    """Run one command, mistakes told."""
    try:
        from medfuncta._src.cli.commands import COMMANDS
        from medfuncta._src.cli.parsing import parse
        from medfuncta._src.process import keep_freed_memory

        if words == ["--version"]:
            return _print_version()
        command = parse(words, COMMANDS, _DESCRIPTION)
        work.left, work.may_tell = command.when_stopped, command.may_tell
        work.code = command.code_when_stopped
        keep_freed_memory()
        with working_on(f"medfuncta {words[0]}"), safely(), command.allowed():
            command.print_result(command.answer())
    except MedFunctaError as error:
        return _fail(str(error), work)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, as `| head` does
        return 0
    except OSError as error:
        return _fail(_told(error), work)
    return 0


def _fail(line: str, work: _Work) -> int:
    """Say what went wrong, unless another process of the same work does."""
    if work.may_tell(stopped=False):
        _complain(line)
    return 2


def _told(error: OSError) -> str:
    """What the system refused, where no part of the program had better words for it."""
    if not isinstance(error.filename, str):
        return f"the system says: {reason(error)}"
    name = shortened(Path(error.filename).name, _NAME)
    return f"cannot read or write '{name}': {reason(error)}; give another file or folder"


def _print_version() -> int:
    from medfuncta import __version__

    say(f"medfuncta {__version__}")
    return 0


def _complain(line: str) -> None:
    tell(f"medfuncta: {shortened(' '.join(line.split()), _LONGEST)}")
