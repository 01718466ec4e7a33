"""Files of tensors that are the same, byte for byte, whenever the same is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from safetensors.torch import save_file
from torch import Tensor

from medfuncta._src.disk.atomic import write_atomically

_LENGTH_BYTES: Final = 8
"""Of the number at the beginning of a safetensors file: how long its header is."""
_NOTES: Final = "__metadata__"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Write a safetensors file whole or not at all, its notes in the order of their names:
    safetensors itself writes them in another order each time.

    Raises:
        MedFunctaError: If it cannot be written.
    """

    def write(temporary: Path) -> None:
        save_file(dict(tensors), temporary, metadata=dict(notes))
        _sort_notes(temporary)

    write_atomically(path, write)


def _sort_notes(temporary: Path) -> None:
    """Write the header of a file again, with its notes in order, in its own place."""
    with temporary.open("rb+") as file:
        size = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        header = json.loads(file.read(size))
        header[_NOTES] = dict(sorted(header[_NOTES].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= size:  # as long as it was, unless letters are written in another way
            file.seek(_LENGTH_BYTES)
            file.write(text.ljust(size))
