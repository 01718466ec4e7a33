"""Ways to harm a file: what it is, the JSON in it, the tensors in it, the rows in it."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hostile.case import Case, lengthened

Key = tuple[str | int, ...]
DEPTH: Final = 100_000
SPARSE: Final = 3 * 2**30


class Literal(str):
    """JSON as it is to stand in the file."""

    __slots__ = ()


class _Gone:
    pass


GONE: Final = _Gone()
"""In place of a value: the key is taken out."""
DEEP: Final = Literal("[" * DEPTH + "]" * DEPTH)
DEEP_OBJECT: Final = Literal('{"a":' * DEPTH + "1" + "}" * DEPTH)
ENORMOUS: Final = Literal("1" + "0" * 400)


# --- what a file is


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _prose(path: Path) -> None:
    path.write_text("this is something else\n" * 9)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _gone(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _sparse(path: Path) -> None:
    os.truncate(path, SPARSE)


KINDS: Final[Mapping[str, Callable[[Path], None]]] = {
    "missing": _gone,
    "empty": _empty,
    "prose": _prose,
    "a folder": _folder,
    "a pipe": _pipe,
    "a device": _device,
    "a link to nowhere": _dangling,
    "a link to itself": _loop,
    "cut": _cut,
    "of three gigabytes": _sparse,
}
"""What a file may be instead."""

TEXTS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "with a byte order mark": lambda text: text.encode("utf-8-sig"),
    "in UTF-16": lambda text: text.encode("utf-16"),
    "not UTF-8": lambda text: text.encode().replace(b"a", b"\xff"),
}
"""What a text file may be encoded in."""


def turned(name: str, kind: str) -> Callable[[Path], None]:
    """The harm that turns a file into something else."""

    def harm(folder: Path) -> None:
        KINDS[kind](folder / name)

    return harm


def encoded(name: str, encoding: str) -> Callable[[Path], None]:
    """The harm that encodes a text file otherwise."""

    def harm(folder: Path) -> None:
        path = folder / name
        path.write_bytes(TEXTS[encoding](path.read_text(encoding="utf-8")))

    return harm


def link_cases(subject: str, name: str, commands: Sequence[str]) -> Iterator[Case]:
    """A sound file behind a link that leads out of its folder: read only where that is allowed."""
    names = [name.rpartition("/")[2], "link"]
    title = f"{name} of a {subject} is a link to a sound file elsewhere"
    yield Case(title, subject, linked(name), refused=commands, names=names)
    allowed = ("--follow-links",)
    yield Case(f"{title}, allowed", subject, linked(name), accepted=commands, words=allowed)


def linked(name: str) -> Callable[[Path], None]:
    """A link to a sound regular file of another name beside the folder."""

    def harm(folder: Path) -> None:
        path = folder / name
        blob = folder.with_name(f"{folder.name}-blobs")
        blob.mkdir()
        path.rename(blob / "0123abcd")
        path.symlink_to(blob / "0123abcd")

    return harm


# --- JSON


def edited(text: str, key: Key, value: Any) -> str:
    """JSON with one value replaced, added or (``GONE``) removed."""
    data = json.loads(text)
    if not key:
        return value if isinstance(value, Literal) else json.dumps(value)
    place = data
    for part in key[:-1]:
        place = place[part]
    if value is GONE:
        place.pop(key[-1], None)
        return json.dumps(data)
    if not isinstance(value, Literal):
        place[key[-1]] = value
        return json.dumps(data)
    place[key[-1]] = "@literal@"
    return json.dumps(data).replace('"@literal@"', value)


def json_set(name: str, *changes: tuple[Key, Any]) -> Callable[[Path], None]:
    """The harm that changes values of a JSON file."""

    def harm(folder: Path) -> None:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        for key, value in changes:
            text = edited(text, key, value)
        path.write_text(lengthened(text), encoding="utf-8")

    return harm


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    """The harm that replaces the first place of a text."""

    def harm(folder: Path) -> None:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return harm


def leaves(data: Any, key: Key = ()) -> list[tuple[Key, Any]]:
    """Every key of nested objects with its value, those of sections included."""
    found: list[tuple[Key, Any]] = []
    for name, value in data.items():
        found.append(((*key, name), value))
        if isinstance(value, dict):
            found += leaves(value, (*key, name))
    return found


NOT_A_NUMBER: Final[Mapping[str, Any]] = {
    "text": "8",
    "null": None,
    "a list": [8],
    "an object": {"a": 1},
    "true": True,
    "NaN": Literal("NaN"),
    "1e30": Literal("1e30"),
    "10**400": ENORMOUS,
    "negative": -3,
}
WRONG: Final[Mapping[str, Mapping[str, Any]]] = {
    "whole": {**NOT_A_NUMBER, "a fraction": 2.5},
    "number": {**NOT_A_NUMBER, "Infinity": Literal("Infinity"), "1e999": Literal("1e999")},
    "flag": {"text": "yes", "null": None, "a list": [True], "an object": {}, "a number": 1},
    "text": {"a number": 3, "null": None, "a list": ["a"], "an object": {}, "true": True},
    "list": {"text": "ab", "null": None, "a number": 3, "an object": {}, "true": True},
    "section": {"text": "ab", "null": None, "a number": 3, "a list": [1]},
}
"""Values that are never right, by the kind of value that is."""


def kind_of(value: Any) -> str:
    """The kind of a JSON value."""
    kinds = {
        bool: "flag",
        int: "whole",
        float: "number",
        str: "text",
        list: "list",
        dict: "section",
    }
    return kinds[type(value)]


# --- safetensors

SIZES: Final = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8}
SIZES |= {"I64": 8, "I32": 4, "U8": 1, "BOOL": 1}
Tensors = dict[str, dict[str, Any]]
"""Name to ``dtype``, ``shape`` and ``data`` (bytes)."""


def read_tensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Tensors and notes of a safetensors file."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    notes = header.pop("__metadata__", {})
    body = raw[8 + length :]
    tensors = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        tensors[name] = {"dtype": entry["dtype"], "shape": entry["shape"], "data": body[start:stop]}
    return tensors, notes


def write_tensors(path: Path, tensors: Tensors, notes: Any) -> None:
    """The inverse; types, shapes and notes may be anything."""
    header: dict[str, Any] = {"__metadata__": notes}
    body = b""
    for name, tensor in tensors.items():
        offsets = [len(body), len(body) + len(tensor["data"])]
        header[name] = {"dtype": tensor["dtype"], "shape": tensor["shape"], "data_offsets": offsets}
        body += tensor["data"]
    write_header(path, json.dumps(header).encode(), body)


def write_header(path: Path, header: bytes, body: bytes, length: int | None = None) -> None:
    """A safetensors file whose header may be anything and claim any length."""
    claimed = len(header) if length is None else length
    path.write_bytes(struct.pack("<Q", claimed) + header + body)


def tensors_changed(name: str, change: Callable[[Tensors], None]) -> Callable[[Path], None]:
    """The harm that changes tensors of a safetensors file."""

    def harm(folder: Path) -> None:
        tensors, notes = read_tensors(folder / name)
        change(tensors)
        write_tensors(folder / name, tensors, notes)

    return harm


def notes_changed(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """The harm that changes the notes in the header of a safetensors file."""

    def harm(folder: Path) -> None:
        tensors, notes = read_tensors(folder / name)
        change(notes)
        write_tensors(folder / name, tensors, notes)

    return harm


def header_changed(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """The harm that changes the header of a safetensors file and nothing else."""

    def harm(folder: Path) -> None:
        path = folder / name
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + length])
        change(header)
        write_header(path, json.dumps(header).encode(), raw[8 + length :])

    return harm


def cast(tensor: dict[str, Any], dtype: str) -> None:
    """The same numbers as another type, or zeros where NumPy does not know it."""
    count = int(np.prod(tensor["shape"]))
    known = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "C64": "<c8", "I64": "<i8", "I32": "<i4"}
    if dtype in known and tensor["dtype"] == "F32":
        numbers = np.frombuffer(tensor["data"], "<f4").astype(known[dtype])
        tensor["data"] = numbers.tobytes()
    else:
        tensor["data"] = bytes(count * SIZES[dtype])
    tensor["dtype"] = dtype


def filled_with(tensor: dict[str, Any], number: float) -> None:
    """The first number of a tensor replaced."""
    numbers = np.frombuffer(tensor["data"], "<f4").copy()
    numbers[0] = number
    tensor["data"] = numbers.tobytes()


# --- Parquet

NOTE: Final = b"medfuncta"


def read_shard(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Rows and the note of a shard."""
    with path.open("rb") as file:
        table = pq.read_table(file)
    return table, json.loads((table.schema.metadata or {})[NOTE])


def write_shard(path: Path, table: pa.Table, note: Any) -> None:
    """Rows with a note, which may be anything; none when it is None."""
    metadata = dict(table.schema.metadata or {})
    metadata.pop(NOTE, None)
    if note is not None:
        metadata[NOTE] = note if isinstance(note, bytes) else json.dumps(note).encode()
    pq.write_table(table.replace_schema_metadata(metadata), path)


def note_set(name: str, key: Key, value: Any) -> Callable[[Path], None]:
    """The harm that changes the note of a shard; with an empty key all of it."""

    def harm(folder: Path) -> None:
        table, note = read_shard(folder / name)
        text = edited(json.dumps(note), key, value)
        write_shard(folder / name, table, lengthened(text).encode())

    return harm


def table_changed(name: str, change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    """The harm that changes the columns of a shard."""

    def harm(folder: Path) -> None:
        table, note = read_shard(folder / name)
        write_shard(folder / name, change(table), note)

    return harm


def row_set(name: str, values: Mapping[str, Any], row: int = 0) -> Callable[[Path], None]:
    """The harm that changes one row of a shard and no type."""

    def harm(folder: Path) -> None:
        table, note = read_shard(folder / name)
        rows = deepcopy(table.to_pylist())
        for key, value in values.items():
            rows[row][key] = lengthened(value) if isinstance(value, str) else value
        write_shard(folder / name, pa.Table.from_pylist(rows, schema=table.schema), note)

    return harm


def column_of(table: pa.Table, name: str, values: Sequence[Any], kind: pa.DataType) -> pa.Table:
    """A table with one column replaced by these values."""
    index = table.schema.get_field_index(name)
    return table.set_column(index, pa.field(name, kind), pa.array(values, kind))
