from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from medfuncta._src.errors import MedFunctaError
from medfuncta._src.studies import cells as cells_module
from medfuncta._src.studies.cells import Cell, CellFiles
from medfuncta._src.studies.runner import run_cells
from studies.counted import Square


def cell(number: int, log: Path, revision: int = 1, **more: Any) -> Cell:
    settings = {"number": number, "log": str(log), **more}
    return Cell("studies.counted:square", settings, f"the square of {number}", revision)


def measured(log: Path) -> list[int]:
    return sorted(map(int, log.read_text().split())) if log.exists() else []


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


def run(folder: Path | None, cells: list[Cell], **options: Any) -> list[float]:
    return [found.value for found in run_cells(cells, CellFiles(folder, Square), **options)]


def test_a_finished_cell_is_not_measured_again(folder: Path, log: Path) -> None:
    assert run(folder, [cell(n, log) for n in (1, 2)]) == [1, 4]
    told: list[str] = []
    assert run(folder, [cell(n, log) for n in (1, 2, 3)], tell=told.append) == [1, 4, 9]
    assert measured(log) == [1, 2, 3]
    assert told == ["2 of 3 cells are finished already", "1 of 1: the square of 3; 0 s left"]


def test_equal_cells_are_measured_once(log: Path) -> None:
    assert run(None, [cell(5, log), cell(5, log), cell(2, log)]) == [25, 25, 4]
    assert measured(log) == [2, 5]


def test_the_name_of_a_cell_is_that_of_its_settings_and_program(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cell(1, log)
    assert cell(1, log).digest == first.digest
    others = {cell(2, log).digest, cell(1, log, more=None).digest, cell(1, log, 2).digest}
    monkeypatch.setattr(cells_module, "version", lambda package: "another")
    others.add(cell(1, log).digest)
    assert len(others) == 4 and first.digest not in others


def test_what_was_finished_before_a_stop_is_kept(folder: Path, log: Path) -> None:
    todo = [cell(n, log, interrupted_at=3) for n in (1, 2, 3, 4)]
    with pytest.raises(KeyboardInterrupt):
        run(folder, todo)
    assert measured(log) == [1, 2, 3]
    with pytest.raises(KeyboardInterrupt):
        run(folder, todo)
    assert measured(log) == [1, 2, 3, 3]  # the finished ones were read


@pytest.mark.parametrize("content", ["", "{", "[]", '{"numbers": {"value": "x", "pid": 1}}'])
def test_a_damaged_cell_is_measured_again(folder: Path, log: Path, content: str) -> None:
    run(folder, [cell(3, log)])
    (file,) = (folder / "cells").iterdir()
    file.write_text(content)
    assert run(folder, [cell(3, log)]) == [9]
    assert measured(log) == [3, 3]
    assert run(folder, [cell(3, log)]) == [9]
    assert measured(log) == [3, 3]


def test_side_by_side_is_one_by_one(folder: Path, log: Path) -> None:
    todo = [cell(n, log) for n in range(4)]
    files = CellFiles(folder, Square)
    found = run_cells(todo, files, workers=2)
    assert [one.value for one in found] == run(None, todo)
    assert os.getpid() not in {one.pid for one in found}
    assert run(folder, todo, workers=2) == [0, 1, 4, 9]
    assert measured(log) == sorted([0, 1, 2, 3] * 2)  # once beside each other, once here


def test_a_killed_worker_is_told_in_one_line_and_loses_its_own_cell_only(
    folder: Path, log: Path
) -> None:
    run(folder, [cell(1, log, killed_at=2)])
    todo = [cell(n, log, killed_at=2) for n in (1, 2, 3)]
    with pytest.raises(MedFunctaError, match=r"was killed.*start the same command again"):
        run(folder, todo, workers=2)
    assert measured(log).count(1) == 1
