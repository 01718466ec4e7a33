"""What lies between: a cache of signals, a fit that was stopped, a description beside volumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from hostile.case import LONG, TAMPERED, Case, lengthened, together
from hostile.files import (
    DEEP,
    DEEP_OBJECT,
    GONE,
    KINDS,
    TEXTS,
    Key,
    Literal,
    edited,
    encoded,
    json_set,
    note_set,
    turned,
)

HEADERS: Final = "headers.json"
PIECE: Final = ".fitting/test/piece-00000002.parquet"
COMPLETE: Final = ".fitting/test/complete.json"


def _in_entry(harm: Callable[[Path], None]) -> Callable[[Path], None]:
    """A harm to the entry of the training split."""

    def harm_entry(folder: Path) -> None:
        harm(_entry_of(folder))

    return harm_entry


def _entry_of(folder: Path) -> Path:
    (entry,) = [path for path in folder.iterdir() if "train" in path.name]
    return entry


def _made_anew(harmed: Path, sound: Path, made: Path) -> str:
    """A harmed entry is written again, and the network is the one that is learned without it."""
    again, before = (_entry_of(folder) / HEADERS for folder in (harmed, sound / "cache"))
    if json.loads(again.read_text()) != json.loads(before.read_text()):
        return "what was harmed was taken for good"
    runs = [json.loads((run / "field.json").read_text()) for run in (made, sound / "beats-run")]
    return "" if runs[0]["fingerprint"] == runs[1]["fingerprint"] else "another network"


def _cache_case(what: str, harm: Callable[[Path], None]) -> Case:
    """A cache is made of files that are there: whatever is odd in it is read again from them."""
    return Case(f"cache: {what}", "cache", harm, accepted=["cached"], proof=_made_anew)


def cache_cases() -> Iterator[Case]:
    """Signals that were kept ready to be read."""
    for file in (HEADERS, "values.npy", "positions.npz"):
        for kind in KINDS:
            if (file, kind) != ("values.npy", "of three gigabytes"):
                yield _cache_case(f"{file} is {kind}", _in_entry(turned(file, kind)))
    for encoding in TEXTS:
        yield _cache_case(f"{HEADERS} is {encoding}", _in_entry(encoded(HEADERS, encoding)))
    first: tuple[str, int] = ("headers", 0)
    changes: dict[str, tuple[Key, Any]] = {
        "is a list": ((), [1]),
        "is null": ((), None),
        "is nested deeply": ((), DEEP),
        "has no state": (("state",), GONE),
        "has a state of a number": (("state",), 3),
        "is masked by text": (("masked",), "no"),
        "has no domains": (("domains",), []),
        "has domains of text": (("domains",), "ab"),
        "has a shape of text": (("domains", 0, "shape"), "10"),
        "has a shape of texts": (("domains", 0, "shape"), ["10"]),
        "has a negative shape": (("domains", 0, "shape"), [-10]),
        "has an endless shape": (("domains", 0, "shape"), [10**12]),
        "has a spacing of text": (("domains", 0, "spacing"), ["0.1"]),
        "has a spacing of NaN": (("domains", 0, "spacing"), [Literal("NaN")]),
        "has an affine of text": (("domains", 0, "affine"), "ab"),
        "has an affine of 3 numbers": (("domains", 0, "affine"), [1.0, 2.0, 3.0]),
        "has a unit that is a number": (("domains", 0, "unit"), 3),
        "has headers of text": (("headers",), "ab"),
        "has headers of a list": (("headers", 0), [1]),
        "has ranges of text": ((*first, "range"), ["0", "1"]),
        "has ranges of NaN": ((*first, "range"), Literal("[NaN, 1]")),
        "has ranges of 1e999": ((*first, "range"), Literal("[0, 1e999]")),
        "has ranges of one number": ((*first, "range"), [0.0]),
        "has ranges of nothing": ((*first, "range"), None),
        "has a domain that is not there": ((*first, "domain"), 7),
        "has a domain counted from behind": ((*first, "domain"), -1),
        "has a domain of text": ((*first, "domain"), "0"),
        "has an id of a number": ((*first, "id"), 3),
        "has no id": ((*first, "id"), None),
        "has a label of text": ((*first, "label"), "x"),
        "has a label of an object": ((*first, "label"), {"a": 1}),
        "has a unit of a list": ((*first, "unit"), [1]),
        "has a type of a number": ((*first, "dtype"), 3),
        "has metadata of text": ((*first, "metadata"), "ab"),
        "has metadata that is nested": ((*first, "metadata"), DEEP_OBJECT),
        "has an unknown key": ((*first, "surprise"), 1),
        "has notes of text": (("notes",), "ab"),
        "has notes of a number": (("notes",), 3),
        "has notes of a list": (("notes",), [[1]]),
        "has notes of a very long text": (("notes",), [LONG]),
    }
    for what, (key, value) in changes.items():
        if isinstance(value, list) and any(isinstance(part, Literal) for part in value):
            value = Literal(f"[{', '.join(map(str, value))}]")
        yield _cache_case(f"{HEADERS} {what}", _in_entry(json_set(HEADERS, (key, value))))


def stopped_cases() -> Iterator[Case]:
    """A fit that was stopped, continued."""
    names = ["complete.json", TAMPERED, "test"]
    sound = '{"signals": 32, "left_out": [], "shards": 1}'
    texts = {
        "empty": "",
        "prose": "what?",
        "a list": "[1]",
        "null": "null",
        "nested deeply": str(DEEP),
    }
    changes: dict[str, tuple[Key, Any]] = {
        "without shards": (("shards",), GONE),
        "with shards of text": (("shards",), "1"),
        "with negative shards": (("shards",), -1),
        "with a billion shards": (("shards",), 10**9),
        "with 1e30 shards": (("shards",), Literal("1e30")),
        "with signals of text": (("signals",), "32"),
        "with left out of text": (("left_out",), "ab"),
        "with left out of numbers": (("left_out",), [3]),
        "with an unknown key": (("surprise",), 1),
    }
    texts |= {what: edited(sound, key, value) for what, (key, value) in changes.items()}
    for what, text in texts.items():

        def write(folder: Path, text: str = text) -> None:
            (folder / COMPLETE).write_text(text)

        more = [*names, "shards", "signals", "left_out", "surprise"]
        yield Case(f"complete.json {what}", "stopped", write, ["continue"], names=more)

    for kind in ("a folder", "a pipe", "a device"):

        def turn(folder: Path, kind: str = kind) -> None:
            (folder / COMPLETE).write_text(sound)
            KINDS[kind](folder / COMPLETE)

        yield Case(f"complete.json is {kind}", "stopped", turn, ["continue"], names=names)
    for kind in KINDS:
        if kind == "missing":
            continue  # that is where a kill may have come
        harm = turned(PIECE, kind)
        answer: dict[str, Any] = {"refused": ["continue"]}
        if kind == "a link to nowhere":
            answer = {"others": ["continue"]}
        piece_names = ["piece-00000002", TAMPERED]
        yield Case(f"a piece is {kind}", "stopped", harm, names=piece_names, **answer)
    notes: dict[str, tuple[Key, Any]] = {
        "consumed is text": (("consumed",), "16"),
        "consumed is negative": (("consumed",), -16),
        "consumed is more than there is": (("consumed",), 10**9),
        "consumed is 1e30": (("consumed",), Literal("1e30")),
        "last_id is a number": (("last_id",), 3),
        "last_id is another one": (("last_id",), "test-0003"),
        "next_piece is text": (("next_piece",), "2"),
        "next_piece is enormous": (("next_piece",), 10**30),
        "fingerprint is another one": (("fingerprint",), "0" * 32),
        "left_out is text": (("left_out",), "ab"),
        "fitted_psnr is text": (("fitted_psnr",), "ab"),
        "has an unknown key": (("surprise",), 1),
    }
    for what, (key, value) in notes.items():
        harm = note_set(PIECE, key, value)
        piece_names = [str(key[0]), "piece-00000002", TAMPERED, "test"]
        yield Case(f"a piece: {what}", "stopped", harm, ["continue"], names=piece_names)


def description_cases() -> Iterator[Case]:
    """``dataset.json`` beside volumes: read for licence and names where it is sound."""
    texts = {
        "prose": "what?",
        "a list": "[1]",
        "a licence of an object": '{"licence": {"a": 1}}',
        "a licence of a number": '{"licence": 3}',
        "a licence of a very long text": json.dumps({"licence": LONG}),
        "a licence of colours": json.dumps({"licence": "\x1b[31mred\x07"}),
        "nested deeply": str(DEEP),
        "objects nested deeply": str(DEEP_OBJECT),
        "not UTF-8": "\udcff",
        "labels of a list": '{"labels": [1]}',
        "labels of numbers": '{"labels": {"1": 2}}',
        "NaN": '{"licence": NaN}',
    }
    for what, text in texts.items():

        def write(folder: Path, text: str = text) -> None:
            (folder / "dataset.json").write_bytes(
                lengthened(text).encode("utf-8", "surrogateescape")
            )

        names = ["dataset.json"]
        yield Case(f"dataset.json: {what}", "scans", write, others=["volumes"], names=names)
    for kind in ("a folder", "a pipe", "a device", "a link to itself", "of three gigabytes"):

        def turn(folder: Path, kind: str = kind) -> None:
            (folder / "dataset.json").write_text("{}")
            KINDS[kind](folder / "dataset.json")

        names = ["dataset.json"]
        yield Case(f"dataset.json is {kind}", "scans", turn, others=["volumes"], names=names)


CASES: Final = [
    *together("a cache", cache_cases()),
    *together("a stopped fit", stopped_cases()),
    *together("a description of volumes", description_cases()),
]
