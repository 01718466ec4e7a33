"""The table of commands."""

from __future__ import annotations

from typing import Final

from medfuncta.cli.classify import Classify
from medfuncta.cli.command import Command
from medfuncta.cli.completion import Completion
from medfuncta.cli.compress import Compress
from medfuncta.cli.decode import Decode
from medfuncta.cli.demo import Demo
from medfuncta.cli.doctor import Doctor
from medfuncta.cli.evaluate import Evaluate
from medfuncta.cli.exchange import Export, Import
from medfuncta.cli.explore import Explore
from medfuncta.cli.fit import Fit
from medfuncta.cli.info import Info
from medfuncta.cli.latents import Latents
from medfuncta.cli.models import Models
from medfuncta.cli.regress import Regress
from medfuncta.cli.search import Search
from medfuncta.cli.segment import Segment
from medfuncta.cli.settings import Presets, Settings
from medfuncta.cli.study import Study
from medfuncta.cli.train import Train
from medfuncta.cli.view import View

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
    "view": View,
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
