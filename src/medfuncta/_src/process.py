"""Settings of the whole process, which the command line makes and a library leaves to its user."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from medfuncta._src.errors import ConfigError

_MALLOC_SETTINGS: Final = {  # numbers of <malloc.h>
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: free memory to keep
    -3: 2**25,  # M_MMAP_THRESHOLD: blocks to keep, at glibc's upper limit
    -8: 1,  # M_ARENA_MAX: what one thread has freed, another can use
}

_SHOWN: Final = 40
"""Characters of a variable that an error shows."""
_SOON: Final = 0.01
"""Seconds after which an interruption that was dropped is sent again."""
_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


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


def switched_on(name: str, *, default: bool = False) -> bool:
    """Whether a variable of the environment says 1; the default where it is unset or empty.

    Raises:
        ConfigError: If it says something else than 0 or 1.
    """
    told = os.environ.get(name, "")
    if told not in ("", "0", "1"):
        raise ConfigError(f"the variable {name} is {told[:_SHOWN]!r}; expected 0 or 1")
    return told == "1" if told else default


def use_one_thread() -> None:
    """Let PyTorch compute with one thread, where something has imported it: for processes of which
    there is one a core."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@dataclass
class Stop:
    """Whether somebody has asked this process to stop.

    Args:
        by: Which of the system's signals said so; None as long as none did.
    """

    by: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that such a signal has ended: 130 or 143."""
        return 128 + (self.by or signal.SIGINT)

    @property
    def cause(self) -> str:
        """In a person's words."""
        if self.by is signal.SIGTERM:
            return "SIGTERM"
        return "Ctrl-C"


@contextmanager
def stopping() -> Iterator[Stop]:
    """Within, SIGINT (Ctrl-C) and SIGTERM (a batch system, ``kill``) interrupt what is done and are
    noted: what was begun is cleaned up, and whatever a library makes of the interruption, it is
    known for one.

    Outside of the main thread, which alone is sent signals, nothing changes.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def interrupt(number: int, frame: Any) -> None:
        del frame
        stop.by = stop.by or signal.Signals(number)
        raise KeyboardInterrupt

    told = sys.unraisablehook

    def again(lost: Any) -> None:
        """An interruption that fell into a callback, where Python drops it, is sent again."""
        if stop.by is None or not issubclass(lost.exc_type, KeyboardInterrupt):
            told(lost)
            return
        threading.Timer(_SOON, os.kill, (os.getpid(), stop.by)).start()

    before = {number: signal.signal(number, interrupt) for number in _STOPS}
    sys.unraisablehook = again
    try:
        yield stop
    finally:
        sys.unraisablehook = told
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within, SIGINT and SIGTERM are noted; what they do, they do at the end: what must happen
    whole, such as an update of weights or a last checkpoint, is not cut in two.

    Outside of the main thread, which alone is sent signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda of, _: came.append(of)) for number in _STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in came[:1]:
            signal.raise_signal(number)
