"""The parts of a view: files of JavaScript that hand bytes to the page and do nothing else.

A page that was opened from disk may load scripts, and nothing but scripts. What a part holds is
text of base64 between quotation marks, so that no word of the data is ever read as code.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.disk.places import place

ASSETS: Final = files("medfuncta._src.tasks.view") / "assets"
"""The page as it was built of ``viewer/``."""
PAGE_FILE: Final = "index.html"
_DATA: Final = "data"
_NAME: Final = re.compile(r"[a-z]+(-[0-9]{5})?")


class PartWriter:
    """Writes the parts of a view below its folder.

    Args:
        folder: Of the view.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bytes = 0

    def write(self, name: str, content: bytes) -> None:
        """Write one part.

        Args:
            name: Letters, and a number of five digits behind a dash where there are several.
            content: What the page is given.
        """
        assert _NAME.fullmatch(name), name
        text = f'medfunctaPart("{name}","{base64.b64encode(content).decode("ascii")}");\n'
        path = place(self._folder, _DATA, f"{name}.js")
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="ascii"))
        self.bytes += len(text)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write plain data; NaN and Inf are refused."""
        self.write(name, json.dumps(content, allow_nan=False).encode("ascii"))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a table as Parquet, in one piece and in encodings that every reader knows."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="snappy", row_group_size=max(1, len(table)))
        self.write(name, buffer.getvalue())

    def write_page(self) -> None:
        """Write the page itself, its code and what runs the field."""
        for name in ("viewer.js", "viewer.css"):
            self._copy(ASSETS.joinpath(name).read_bytes(), "assets", name)
        packed = ASSETS.joinpath("runtime.wasm.gz").read_bytes()
        self.write("runtime", packed)
        self._copy(ASSETS.joinpath(PAGE_FILE).read_bytes(), PAGE_FILE)

    def _copy(self, content: bytes, *names: str) -> None:
        path = place(self._folder, *names)
        write_atomically(path, lambda temporary: temporary.write_bytes(content))
        self.bytes += len(content)


def read_part(folder: Path, name: str) -> bytes:
    """What a part of a view holds that was written here.

    Raises:
        KeyError: If there is none of this name, whatever it is.
    """
    if not _NAME.fullmatch(name):
        raise KeyError(name)
    path = place(folder, _DATA, f"{name}.js")
    if not path.is_file():
        raise KeyError(name)
    _, _, text = path.read_text(encoding="ascii").partition(f'"{name}","')
    return base64.b64decode(text.removesuffix('");\n'))


def part_name(kind: str, number: int) -> str:
    """The name of one of several parts of a kind.

    >>> part_name("rows", 7)
    'rows-00007'
    """
    return f"{kind}-{number:05d}"
