"""Using every core: several signals side by side, one thread each.

The matrices of a field are small: a product shared by two threads spends much of its time on
    sharing. Groups of signals need not wait
for each other.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, TypeVar

import torch

Result = TypeVar("Result")

_MALLOC_SETTINGS: Final = {  # numbers of <malloc.h>
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: free memory to keep
    -3: 2**25,  # M_MMAP_THRESHOLD: blocks to keep, at glibc's upper limit
    -8: 1,  # M_ARENA_MAX: what one thread has freed, another can use
}


def workers_for(device: torch.device) -> int:
    """How many groups of signals are worth having under way at once: PyTorch's thread count on the
    CPU, else 1."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def side_by_side(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
    """Results of the tasks in their order, each task on a thread and a core of its own.

    PyTorch lets go of the interpreter inside its operations, so threads are enough. Its thread
    count is 1 while they run and what it was afterwards.
    """
    keep_freed_memory()
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


@cache
def keep_freed_memory() -> None:
    """Ask the C library (glibc) to keep freed blocks instead of handing them back to the system.

    A meta-step frees and allocates the same activations again and again. Handing them back costs a
    page fault for every 4 KiB of them; keeping them changes no peak.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            for parameter, value in _MALLOC_SETTINGS.items():
                mallopt(parameter, value)
