from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from medfuncta._src.door.declared import Fault
from medfuncta._src.door.files import (
    Origin,
    check_regular,
    decode_json,
    decode_short,
    lies_outside,
    read_bytes,
    read_json,
    read_toml,
)
from medfuncta._src.door.limits import MAX_JSON_BYTES, MAX_TENSOR_HEADER
from medfuncta._src.door.stored_arrays import read_arrays, read_tensor_header
from medfuncta._src.errors import LatentSetError, MedFunctaError, RunError

ORIGIN = Origin("a.json in 'run'", RunError, "copy the run again", missing="no a.json in 'run'")


def refused(read: Callable[[], Any], error: type[MedFunctaError] = RunError) -> str:
    """The line that a reader answers with."""
    with pytest.raises(error) as caught:
        read()
    line = str(caught.value)
    assert line.isprintable() and len(line) < 500
    return line


# --- what a file is


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


def nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.mkdir, "is a folder"),
        (pipe, "is a pipe"),
        (device, "is a device"),
        (loop, "a link to itself"),
        (nowhere, "no a.json in 'run'"),
        (lambda path: None, "no a.json in 'run'"),
    ],
)
@pytest.mark.parametrize("read", [read_bytes, read_json, read_toml, read_tensor_header])
def test_nothing_but_a_file_is_read(
    tmp_path: Path, make: Callable[[Path], None], words: str, read: Callable[..., Any]
) -> None:
    path = tmp_path / "a.json"
    make(path)
    line = refused(lambda: read(path, ORIGIN))
    assert words in line and str(tmp_path) not in line


def test_a_name_that_no_file_can_have() -> None:
    assert "null" in refused(lambda: read_bytes(Path("a\0b"), ORIGIN))


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"abc")
    (tmp_path / "a.json").symlink_to(tmp_path / "blob")
    assert read_bytes(tmp_path / "a.json", ORIGIN) == b"abc"
    assert check_regular(tmp_path / "a.json", ORIGIN) == 3


def test_where_a_file_is_copied_on_no_link_leads_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"abc")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "inside").write_bytes(b"def")
    (folder / "a").symlink_to(folder / "inside")
    (folder / "b").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    assert read_bytes(folder / "a", ORIGIN, within=folder) == b"def"
    for name in ("b", "up/secret"):
        line = refused(lambda name=name: read_bytes(folder / name, ORIGIN, within=folder))
        assert "leaves its folder" in line
    assert lies_outside(folder / "b", folder) and not lies_outside(folder / "a", folder)


def test_the_cache_of_a_hub_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "models--x" / "snapshots" / "0a1b" / "data"
    blobs = tmp_path / "models--x" / "blobs"
    folder.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "0123").write_bytes(b"abc")
    (folder / "a").symlink_to("../../../blobs/0123")
    assert read_bytes(folder / "a", ORIGIN, within=folder.parent) == b"abc"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.touch()
    os.truncate(path, 2**40)
    assert "1,099,511,627,776 bytes" in refused(lambda: read_bytes(path, ORIGIN))
    path.write_bytes(b"1234")
    assert read_bytes(path, ORIGIN, limit=4) == b"1234"
    assert "expected at most 3" in refused(lambda: read_bytes(path, ORIGIN, limit=3))


# --- JSON and TOML

DEEP = 100_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": NaN}', "is not JSON"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": "\\ud800"}', "is not JSON"),
        (b'{"a": ' + b"1" * 400 + b"}", "a number of 400 digits"),
        (b'{"a": ' + b"1" * 5000 + b"}", "out of range"),
        (b'{"a": ' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deep"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "nested too deep"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested more than"),
        (b"[1]", "it is [1]; expected an object"),
        (b"null", "it is null; expected an object"),
        (b'{"a": "' + b"x" * 100_000 + b'"}', "a text of 100,000 characters"),
        (b" " * (MAX_JSON_BYTES + 1), "bytes"),
    ],
    ids=range(17),
)
def test_what_is_no_json_of_ours(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    line = refused(lambda: read_json(path, ORIGIN))
    assert line.startswith("a.json in 'run' is damaged (") and words in line
    assert line.endswith("; copy the run again")


def test_a_key_that_is_there_twice_counts_as_it_stands_last() -> None:
    assert decode_json('{"a": 1, "a": 2}') == {"a": 2}


def test_short_json_of_a_known_type() -> None:
    assert decode_short('{"a": 1, "b": "x"}', dict[str, int | str], "it") == {"a": 1, "b": "x"}
    for text in ("[1]", '{"a": [1]}', "[" * DEEP, "x", '{"a": NaN}', '"' + "x" * 10**6 + '"'):
        with pytest.raises(Fault) as caught:
            decode_short(text, dict[str, int | str], "metadata")
        assert str(caught.value).startswith("metadata ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = [", "not a TOML file"),
        ("a = 1\na = 2", "not a TOML file"),
        ("a = nan", "finite"),
        ("a = " + "1" * 5000, "line of 5,004 characters"),
        ("a = " + "1" * 400, "a number of 400 digits"),
        ("a = " + "[" * 2000 + "]" * 2000, "nested too deep"),
        (".".join("a" * 2000) + " = 1", "nested more than"),
        (".".join("a" * 100_000) + " = 1", "characters"),
        ("#\n" * 2**20, "bytes"),
    ],
    ids=range(9),
)
def test_what_is_no_toml_of_ours(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    assert words in refused(lambda: read_toml(path, ORIGIN))


# --- safetensors

TENSORS = {"a": torch.zeros(2, 3), "b": torch.zeros((), dtype=torch.float64)}


def written(folder: Path, header: Any, body: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    claimed = len(text) if length is None else length
    path = folder / "a.safetensors"
    path.write_bytes(struct.pack("<Q", claimed) + text + body)
    return path


def test_the_header_of_a_sound_file(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.safetensors", metadata={"note": "x"})
    header = read_tensor_header(tmp_path / "a.safetensors", ORIGIN)
    assert header.notes == {"note": "x"}
    assert header.shapes == {"a": (2, 3), "b": ()}
    assert header.dtypes == {"a": "F32", "b": "F64"}
    assert header.numbers == 7
    header.check({"a": (2, 3), "b": ()}, ("F32", "F64"))


@pytest.mark.parametrize(
    ("shapes", "dtypes", "words"),
    [
        ({"a": (2, 3)}, ("F32", "F64"), "'b' is unknown"),
        ({"a": (2, 3), "b": (), "c": ()}, ("F32", "F64"), "c is missing"),
        ({"a": (3, 2), "b": ()}, ("F32", "F64"), r"of a is \[2, 3\]; expected \[3, 2\]"),
        ({"a": (2, 3), "b": ()}, ("F32",), "of b is F64; expected F32"),
    ],
)
def test_tensors_that_are_not_those_of_a_field(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], dtypes: tuple[str, ...], words: str
) -> None:
    save_file(TENSORS, tmp_path / "a.safetensors")
    header = read_tensor_header(tmp_path / "a.safetensors", ORIGIN)
    with pytest.raises(Fault, match=words):
        header.check(shapes, dtypes)


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"no json", 0),
        (b"[1, 2]", 0),
        (b'{"a":' * 50_000, 0),
        (b'{"\xff": 1}', 0),
        ({"__metadata__": {"a": 1}}, 0),
        ({"a": 3}, 0),
        ({"a": {"dtype": "F32"}}, 0),
        (entry(dtype="BF16"), 8),
        (entry(dtype="F8_E4M3", offsets=(0, 2)), 2),
        (entry(dtype="C64", offsets=(0, 16)), 16),
        (entry(dtype=4), 8),
        (entry(shape=(-2,)), 8),
        (entry(shape=(2**40, 2**40)), 8),
        (entry(shape=(10**30,)), 8),
        (entry(shape="2"), 8),
        (entry(offsets=(0, 4)), 4),
        (entry(offsets=(8, 0)), 8),
        (entry(offsets=(-8, 0)), 8),
        (entry(), 4),
        (entry(), 12),
        ({"a": {**entry()["a"], "more": 1}}, 8),
    ],
    ids=range(21),
)
def test_a_header_that_claims_what_is_not_there(tmp_path: Path, header: Any, body: int) -> None:
    path = written(tmp_path, header, bytes(body))
    assert "is damaged (" in refused(lambda: read_tensor_header(path, ORIGIN))


@pytest.mark.parametrize("length", [0, 1, 2**20, MAX_TENSOR_HEADER + 1, 2**63, 2**64 - 1])
def test_a_header_longer_than_its_file(tmp_path: Path, length: int) -> None:
    path = written(tmp_path, entry(), bytes(8), length)
    assert "is cut" in refused(lambda: read_tensor_header(path, ORIGIN))


# --- npz


def test_arrays_are_read(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False])}
    np.savez(tmp_path / "a.npz", **arrays)
    got = read_arrays(tmp_path / "a.npz", ORIGIN)
    assert set(got) >= {"a", "b"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(got[name], array)


def packed(path: Path) -> None:
    np.savez_compressed(path, a=np.zeros(10**6))


def objects(path: Path) -> None:
    np.savez(path, a=np.array([{}], dtype=object))


def texts(path: Path) -> None:
    np.savez(path, a=np.array(["x"]))


def prose(path: Path) -> None:
    path.write_text("what?")


def claims(path: Path) -> None:
    np.savez(path, a=np.zeros((2, 3)))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"(2, 3)", b"(9, 9)"))


@pytest.mark.parametrize("make", [packed, objects, texts, prose, claims])
def test_archives_that_are_not_ours(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.npz")
    origin = Origin("a.npz", LatentSetError, "fit it anew")
    assert "is damaged (" in refused(
        lambda: read_arrays(tmp_path / "a.npz", origin), LatentSetError
    )
