"""Tables for the terminal."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def rendered(renderable: Any) -> str:
    """What rich would print, as text: coloured on a terminal, plain in a file."""
    from rich.console import Console

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 120
    console = Console(file=io.StringIO(), width=width, force_terminal=sys.stdout.isatty())
    console.print(renderable)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> str:
    """A table whose first column is text and whose others are numbers, aligned to the right."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    result = Table(
        box=box.SIMPLE_HEAD,
        title=escape(title) or None,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    for number, name in enumerate(header):
        result.add_column(escape(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        result.add_row(*map(escape, row))
    return rendered(result)


def facts(entries: Mapping[str, object]) -> str:
    """Names and what they are, one a line."""
    from rich.markup import escape
    from rich.table import Table

    result = Table.grid(padding=(0, 3))
    result.add_column(style="dim", no_wrap=True)
    result.add_column(overflow="fold")
    for name, value in entries.items():
        result.add_row(escape(name), escape(str(value)))
    return rendered(result)
