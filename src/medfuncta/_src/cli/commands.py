"""The table of commands."""

from __future__ import annotations

from typing import Final

from medfuncta._src.cli.classify import Classify
from medfuncta._src.cli.command import Command
from medfuncta._src.cli.completion import Completion
from medfuncta._src.cli.compress import Compress
from medfuncta._src.cli.decode import Decode
from medfuncta._src.cli.demo import Demo
from medfuncta._src.cli.doctor import Doctor
from medfuncta._src.cli.evaluate import Evaluate
from medfuncta._src.cli.exchange import Export, Import
from medfuncta._src.cli.explore import Explore
from medfuncta._src.cli.fit import Fit
from medfuncta._src.cli.info import Info
from medfuncta._src.cli.latents import Latents
from medfuncta._src.cli.models import Models
from medfuncta._src.cli.regress import Regress
from medfuncta._src.cli.search import Search
from medfuncta._src.cli.segment import Segment
from medfuncta._src.cli.settings import Presets, Settings
from medfuncta._src.cli.study import Study
from medfuncta._src.cli.train import Train

COMMANDS: Final[dict[str, type[Command]]] = {
    "demo": Demo,
    "train": Train,
    "fit": Fit,
    "evaluate": Evaluate,
    "decode": Decode,
    "import": Import,
    "export": Export,
    "info": Info,
    "latents": Latents,
    "classify": Classify,
    "search": Search,
    "explore": Explore,
    "study": Study,
    "segment": Segment,
    "regress": Regress,
    "compress": Compress,
    "models": Models,
    "presets": Presets,
    "settings": Settings,
    "doctor": Doctor,
    "completion": Completion,
}
"""Name on the command line and the dataclass behind it; a command's module imports nothing heavy
before it runs."""

Completion.commands = COMMANDS
