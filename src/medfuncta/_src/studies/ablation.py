"""One way of doing a study: a table of cells, one reduction to what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from medfuncta._src.studies.cells import Cell, CellFiles
from medfuncta._src.studies.outcome import Outcome
from medfuncta._src.studies.plan import Plan, Settings
from medfuncta._src.studies.runner import run_cells
from medfuncta._src.studies.study import StudyOptions


@dataclass(frozen=True)
class Finished:
    """A cell that was measured.

    Args:
        name: Of the cell.
        settings: Its settings.
        numbers: What was measured.
    """

    name: str
    settings: Settings
    numbers: Any


@dataclass(frozen=True)
class Row:
    """A cell to measure.

    Args:
        name: For a person, and for :attr:`Finished.name`; rows that differ in their seed only share
            it.
        settings: Plain data.
    """

    name: str
    settings: Settings


@dataclass(frozen=True)
class Numbers:
    """What a cell measures that measures many things at once.

    Args:
        values: By name.
    """

    values: dict[str, float]


@dataclass(frozen=True)
class Ablation:
    """A study whose cells are measured independently of each other.

    Args:
        rows: The cells of a plan.
        measure: ``module:function`` that measures one.
        kind: The frozen dataclass of its numbers.
        reduce: What the measured cells say, all in the order of ``rows``.
        revision: Of what ``measure`` does.
    """

    rows: Callable[[Plan], Sequence[Row]]
    measure: str
    kind: type
    reduce: Callable[[Plan, Sequence[Finished]], Outcome]
    revision: int = 1

    def run(self, options: StudyOptions) -> Outcome:
        """Measure what is not measured yet, and say what was found.

        Raises:
            MedFunctaError: If the options, the data or a cell are at fault.
        """
        files = CellFiles(options.out, self.kind)
        return self.done(Plan.of(options), files, options)

    def done(self, plan: Plan, files: CellFiles, options: StudyOptions) -> Outcome:
        """As :meth:`run`, with a plan of the caller's."""
        rows = self.rows(plan)
        cells = []
        for row in rows:
            seed = seed_of(row.settings)
            name = row.name if seed is None else f"{row.name}, seed {seed}"
            cells.append(Cell(self.measure, row.settings, name, self.revision))
        numbers = run_cells(cells, files, workers=options.workers, tell=options.tell)
        finished = []
        for row, found in zip(rows, numbers, strict=True):
            finished.append(Finished(row.name, row.settings, found))
        return self.reduce(plan, finished)


def seed_of(settings: Settings) -> int | None:
    """The seed of a cell, where it has one."""
    if "config" in settings:
        return settings["config"]["train"]["seed"]
    return settings.get("seed")


def values_of(cells: Sequence[Finished]) -> dict[str, list[float]]:
    """What cells of :class:`Numbers` measured, by name, those of all seeds together."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        for name, value in cell.numbers.values.items():
            found.setdefault(name, []).append(value)
    return found


def by_name(cells: Sequence[Finished]) -> dict[str, list[Any]]:
    """The numbers of cells, those of all seeds together."""
    found: dict[str, list[Any]] = {}
    for cell in cells:
        found.setdefault(cell.name, []).append(cell.numbers)
    return found
