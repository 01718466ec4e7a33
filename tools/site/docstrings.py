"""Docstrings as the site shows them: roles become code, and examples blocks of code."""

from __future__ import annotations

import re
from typing import Any, Final

import griffe

_ROLE: Final = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")
_EXAMPLE: Final = re.compile(r"(?:^[ ]*>>> .*\n(?:^[ ]*\S.*\n?)*)", re.MULTILINE)


def as_markdown(text: str) -> str:
    """A docstring without what only Sphinx understands.

    >>> as_markdown("What :class:`~medfuncta._src.run.Run` says.")
    'What `Run` says.'
    >>> as_markdown("Adds.\\n\\n>>" + "> 1 + 1\\n2\\n").splitlines()
    ['Adds.', '', '```python', '>>> 1 + 1', '2', '```']
    """
    text = _ROLE.sub(r"`\1`", text)
    return _EXAMPLE.sub(lambda found: f"```python\n{found[0].rstrip()}\n```\n", text)


class Docstrings(griffe.Extension):
    """Rewrites every docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
