"""The line that a terminal shows while a command says nothing, so that nobody wonders whether it
works."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, TypeVar

Item = TypeVar("Item")

_EVERY: Final = 1.0
"""Seconds between two looks of the line."""
_ERASE: Final = "\r\x1b[K"


@dataclass(eq=False)
class _Step:
    """A part of what is going on.

    Args:
        what: In words.
        done: Things that are done; None where none are counted.
    """

    what: str
    done: int | None = None

    def __str__(self) -> str:
        if self.done is None:
            return self.what
        return f"{self.what}, {self.done:,} done"


class StatusLine:
    """What is going on and for how many seconds, on one line that is written over and over and
    leaves no trace. :meth:`hidden` makes room for whatever else is printed.

    Args:
        stream: The terminal, to which text can be written.
        what: What is going on.
        every: Seconds between two looks.
    """

    def __init__(self, stream: Any, what: str, every: float = _EVERY) -> None:
        self._stream = stream
        self._what = what
        self._every = every
        self._began = monotonic()
        self._hidden = 0
        self._steps: list[_Step] = []
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show_on, name="status", daemon=True)

    def start(self) -> None:
        """Show it, at once."""
        self._show()
        self._thread.start()

    def stop(self) -> None:
        """Take it away for good."""
        with self._lock:
            self._over.set()
            self._erase()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Within, the line is not there."""
        with self._lock:
            self._hidden += 1
            self._erase()
        try:
            yield
        finally:
            with self._lock:
                self._hidden -= 1

    @contextmanager
    def doing(self, step: _Step, *, at_once: bool = True) -> Iterator[None]:
        """Within, the line says that this part is being done: at once, or when it is next
        looked at."""
        with self._lock:
            self._steps.append(step)
        if at_once:
            self._show()
        try:
            yield
        finally:
            with self._lock:
                self._steps.remove(step)

    def _show_on(self) -> None:
        while not self._over.wait(self._every):
            self._show()

    def _show(self) -> None:
        with self._lock:
            if self._hidden or self._over.is_set():
                return
            seconds = monotonic() - self._began
            step = self._steps[-1] if self._steps else "working"
            self._write(f"{_ERASE}{self._what}: {step}, {seconds:.0f} s")

    def _erase(self) -> None:
        self._write(_ERASE)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal has gone
            self._over.set()


_current: StatusLine | None = None


@contextmanager
def working_on(what: str) -> Iterator[None]:
    """Within, a terminal shows that something is going on whenever nothing else is printed; where
    standard error is no terminal, nothing is."""
    global _current
    if _current is not None or not sys.stderr.isatty():
        yield
        return
    line = StatusLine(sys.stderr, what)
    _current = line
    line.start()
    try:
        yield
    finally:
        _current = None
        line.stop()


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Within, the status line says that this is being done, where there is one.

    Args:
        what: In words of this program alone: no text of data.
    """
    if _current is None:
        yield
        return
    with _current.doing(_Step(what)):
        yield


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Gives what is to be called with how many things are done so far, which the status line shows
    within.

    Args:
        what: What is counted, in words of this program alone.
    """
    step = _Step(what, done=0)

    def show(done: int) -> None:
        step.done = done

    if _current is None:
        yield show
        return
    with _current.doing(step):
        yield show


def counted_on_line(items: Iterable[Item], what: str) -> Iterator[Item]:
    """The items; while the next one is waited for, the status line says how many there were.

    Args:
        items: Iterated once.
        what: What makes them, in words of this program alone.
    """
    step = _Step(what, done=0)
    coming = iter(items)
    while True:
        with ExitStack() as shown:
            if _current is not None:
                shown.enter_context(_current.doing(step, at_once=not step.done))
            try:
                item = next(coming)
            except StopIteration:
                return
        step.done = (step.done or 0) + 1
        yield item


@contextmanager
def status_hidden() -> Iterator[None]:
    """Within, the status line makes room for what is printed."""
    if _current is None:
        yield
        return
    with _current.hidden():
        yield
