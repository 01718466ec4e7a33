"""Reading a view back, as its page does."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

PART: Final = re.compile(r'medfunctaPart\("([a-z]+(?:-[0-9]{5})?)","([A-Za-z0-9+/=]*)"\);\n')
"""All that a file of data may hold."""
HOSTILE: Final = (
    '</script><script>alert("script")</script>',
    '<img src=x onerror="document.title=1">',
    "=HYPERLINK(\"http://evil.example/\";'x')",
    '");alert(1);("',
    "\u202egnp.exe \u2066 \x07",
    "__proto__",
)
"""Texts that a page could take for markup, a script for code, and a table for a formula."""


def part(folder: Path, name: str) -> bytes:
    """What a file of data hands over."""
    match = PART.fullmatch((folder / "data" / f"{name}.js").read_text("ascii"))
    assert match is not None and match[1] == name
    return base64.b64decode(match[2])


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads(part(folder, "manifest"))


def table(folder: Path, kind: str) -> pa.Table:
    """All parts of a kind, one behind the other."""
    names = sorted(path.stem for path in (folder / "data").glob(f"{kind}-*.js"))
    return pa.concat_tables([pq.read_table(io.BytesIO(part(folder, name))) for name in names])
