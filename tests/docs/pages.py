"""The pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = sorted(DOCS.rglob("*.md"))
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Args:
        language: What stands behind its fence.
        code: What stands in it.
    """

    language: str
    code: str


def named(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def blocks(page: Path) -> list[Block]:
    """Every block of a page, in its order."""
    return [Block(*found) for found in _FENCE.findall(page.read_text())]


def commands(block: Block) -> list[list[str]]:
    """The lines of a block for a shell, as words: of what is to be run (bash), or is shown behind
    a prompt (console)."""
    found = []
    for line in block.code.replace("\\\n", " ").splitlines():
        if block.language == "console":
            line = line.removeprefix("$ ").partition(" > ")[0]
        words = shlex.split(line, comments=True)
        if words:
            found.append(words)
    return found


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", page.read_text())
