"""Settings of the whole process, which the command line makes and a library leaves to its user."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Final

_MALLOC_SETTINGS: Final = {  # numbers of <malloc.h>
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: free memory to keep
    -3: 2**25,  # M_MMAP_THRESHOLD: blocks to keep, at glibc's upper limit
    -8: 1,  # M_ARENA_MAX: what one thread has freed, another can use
}


@cache
def keep_freed_memory() -> None:
    """Ask the C library (glibc) to keep freed blocks instead of handing them back to the system.

    A meta-step frees and allocates the same activations again and again. Handing them back costs a
    page fault for every 4 KiB of them; keeping them changes no peak. The commands call this first;
    a program that trains or fits through Python may, before its first tensor. It holds for the
    whole process and cannot be taken back; on other systems than Linux it does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in _MALLOC_SETTINGS.items():
        mallopt(parameter, value)
