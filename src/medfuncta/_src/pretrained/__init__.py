"""Runs that ship with the package, by name: small networks trained on public data.

Each is a folder here: the two files of a run, ``model_card.json`` and ``README.md``. Made by
``tools/train_pretrained.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import RunError, suggest

PREFIX: Final = "pretrained:"
"""How a text begins that names one of them, wherever a run's folder can stand."""
_HOME: Final = Path(__file__).parent


def pretrained_names() -> list[str]:
    """The names of all of them."""
    names = [path.parent.name for path in _HOME.glob("*/field.json")]
    return sorted(names)


def pretrained_folder(name: str) -> Path:
    """The folder of one, with its prefix or without.

    Raises:
        RunError: If there is none of this name; the nearest one is named.
    """
    bare = name.removeprefix(PREFIX)
    known = pretrained_names()
    if bare not in known:
        raise RunError(
            f"no pretrained field '{shortened(bare, 60)}'; {suggest(bare, known)}; 'medfuncta "
            "models' lists them"
        )
    return _HOME / bare
