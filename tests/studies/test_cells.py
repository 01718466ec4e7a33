from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medfuncta._src.errors import MedFunctaError
from medfuncta._src.studies import cells as cells_module
from medfuncta._src.studies.cells import Cell, CellFiles
from medfuncta._src.studies.forecast import Forecast, Progress
from medfuncta._src.studies.runner import CellsFailed, run_cells
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


def test_files_that_changed_places_are_measured_again(folder: Path, log: Path) -> None:
    run(folder, [cell(n, log) for n in (2, 3)])
    first, second = (folder / "cells").iterdir()
    content = first.read_bytes(), second.read_bytes()
    second.write_bytes(content[0])
    first.write_bytes(content[1])
    assert run(folder, [cell(n, log) for n in (2, 3)]) == [4, 9]
    assert measured(log) == [2, 2, 3, 3]


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


def test_a_killed_worker_is_tried_again_and_named_while_the_others_go_on(
    folder: Path, log: Path
) -> None:
    todo = [cell(n, log, killed_at=2) for n in (1, 2, 3, 4)]
    told: list[str] = []
    with pytest.raises(CellsFailed, match=r"1 cell could not.*the square of 2 \(.*was killed\)"):
        run(folder, todo, workers=2, tell=told.append)
    assert sorted(measured(log)) == [1, 2, 2, 3, 4]  # the others once, the killed one twice
    assert told[-1].startswith("4 of 4: the square of 2: failed")
    others = [one for one in todo if one.settings["number"] != 2]
    assert run(folder, others) == [1, 9, 16]
    assert len(measured(log)) == 5


def test_a_worker_that_is_killed_once_costs_nothing(folder: Path, log: Path) -> None:
    todo = [cell(n, log, killed_once_at=2) for n in (1, 2, 3)]
    assert run(folder, todo, workers=2) == [1, 4, 9]
    assert measured(log) == [1, 2, 2, 3]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cell_without_enough_memory_is_named_and_the_others_are_kept(
    folder: Path, log: Path, workers: int
) -> None:
    todo = [cell(n, log, too_large=2) for n in (1, 2, 3)]
    with pytest.raises(CellsFailed, match=r"the square of 2 \(there was too little memory\)"):
        run(folder, todo, workers=workers)
    assert sorted(measured(log)) == [1, 2, 3]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_of_the_data_ends_the_study_at_once(log: Path, workers: int) -> None:
    todo = [cell(n, log, at_fault=1) for n in range(1, 4)]
    with pytest.raises(MedFunctaError, match="no such data"):
        run(None, todo, workers=workers)
    if workers == 1:
        assert measured(log) == [1]


def of_kind(kind: str, weight: float = 1.0) -> Cell:
    return Cell("studies.counted:square", {"number": 1}, kind, kind=kind, weight=weight)


def test_the_time_left_is_that_of_cells_of_the_same_kind_and_of_weights_else() -> None:
    forecast = Forecast()
    assert forecast.seconds([of_kind("quick")]) is None
    assert forecast.seconds([]) == 0
    forecast.learn(of_kind("quick", weight=2.0), 1.0)
    assert forecast.seconds([of_kind("quick")] * 3) == 3.0
    assert forecast.seconds([of_kind("slow", weight=200.0)]) == 100.0
    forecast.learn(of_kind("slow", weight=200.0), 40.0)
    left = [of_kind("slow", weight=200.0), *[of_kind("quick")] * 4]
    assert forecast.seconds(left) == 44.0
    assert forecast.seconds(left, workers=2) == 40.0  # the longest one takes as long at least


def test_finished_cells_tell_how_long_others_take(folder: Path, log: Path) -> None:
    run(folder, [cell(1, log)])
    (file,) = (folder / "cells").iterdir()
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "seconds": 1000.0}))
    told: list[str] = []
    slow = [replace(cell(n, log), kind="the square of 1") for n in (1, 2, 3)]
    run_cells(slow, CellFiles(folder, Square), tell=told.append)
    assert told[1].startswith("1 of 2: the square of 2; 8 min left")
    assert told[2] == "2 of 2: the square of 3; 0 s left"


def test_the_time_of_all_studies_is_told_beside_that_of_one(log: Path) -> None:
    mine, others = [cell(1, log), cell(2, log)], [of_kind("another study", weight=1e7)]
    told: list[str] = []
    overall = Progress([*mine, *others], Forecast())
    run_cells(mine, CellFiles(None, Square), tell=told.append, overall=overall)
    assert re.fullmatch(r"2 of 2: .*; 0 s left, .* (s|min|h) of all studies", told[-1])
    assert " 0 s of all" not in told[-1]
