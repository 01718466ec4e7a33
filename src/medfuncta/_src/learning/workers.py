"""Using every core: several signals side by side, one thread each.

The matrices of a field are small: a product shared by two threads spends much of its time on
sharing. Groups of signals need not wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Result = TypeVar("Result")


def workers_for(device: torch.device) -> int:
    """How many groups of signals are worth having under way at once: PyTorch's thread count on the
    CPU, else 1."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def side_by_side(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
    """Results of the tasks in their order, each task on a thread and a core of its own.

    PyTorch lets go of the interpreter inside its operations, so threads are enough. Its thread
    count is 1 while they run and what it was afterwards.
    """
    if len(tasks) == 1:
        return [tasks[0]()]
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(
            len(tasks), initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            return [future.result() for future in [pool.submit(task) for task in tasks]]
    finally:
        torch.set_num_threads(threads)
