"""The table of commands."""

from __future__ import annotations

from typing import Final

from medfuncta.cli.classify import Classify
from medfuncta.cli.command import Command
from medfuncta.cli.evaluate import Evaluate
from medfuncta.cli.info import Info
from medfuncta.cli.train import Train

COMMANDS: Final[dict[str, type[Command]]] = {
    "train": Train,
    "evaluate": Evaluate,
    "info": Info,
    "classify": Classify,
}
"""Name on the command line and the dataclass behind it; a command's module imports nothing heavy before it runs."""
