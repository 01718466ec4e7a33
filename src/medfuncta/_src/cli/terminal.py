"""What a person reads in the terminal: tables, facts, and lines of progress.

All that commands print goes through :func:`say`, :func:`tell` and :func:`safely`, and text that
came from files is made printable there: ids, names of classes, units, licences, keys and reasons
could move the cursor, write to the clipboard or turn the direction of writing.
"""

from __future__ import annotations

import io
import logging
import re
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from medfuncta._src.door.wording import counted, printable, shortened
from medfuncta._src.status import status_hidden

if TYPE_CHECKING:
    from medfuncta._src.tasks.heads.intervals import Interval


_EMPHASIS: Final = re.compile("(\x1b\\[[0-2](?:;[0-2])*m)")
"""Bold, dim and neither: what tables and facts use on a terminal."""


def safe_lines(text: str, *, emphasis: bool) -> str:
    """Lines for the terminal without what would move its cursor or ring its bell: ids, names of
    classes and reasons are other people's text.

    Args:
        text: The lines.
        emphasis: Whether bold and dim may stay.

    >>> safe_lines("two\\n\\x1b[2Jlines", emphasis=False)
    'two\\n [2Jlines'
    """
    lines = []
    for line in text.split("\n"):
        parts = [line]
        if emphasis:
            parts = _EMPHASIS.split(line)  # every second part is one of the codes
        safe = [printable(part) for part in parts]
        safe[1::2] = parts[1::2]
        lines.append("".join(safe))
    return "\n".join(lines)


def _rendered(renderable: Any) -> str:
    """What rich would print, as text: coloured on a terminal, plain in a file."""
    from rich.console import Console

    width = 120
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=sys.stdout.isatty())
    console.print(renderable)
    return text.getvalue().rstrip()


def table(header: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> str:
    """A table whose first column is text and whose others are numbers, aligned to the right."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    result = Table(
        box=box.SIMPLE_HEAD,
        title=escape(printable(title)) or None,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    first, *others = header
    result.add_column(escape(printable(first)), justify="left", overflow="fold")
    for name in others:
        result.add_column(escape(printable(name)), justify="right", overflow="fold")
    for row in rows:
        result.add_row(*(escape(printable(cell)) for cell in row))
    return _rendered(result)


def facts(entries: Mapping[str, object]) -> str:
    """Names and what they are, one a line."""
    from rich.markup import escape
    from rich.table import Table

    result = Table.grid(padding=(0, 3))
    result.add_column(style="dim", no_wrap=True)
    result.add_column(overflow="fold")
    for name, value in entries.items():
        result.add_row(escape(printable(name)), escape(printable(str(value))))
    return _rendered(result)


def remark_lines(remarks: Iterable[str]) -> str:
    """Remarks on data as lines to put behind a text.

    >>> remark_lines(["one", "two"])
    '\\n! one\\n! two'
    """
    return "".join(f"\n! {remark}" for remark in remarks)


def counts_text(counts: Mapping[str, int]) -> str:
    """Counts with their names in one line.

    >>> counts_text({"train": 1200, "test": 30})
    '1,200 train, 30 test'
    """
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def left_out_lines(counts: Mapping[str, int]) -> list[str]:
    """How many signals a task could not use, a line for each reason.

    >>> left_out_lines({"without a label": 1200})
    ['left out: 1,200 signals without a label']
    """
    return [f"left out: {counted(count, 'signal')} {reason}" for reason, count in counts.items()]


def interval_text(interval: Interval, value: str, ends: str) -> str:
    """A value and the ends of its interval, in these formats; "undefined" where it is."""
    if interval.value is None:
        return "undefined"
    return f"{interval.value:{value}} [{interval.low:{ends}}, {interval.high:{ends}}]"


def say(text: str) -> None:
    """A result on standard output; bold and dim may stay where it is a terminal."""
    with status_hidden():
        sys.stdout.write(safe_lines(text, emphasis=sys.stdout.isatty()) + "\n")
        sys.stdout.flush()


def tell(line: str) -> None:
    """A line of progress on standard error, where it never mixes with a result."""
    with status_hidden():
        sys.stderr.write(f"{printable(line)}\n")
        sys.stderr.flush()


@contextmanager
def safely() -> Iterator[None]:
    """Within, warnings of libraries, which may quote a file, come as lines of progress, and what
    they log is not shown."""
    silent = logging.NullHandler()
    logging.getLogger().addHandler(silent)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _tell_warning
            yield
    finally:
        logging.getLogger().removeHandler(silent)


def _tell_warning(message: Warning | str, *_: object, **__: object) -> None:
    tell(shortened(f"warning: {' '.join(str(message).split())}"))
