"""One way of doing a study: a table of cells, one reduction to what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from medfuncta._src.studies.cells import Cell, CellFiles
from medfuncta._src.studies.forecast import Progress
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
        weight: How long it takes beside others, about, in seconds of a core of today; that of its
            training when None.
    """

    name: str
    settings: Settings
    weight: float | None = None


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

    def run(self, options: StudyOptions, overall: Progress | None = None) -> Outcome:
        """Measure what is not measured yet, and say what was found.

        Args:
            options: What it works on.
            overall: Of all studies that are done, of which this is one.

        Raises:
            MedFunctaError: If the options, the data or a cell are at fault.
        """
        files = CellFiles(options.out, self.kind)
        return self.done(Plan.of(options), files, options, overall)

    def done(
        self,
        plan: Plan,
        files: CellFiles,
        options: StudyOptions,
        overall: Progress | None = None,
    ) -> Outcome:
        """As :meth:`run`, with a plan of the caller's."""
        rows = self.rows(plan)
        cells = [self.cell(row) for row in rows]
        numbers = run_cells(
            cells, files, workers=options.workers, tell=options.tell, overall=overall
        )
        finished = []
        for row, found in zip(rows, numbers, strict=True):
            finished.append(Finished(row.name, row.settings, found))
        return self.reduce(plan, finished)

    def cell(self, row: Row) -> Cell:
        """What measures a row."""
        seed = seed_of(row.settings)
        return Cell(
            self.measure,
            row.settings,
            row.name if seed is None else f"{row.name}, seed {seed}",
            self.revision,
            kind=row.name,
            weight=weight_of(row),
        )


_PASSES: Final = 0.4
"""What an inner step on all points costs, beside the outer loss and all that does not depend on
gamma; measured on a CPU."""
_A_SECOND: Final = 3e6
"""Of what :func:`weight_of` multiplies, on a core of today."""


def weight_of(row: Row) -> float:
    """About how many seconds a cell takes: what it says itself, or what its training multiplies.
    Right within a factor of a few, until cells of this machine are known."""
    if row.weight is not None:
        return row.weight
    if "config" not in row.settings:
        return 1.0
    train, field = row.settings["config"]["train"], row.settings["config"]["field"]
    inner = _PASSES * train["inner_steps"] * train["context_ratio"]
    size = field.get("layers", 5) * field.get("width", 32) ** 2
    return train["steps"] * train["batch"] * (1 + inner) * size / _A_SECOND


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
