"""Cells of a study, one after the other or side by side in processes, with the time left."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import torch

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.studies.cells import Cell, CellFiles, Measurement
from medfuncta._src.studies.forecast import Forecast, Progress

Tell = Callable[[str], None]
Attempt: TypeAlias = Measurement | str
"""What came of a cell: its numbers, or why there are none."""
_KILLED: Final = "the process that measured it was killed"
_NO_MEMORY: Final = "there was too little memory"
_NAMED: Final = 3
"""Cells that a message names."""


class CellsFailed(MedFunctaError):
    """Some cells could not be measured; the others are kept."""


def run_cells(
    cells: Sequence[Cell],
    files: CellFiles,
    *,
    workers: int = 1,
    tell: Tell = lambda line: None,
    overall: Progress | None = None,
) -> list[Any]:
    """The numbers of every cell, in their order. Each is kept as soon as it is known, so that a
    kill loses no more than the cells under way.

    A cell whose process is killed is tried once more when all others are done, with the machine to
    itself. What cannot be measured then is named at the end; it does not keep others from it.

    Args:
        cells: What to measure; equal ones are measured once.
        files: Where finished ones are.
        workers: Processes side by side; 1 measures in this one. The threads of the machine are
            shared out among them.
        tell: Told a line after each cell.
        overall: Of all studies that are done, of which this is one.

    Raises:
        CellsFailed: If there are cells that could not be measured.
        MedFunctaError: If the data or the settings of a cell are at fault.
    """
    different = {cell.digest: cell for cell in cells}
    forecast, todo = Forecast(), []
    for cell in different.values():
        if files.get(cell) is None:
            todo.append(cell)
        else:
            forecast.learn(cell, files.seconds(cell))
    if len(todo) < len(different):
        tell(f"{len(different) - len(todo)} of {len(different)} cells are finished already")
    progress = Progress(todo, forecast)
    failed: dict[str, str] = {}
    for number, (cell, attempt) in enumerate(_attempts(todo, workers), start=1):
        place = f"{number} of {len(todo)}: {cell.name}"
        if isinstance(attempt, str):
            failed[cell.name] = attempt
            tell(f"{place}: failed, since {attempt}")
            continue
        files.put(cell, attempt)
        line = f"{place}; {_left(progress, cell, attempt, workers)} left"
        if overall is not None:
            line += f", {_left(overall, cell, attempt, workers)} of all studies"
        tell(line)
    if failed:
        raise _of_failures(failed)
    return [files.get(cell) for cell in cells]


def _left(progress: Progress, cell: Cell, measured: Measurement, workers: int) -> str:
    progress.done(cell, measured.seconds)
    return progress.left(workers)


def _of_failures(failed: dict[str, str]) -> CellsFailed:
    named = [f"{name} ({reason})" for name, reason in list(failed.items())[:_NAMED]]
    if len(failed) > _NAMED:
        named.append(f"{len(failed) - _NAMED} more")
    return CellsFailed(
        f"{counted(len(failed), 'cell')} could not be measured: {'; '.join(named)}; all others are "
        "kept; start the same command again, with fewer --workers or more memory"
    )


def _attempts(cells: Sequence[Cell], workers: int) -> Iterator[tuple[Cell, Attempt]]:
    """Cells with what came of them, as they finish."""
    if workers == 1 or len(cells) < 2:
        for cell in cells:
            yield cell, _attempt(cell)
        return
    killed = []
    for cell, attempt in _side_by_side(cells, min(workers, len(cells))):
        if attempt == _KILLED:
            killed.append(cell)
        else:
            yield cell, attempt
    for cell in killed:
        yield from _side_by_side([cell], 1)


def _attempt(cell: Cell) -> Attempt:
    try:
        return cell.measured()
    except (MemoryError, torch.OutOfMemoryError):
        return _NO_MEMORY


def _side_by_side(cells: Sequence[Cell], workers: int) -> Iterator[tuple[Cell, Attempt]]:
    """Cells with what came of them; each process has a pool of its own, so that it is known which
    cell it was killed by."""
    waiting = deque(cells)
    with _pools(workers) as pools:
        idle = list(range(workers))
        under_way: dict[Future[Attempt], tuple[int, Cell]] = {}
        while waiting or under_way:
            while waiting and idle:
                place, cell = idle.pop(), waiting.popleft()
                under_way[pools[place].submit(_attempt, cell)] = (place, cell)
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                place, cell = under_way.pop(future)
                try:
                    attempt = future.result()
                except BrokenProcessPool:
                    attempt = _KILLED
                    pools[place].shutdown()
                    pools[place] = _pool(workers)
                idle.append(place)
                yield cell, attempt


@contextmanager
def _pools(workers: int) -> Iterator[list[ProcessPoolExecutor]]:
    """Fresh processes. Whatever ends the block early ends them too: no cell goes on behind the back
    of whoever stopped the command."""
    others = set(multiprocessing.active_children())
    pools = [_pool(workers) for _ in range(workers)]
    try:
        yield pools
    except BaseException:
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    """One process, of so many."""
    context = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
    threads = _threads_each(workers)
    return ProcessPoolExecutor(1, context, initializer=_begin, initargs=(threads,))


def _begin(threads: int) -> None:
    """Prepare a worker: it leaves signals of the terminal to the process that started it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


def _threads_each(workers: int) -> int:
    """Threads of a worker: those that PyTorch would take here, shared out."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(torch.get_num_threads(), (cores or 1) // workers))
