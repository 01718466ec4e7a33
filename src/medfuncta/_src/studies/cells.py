"""The cells of a study: what is measured once under some settings, and kept in a file of its own.

A cell's file is named after a digest of its settings and of what computes them, so that a finished
cell is never done again, and one whose settings or program have changed always is.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from medfuncta._src.disk.atomic import write_json
from medfuncta._src.disk.places import place
from medfuncta._src.door.declared import convert
from medfuncta._src.door.files import Origin, read_json
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.result import to_json

FOLDER: Final = "cells"
"""Of a study's folder, where the files of its cells lie."""
_COMPUTED_BY: Final = ("medfuncta", "torch")


@dataclass(frozen=True, eq=False)
class Cell:
    """One measurement.

    Args:
        measure: ``module:function``; ``function(settings)`` gives ``kind``.
        settings: Plain data, all that the numbers depend on but the machine.
        name: For a person.
        revision: Of what the function does; another one makes cells anew.
        kind: What it is a repetition of: cells of one kind take about as long as each other.
        weight: How long it takes beside others, about, as long as none of its kind is finished.
    """

    measure: str
    settings: Mapping[str, Any]
    name: str
    revision: int = 1
    kind: str = ""
    weight: float = 1.0

    @cached_property
    def digest(self) -> str:
        """Equal for equal settings and versions only."""
        versions = {package: version(package) for package in _COMPUTED_BY}
        what = {
            "measure": self.measure,
            "revision": self.revision,
            "settings": to_json(self.settings),
            "versions": versions,
        }
        text = json.dumps(what, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    @cached_property
    def plain_settings(self) -> Any:
        """The settings as a file has them."""
        return json.loads(json.dumps(to_json(self.settings), allow_nan=False))

    @property
    def function(self) -> Callable[[Mapping[str, Any]], Any]:
        """What measures it."""
        module, name = self.measure.split(":")
        return getattr(import_module(module), name)

    def measured(self) -> Measurement:
        """Measure it here and now."""
        began = time.perf_counter()
        numbers = to_json(self.function(self.settings))
        return Measurement(numbers, time.perf_counter() - began)


@dataclass(frozen=True)
class Measurement:
    """What came of a cell.

    Args:
        numbers: What was measured, as plain data.
        seconds: That it took, on the clock.
    """

    numbers: dict[str, Any]
    seconds: float


class CellFiles:
    """The finished cells of a study.

    Args:
        folder: Of the study; None keeps them in memory only.
        kind: The frozen dataclass that a cell's numbers are.
    """

    def __init__(self, folder: Path | None, kind: type) -> None:
        self._folder = folder
        self._kind = kind
        self._found: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}

    def get(self, cell: Cell) -> Any:
        """The numbers of a cell, or None where it is not finished, or its file is damaged or that
        of another cell."""
        if cell.digest in self._found:
            return self._found[cell.digest]
        if self._folder is None:
            return None
        path = place(self._folder, FOLDER, f"{cell.digest}.json")
        if not path.exists():
            return None
        origin = Origin(f"the cell {path.name}", MedFunctaError, "remove it")
        try:
            data = read_json(path, origin, within=self._folder)
            found = convert(data.get("numbers"), self._kind)
            seconds = convert(data.get("seconds", 0.0), float)
        except MedFunctaError:
            return None
        if data.get("settings") != cell.plain_settings:
            return None
        self._found[cell.digest] = found
        self._seconds[cell.digest] = seconds
        return found

    def seconds(self, cell: Cell) -> float:
        """That a finished cell took."""
        return self._seconds[cell.digest]

    def put(self, cell: Cell, measured: Measurement) -> Any:
        """Keep what was measured.

        Raises:
            MedFunctaError: If it cannot be written.
        """
        found = convert(measured.numbers, self._kind)
        if self._folder is not None:
            path = place(self._folder, FOLDER, f"{cell.digest}.json")
            kept = {
                "name": cell.name,
                "settings": cell.plain_settings,
                "seconds": round(measured.seconds, 3),
                "numbers": measured.numbers,
            }
            write_json(path, kept)
        self._found[cell.digest] = found
        self._seconds[cell.digest] = measured.seconds
        return found
