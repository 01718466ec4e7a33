"""What holds wherever workers run, shown with threads; and the same with real processes."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.jobs import Squares, ThreadExecutor
from medfuncta._src.cluster import crew as crew_module
from medfuncta._src.cluster.crew import Crew, crew_of
from medfuncta._src.cluster.executors import executor_of
from medfuncta._src.cluster.worker import WorkerLost
from medfuncta._src.errors import ConfigError, DataError, MedFunctaError

COUNT = 40


def results(executor: ThreadExecutor, tasks: Any, folder: Path, count: int = 3) -> list[Any]:
    with Crew(executor, count, Squares(folder)) as crew:
        return list(crew.in_order(tasks))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_result_comes_once_and_in_order_whatever_takes_long_and_dies(
    count: int, tmp_path: Path
) -> None:
    draws = random.Random(count)
    delays = {task: draws.uniform(0, 0.01) for task in range(COUNT)}
    mortal = set(draws.sample(range(COUNT), 9))
    executor = ThreadExecutor(
        dies=lambda task, tries: task in mortal and tries < 2,
        slow=lambda task, tries: delays[task],
    )
    assert results(executor, range(COUNT), tmp_path, count) == [n**2 for n in range(COUNT)]
    assert sum(executor.tries.values()) == COUNT + 2 * len(mortal)


def test_a_task_that_every_worker_dies_of_is_given_up_in_one_line(tmp_path: Path) -> None:
    executor = ThreadExecutor(dies=lambda task, tries: task == 5)
    seen: list[int] = []
    with (
        Crew(executor, 2, Squares(tmp_path)) as crew,
        pytest.raises(MedFunctaError, match=r"3 workers died of the same block.*told to.*kept"),
    ):
        seen.extend(crew.in_order(range(COUNT)))
    assert executor.tries[5] == 3
    assert crew.lost == 3


def test_what_came_before_a_mistake_is_not_lost(tmp_path: Path) -> None:
    def reading() -> Iterator[int]:
        yield from range(7)
        raise DataError("file 7 is bad")

    for tasks, error in ((reading(), "file 7 is bad"), ([*range(7), "mistake"], "mend it")):
        seen: list[int] = []
        with (
            Crew(ThreadExecutor(), 3, Squares(tmp_path)) as crew,
            pytest.raises(DataError, match=error),
        ):
            for result in crew.in_order(tasks):
                seen.append(result)
        assert seen == [n**2 for n in range(7)]


def test_a_bug_in_the_work_is_shown_with_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)a worker failed.*ZeroDivisionError: a bug"):
        results(ThreadExecutor(), ["bug"], tmp_path)


def test_no_more_tasks_are_asked_for_than_there_is_room_for(tmp_path: Path) -> None:
    asked = 0

    def tasks() -> Iterator[int]:
        nonlocal asked
        while asked < COUNT:
            asked += 1
            yield asked

    with Crew(ThreadExecutor(), 2, Squares(tmp_path)) as crew:
        for taken, _ in enumerate(crew.in_order(tasks())):
            assert asked - taken <= 6
    assert asked == COUNT


def test_a_stream_that_is_left_is_forgotten_and_the_next_one_goes_on(tmp_path: Path) -> None:
    executor = ThreadExecutor(slow=lambda task, tries: 0.02)
    with Crew(executor, 2, Squares(tmp_path)) as crew:
        first = crew.in_order(range(COUNT))
        assert next(first) == 0
        first.close()
        assert list(crew.in_order([10, 11])) == [100, 121]
    assert len(executor.tries) < 12


def test_a_worker_that_hangs_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "_SLOW_SECONDS", 0.05)
    monkeypatch.setattr(crew_module, "_LOOK", 0.02)
    executor = ThreadExecutor(slow=lambda task, tries: 2.0 if task == 3 and not tries else 0.0)
    with Crew(executor, 2, Squares(tmp_path)) as crew:
        began = time.monotonic()
        assert list(crew.in_order(range(9))) == [n**2 for n in range(9)]
        assert time.monotonic() - began < 1.5
    assert executor.tries[3] == 2


def test_workers_that_cannot_begin_are_no_endless_matter(tmp_path: Path) -> None:
    class Stillborn(ThreadExecutor):
        def start(self, place: int, job: Any) -> Any:
            raise WorkerLost("it ended with code 1")

    with pytest.raises(MedFunctaError, match=r"cannot be started .it ended with code 1"):
        results(Stillborn(), range(3), tmp_path)
    with (
        Crew(ThreadExecutor(), 2, Squares(tmp_path, fail_to_begin=True)) as crew,
        pytest.raises(DataError, match=r"it cannot begin"),
    ):
        list(crew.in_order(range(3)))


def test_real_processes_die_and_are_replaced_and_none_is_left(tmp_path: Path) -> None:
    tasks = [1, "die once", "pid", 2, "bug"]
    with crew_of(2, None, lambda: Squares(tmp_path)) as crew:
        assert crew is not None
        stream = crew.in_order(tasks)
        assert [next(stream), next(stream)] == [1, "die once"]
        pid = next(stream)
        assert pid != os.getpid()
        assert next(stream) == 4
        with pytest.raises(RuntimeError, match=r"ZeroDivisionError"):
            next(stream)
        assert crew.lost == 1
        with pytest.raises(MedFunctaError, match=r"3 workers died.*SIGKILL"):
            list(crew.in_order(["die"]))
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.05)


@dataclass(frozen=True)
class Large(Squares):
    """More than fits into a pipe that nobody reads."""

    ballast: bytes = bytes(2**20)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_processes_that_are_killed_while_they_start_hold_nobody_up(tmp_path: Path) -> None:
    killed: set[int] = set()

    def kill_newborn() -> None:
        while len(killed) < 6:
            for pid in children() - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)

    thread = threading.Thread(target=kill_newborn, daemon=True)
    with crew_of(1, None, lambda: Large(tmp_path)) as crew:
        assert crew is not None
        thread.start()
        assert list(crew.in_order([1, 2])) == [1, 4]
    assert len(killed) == 6


def children() -> set[int]:
    """Workers that this process has spawned."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"spawn_main" in (path / "cmdline").read_bytes():
                found.add(int(path.name))
    return found


@pytest.mark.parametrize(
    ("count", "cluster", "error"),
    [
        (0, None, "0 workers; expected 1 to"),
        (5000, None, "5000 workers; expected 1 to"),
        (2, "slurm", "no cluster 'slurm'; expected local, ray or ray:ADDRESS"),
        (2, "rai", "did you mean 'ray'"),
        (2, "local:here", "takes no address"),
    ],
)
def test_what_is_no_crew_is_refused(
    count: int, cluster: str | None, error: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(ConfigError, match=error),
        crew_of(count, cluster, lambda: Squares(tmp_path)),
    ):
        pass


def test_nobody_who_asks_for_nothing_gets_a_crew(tmp_path: Path) -> None:
    with crew_of(None, None, lambda: Squares(tmp_path)) as crew:
        assert crew is None
    assert executor_of("local", None).usual_count() == os.cpu_count()
