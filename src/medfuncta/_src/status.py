"""The line that a terminal shows while a command says nothing, so that nobody wonders whether it
works."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

_EVERY: Final = 1.0
"""Seconds between two looks of the line."""
_ERASE: Final = "\r\x1b[K"


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

    def _show_on(self) -> None:
        while not self._over.wait(self._every):
            self._show()

    def _show(self) -> None:
        with self._lock:
            if self._hidden or self._over.is_set():
                return
            seconds = monotonic() - self._began
            self._write(f"{_ERASE}{self._what}: working, {seconds:.0f} s")

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
def status_hidden() -> Iterator[None]:
    """Within, the status line makes room for what is printed."""
    if _current is None:
        yield
        return
    with _current.hidden():
        yield
