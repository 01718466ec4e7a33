"""Cells of a study, one after the other or side by side in processes, with the time left."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Final

from medfuncta._src.errors import MedFunctaError
from medfuncta._src.studies.cells import Cell, CellFiles

Tell = Callable[[str], None]
_MINUTE: Final = 60.0


def run_cells(
    cells: Sequence[Cell], files: CellFiles, *, workers: int = 1, tell: Tell = lambda line: None
) -> list[Any]:
    """The numbers of every cell, in their order. Each is kept as soon as it is known, so that a
    kill loses no more than the cells under way.

    Args:
        cells: What to measure; equal ones are measured once.
        files: Where finished ones are.
        workers: Processes side by side; 1 measures in this one. The threads of the machine are
            shared out among them.
        tell: Told a line after each cell.

    Raises:
        MedFunctaError: If a cell fails, or a worker is killed.
    """
    missing = {cell.digest: cell for cell in cells if files.get(cell) is None}
    progress = _Progress(len({cell.digest for cell in cells}), len(missing), tell)
    todo = list(missing.values())
    if workers == 1 or len(todo) < 2:
        for cell in todo:
            files.put(cell, cell.measured())
            progress.done(cell)
    else:
        for cell, numbers in _in_processes(todo, min(workers, len(todo))):
            files.put(cell, numbers)
            progress.done(cell)
    return [files.get(cell) for cell in cells]


def _in_processes(cells: Sequence[Cell], workers: int) -> Iterator[tuple[Cell, Any]]:
    """Cells with their numbers, as they finish."""
    threads = _threads_each(workers)
    with _pool(workers, threads) as pool:
        under_way = {pool.submit(_measured, cell): cell for cell in cells}
        for future in as_completed(under_way):
            try:
                numbers = future.result()
            except BrokenProcessPool:
                raise MedFunctaError(
                    "a process that measured a cell was killed, perhaps for want of memory; start "
                    "the same command again, with fewer --workers"
                ) from None
            yield under_way[future], numbers


@contextmanager
def _pool(workers: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes. Whatever ends the block early ends them too: no cell goes on behind the back
    of whoever stopped the command."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(threads,))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    """Prepare a worker: it leaves signals of the terminal to the process that started it."""
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


def _measured(cell: Cell) -> dict[str, Any]:
    return cell.measured()


def _threads_each(workers: int) -> int:
    """Threads of a worker: those that PyTorch would take here, shared out."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(torch.get_num_threads(), (cores or 1) // workers))


class _Progress:
    """Lines that say how far a study is.

    Args:
        cells: All of them.
        missing: Those that are still to be measured.
        tell: Told each line.
    """

    def __init__(self, cells: int, missing: int, tell: Tell) -> None:
        self._missing = missing
        self._finished = 0
        self._tell = tell
        self._began = time.perf_counter()
        if missing < cells:
            tell(f"{cells - missing} of {cells} cells are finished already")

    def done(self, cell: Cell) -> None:
        """One more is finished."""
        self._finished += 1
        passed = time.perf_counter() - self._began
        left = passed / self._finished * (self._missing - self._finished)
        self._tell(f"{self._finished} of {self._missing}: {cell.name}; {_in_words(left)} left")


def _in_words(seconds: float) -> str:
    """A time for a person.

    >>> _in_words(42.3), _in_words(200)
    ('42 s', '3 min')
    """
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min"
