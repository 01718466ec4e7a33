"""Cells that count how often they are measured, without anything heavy to import."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfuncta._src.errors import MedFunctaError


@dataclass(frozen=True)
class Square:
    """What they measure."""

    value: float
    pid: int


def square(settings: Mapping[str, Any]) -> Square:
    """A number's square; leaves a line in the file ``log`` for every measurement."""
    number = settings["number"]
    with Path(settings["log"]).open("a") as log:
        log.write(f"{number}\n")
    if number == settings.get("too_large"):
        raise MemoryError
    if number == settings.get("at_fault"):
        raise MedFunctaError("no such data")
    if number == settings.get("interrupted_at"):
        raise KeyboardInterrupt
    if number == settings.get("killed_at"):
        os.kill(os.getpid(), signal.SIGKILL)
    if number == settings.get("killed_once_at"):
        before = Path(settings["log"]).read_text().split()
        if before.count(str(number)) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    return Square(number**2, os.getpid())
