"""Latent sets: ``latent_set.json``, the notes of shards, names of files, the field inside."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from hostile.case import LONG, TAMPERED, Case, together
from hostile.files import (
    DEEP,
    DEEP_OBJECT,
    ENORMOUS,
    GONE,
    KINDS,
    TEXTS,
    WRONG,
    Key,
    Literal,
    encoded,
    filled_with,
    json_set,
    kind_of,
    leaves,
    link_cases,
    note_set,
    read_shard,
    replaced,
    tensors_changed,
    turned,
    write_shard,
)
from hostile.runs import CHOICES, STORED, one_tensor

INFO: Final = "latent_set.json"
SHARD: Final = "data/val-00000-of-00001.parquet"
DOCUMENT: Final = json.loads((STORED / "ecg" / "float32" / INFO).read_text())
NULLABLE: Final = {("spec", "shape"): "list"}
NEEDED: Final = {"format", "version", "fingerprint", "latent_size", "spec", "source", "splits"}
NEEDED |= {"dim", "channels", "dtype", "name"}
SET_CHOICES: Final = CHOICES - {"context"}
OPEN: Final = ["info", "decode", "search", "search for", "classify", "export", "onto"]
"""Everything that opens a set."""


def key_cases() -> Iterator[Case]:
    """Every key of ``latent_set.json`` with every value that it must not have."""
    for key, value in leaves(DOCUMENT):
        if "details" in key[:-1] or key[:2] == ("splits", "test"):
            continue
        dotted = ".".join(map(str, key))
        names = [str(key[-1]), INFO, TAMPERED]
        group = f"{INFO}: {dotted}"
        for what, wrong in _wrong_values(key, value):
            harm = json_set(INFO, (key, wrong))
            name = f"{group} is {what}"
            yield Case(name, "set", harm, ["info"], names=names, group=group)
        answer = {"refused": ["info"]} if key[-1] in NEEDED else {"others": ["info", "search for"]}
        gone = json_set(INFO, (key, GONE))
        yield Case(f"{group} is missing", "set", gone, names=names, group=group, **answer)


def _wrong_values(key: Key, value: Any) -> Iterator[tuple[str, Any]]:
    kind = NULLABLE.get(key) or kind_of(value)
    for what, wrong in WRONG[kind].items():
        if not (what == "null" and key in NULLABLE):
            yield what, wrong
    if key[-1] in SET_CHOICES:
        yield "another word", "banana"
    if kind == "text":
        yield "a very long text", LONG
    if kind == "section" and key not in [("fit",), ("splits",), ("source", "details")]:
        yield "with an unknown key", {**value, "surprise": 1}


def info_cases() -> Iterator[Case]:
    """``latent_set.json`` as a whole, and what does not fit the rest."""
    for kind in KINDS:
        harm = turned(INFO, kind)
        names = [INFO, TAMPERED]
        yield Case(f"{INFO} is {kind}", "set", harm, OPEN, names=names)
    for encoding in TEXTS:
        harm = encoded(INFO, encoding)
        yield Case(f"{INFO} is {encoding}", "set", harm, ["info", "onto"], names=[INFO])
    yield from link_cases("set", INFO, ["info", "decode"])

    changes: dict[str, tuple[Key, Any]] = {
        "is a list": ((), []),
        "is null": ((), None),
        "is nested deeply": ((), DEEP),
        "has an unknown key": (("surprise",), 1),
        "is of version 2": (("version",), 2),
        "has deeply nested details": (("source", "details"), DEEP_OBJECT),
        "has deeply nested settings": (("fit", "steps"), DEEP),
        "has deeply nested splits": (("splits",), DEEP_OBJECT),
        "has details of a very long text": (("source", "details", "range"), LONG),
        "has a latent size of 5": (("latent_size",), 5),
        "has a latent size of 10^9": (("latent_size",), 10**9),
        "has a latent size of 0": (("latent_size",), 0),
        "has a type of numbers of another kind": (("dtype",), "float64"),
        "has a type of numbers that its shards do not have": (("dtype",), "int8"),
        "has a type of numbers twice as small": (("dtype",), "float16"),
        "claims positions that are not there": (("positions",), True),
        "has no splits": (("splits",), {}),
        "has splits that are not there": (("splits", "more"), {"signals": 1, "left_out": []}),
        "has class names that are numbers": (("spec", "label_names"), [1, 2]),
        "has a class name of a very long text": (("spec", "label_names"), ["a", LONG]),
        "has several labels a signal where there is one": (("spec", "task"), "multi-label"),
        "has three dimensions": (("spec", "dim"), 3),
        "has 10^9 channels": (("spec", "channels"), 10**9),
        "has a negative shape": (("spec", "shape"), [-187]),
        "has a shape of texts": (("spec", "shape"), ["187"]),
        "is of another field": (("fingerprint",), "0" * 32),
        "left out a number": (("splits", "val", "left_out"), [3]),
        "left out without a reason": (("splits", "val", "left_out"), [{"name": "a"}]),
        "left out a list": (("splits", "val", "left_out"), [{"name": ["a"], "reason": "b"}]),
        "left out what is nested": (("splits", "val", "left_out"), DEEP),
        "left out more than it says": (
            ("splits", "val", "left_out"),
            [{"name": "a", "reason": "b", "surprise": 1}],
        ),
    }
    for what, (key, value) in changes.items():
        names = [INFO, TAMPERED, *map(str, key[-1:]), "val", "label", "latent"]
        harm = json_set(INFO, (key, value))
        yield Case(f"{INFO} {what}", "set", harm, ["info"], ["search", "onto"], names=names)

    few = json_set(INFO, (("spec", "label_names"), ["narrow QRS"]))
    names, others = ["label", "class"], ["info", "classify", "search"]
    yield Case(f"{INFO} has fewer names than classes", "set", few, ["check"], others, names=names)
    channels = json_set(INFO, (("spec", "channels"), 2))
    names, others = ["channels", TAMPERED], ["info", "export"]
    yield Case(f"{INFO} has two channels", "set", channels, ["decode"], others, names=names)
    counts = json_set(INFO, (("splits", "val", "signals"), 10**9))
    yield Case(f"{INFO} counts more rows", "set", counts, ["check"], ["info"], names=["val"])
    twice = replaced(INFO, '"version": 1', '"version": 1, "version": 2')
    yield Case(f"{INFO} has a key twice", "set", twice, ["info"], names=[INFO, TAMPERED])
    escape = json_set(INFO, (("spec", "label_names"), ["\x1b[31mred\x07", "b\nc"]))
    yield Case(f"{INFO}: class names move the cursor", "set", escape, others=["info", "search"])
    licence = json_set(INFO, (("source", "licence"), "\x1b]0;title\x07"))
    yield Case(f"{INFO}: a licence moves the cursor", "set", licence, others=["info", "decode"])


def split_name_cases() -> Iterator[Case]:
    """Names of splits, which become names of files."""
    split_names = {
        "..": "..",
        "a path": "a/b",
        "a path upwards": "../../val",
        "a path from the root": "/val",
        "empty": "",
        "of 300 letters": "a" * 300,
        "of a million letters": "a" * 10**6,
        "a pattern": "*",
        "a line break": "a\nb",
        "NUL": "a\0b",
        "colours": "\x1b[31mred",
        "a blank": " ",
        "hidden": ".val",
    }
    for what, name in split_names.items():
        entry = {"signals": 49, "left_out": []}
        harm = json_set(INFO, (("splits", name), entry))
        names = [INFO, "split", TAMPERED]
        yield Case(f"a split is {what}", "set", harm, ["info", "onto"], ["export"], names=names)


def fit_cases() -> Iterator[Case]:
    """How to fit a further signal: taken from the set when one is searched for."""
    wrong = {"steps": 10**9, "batch": 10**30, "step_size": -1.0, "quality": "worst", "momentum": 2}
    for key, value in wrong.items():
        harm = json_set(INFO, (("fit", key), value))
        names = [key, INFO, TAMPERED]
        yield Case(f"fit.{key} is {value}", "set", harm, ["search for"], ["info"], names=names)
    none = json_set(INFO, (("fit",), {}))
    yield Case("fit is empty, as of imported sets", "set", none, accepted=["info", "search for"])


def note_cases() -> Iterator[Case]:
    """What a shard says of itself in its footer."""
    names = ["val-00000", TAMPERED]
    whole = {"empty": "", "prose": "what?", "a list": "[]", "null": "null", "a number": "3"}
    whole |= {"nested deeply": str(DEEP), "objects nested deeply": str(DEEP_OBJECT)}
    whole |= {"not UTF-8": "\udcff"}
    for what, text in whole.items():

        def harm(folder: Path, text: str = text) -> None:
            table, _ = read_shard(folder / SHARD)
            write_shard(folder / SHARD, table, text.encode("utf-8", "surrogateescape"))

        yield Case(f"the note is {what}", "set", harm, ["info", "decode"], names=names)

    def bare(folder: Path) -> None:
        table, _ = read_shard(folder / SHARD)
        write_shard(folder / SHARD, table, None)

    yield Case("no note", "set", bare, ["info", "decode"], names=names)
    keys: dict[str, tuple[Any, str]] = {
        "fingerprint": ("0" * 32, "text"),
        "consumed": (49, "whole"),
        "left_out": ([], "list"),
        "last_id": ("val-0048", "text"),
        "next_piece": (1, "whole"),
        "fitted_psnr": (600.0, "number"),
    }
    for key, (_, kind) in keys.items():
        for what, wrong in WRONG[kind].items():
            if key == "fitted_psnr" and what in ("null", "negative", "1e30"):
                continue
            harmed = note_set(SHARD, (key,), wrong)
            group, more = f"note: {key}", [*names, key]
            yield Case(f"{group} is {what}", "set", harmed, ["info"], names=more, group=group)
    changes: dict[str, tuple[Key, Any]] = {
        "is of another field": (("fingerprint",), "0" * 32),
        "has no fingerprint": (("fingerprint",), GONE),
        "does not say what was consumed": (("consumed",), GONE),
        "has an unknown key": (("surprise",), 1),
        "left out a number": (("left_out",), [3]),
        "left out what is nested": (("left_out",), DEEP),
        "has a last id of a very long text": (("last_id",), LONG),
        "has a sum of 400 digits": (("fitted_psnr",), ENORMOUS),
        "has a sum of 1e999": (("fitted_psnr",), Literal("1e999")),
    }
    for what, (key, value) in changes.items():
        harmed = note_set(SHARD, key, value)
        yield Case(f"the note {what}", "set", harmed, ["info"], names=[*names, *map(str, key)])
    features = _features(b"no JSON")
    yield Case("what 'datasets' reads is no JSON", "set", features, accepted=["info", "decode"])


def _features(text: bytes) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        table, note = read_shard(folder / SHARD)
        metadata = {**(table.schema.metadata or {}), b"huggingface": text}
        write_shard(folder / SHARD, table.replace_schema_metadata(metadata), note)

    return harm


def file_cases() -> Iterator[Case]:
    """Shards as files, and the files beside them."""
    for kind in KINDS:
        harm = turned(SHARD, kind)
        names = ["val", TAMPERED]
        yield Case(f"a shard is {kind}", "set", harm, ["info", "decode", "export"], names=names)
    yield from link_cases("set", SHARD, ["info", "decode"])
    yield Case("README.md is a pipe", "set", turned("README.md", "a pipe"), accepted=["info"])


def shard_name_cases() -> Iterator[Case]:
    """Shards under other names, too many and too few of them."""

    def named(name: str) -> Callable[[Path], None]:
        def harm(folder: Path) -> None:
            (folder / SHARD).rename(folder / "data" / name)

        return harm

    shard_names = {
        "one of 99999": "val-00000-of-99999.parquet",
        "of none": "val-00000-of-00000.parquet",
        "beyond the last": "val-00007-of-00001.parquet",
        "of another split": "nal-00000-of-00001.parquet",
        "without a number": "val.parquet",
    }
    for what, name in shard_names.items():
        refused = ["info", "decode"]
        yield Case(f"a shard is {what}", "set", named(name), refused, names=["val"])

    def doubled(folder: Path) -> None:
        for index in range(2):
            name = f"data/val-0000{index}-of-00002.parquet"
            (folder / name).write_bytes((folder / SHARD).read_bytes())
        (folder / SHARD).unlink()

    yield Case("a shard is there twice", "set", doubled, ["check"], ["info"], names=["val"])

    def no_data(folder: Path) -> None:
        for path in (folder / "data").iterdir():
            path.unlink()
        (folder / "data").rmdir()

    def piped_data(folder: Path) -> None:
        no_data(folder)
        os.mkfifo(folder / "data")

    for what, harm in {"no folder data": no_data, "data is a pipe": piped_data}.items():
        yield Case(what, "set", harm, ["info", "decode"], names=["val", TAMPERED, "train"])


def field_cases() -> Iterator[Case]:
    """The field inside of a set."""
    decoding = ["decode", "search for"]
    names = ["field", TAMPERED]
    for file in ("field/field.json", "field/field.safetensors"):
        for kind in KINDS:
            harm = turned(file, kind)
            yield Case(f"{file} is {kind}", "set", harm, decoding, ["info"], names=names)
    changes: dict[str, tuple[Key, Any]] = {
        "of 10 GB": (("config", "field", "width"), 50_000),
        "with two layers": (("config", "field", "layers"), 2),
        "nested deeply": (("training",), DEEP_OBJECT),
    }
    for what, (key, value) in changes.items():
        harm = json_set("field/field.json", (key, value))
        yield Case(
            f"in a set, a field {what}", "set", harm, decoding, ["info"], names=[*names, "width"]
        )

    def other(folder: Path) -> None:
        sound = folder.parents[2] / "base" / "other"
        for name in ("field.json", "field.safetensors"):
            (folder / "field" / name).write_bytes((sound / name).read_bytes())

    yield Case("the field is another run", "set", other, decoding, ["info"], names=names)
    nan = tensors_changed(
        "field/field.safetensors", one_tensor(lambda tensor: filled_with(tensor, float("nan")))
    )
    yield Case("a weight is NaN", "set", nan, decoding, ["info"], names=names)

    def no_field(folder: Path) -> None:
        for path in (folder / "field").iterdir():
            path.unlink()
        (folder / "field").rmdir()

    yield Case("no field", "set", no_field, decoding, ["info"], names=names)


CASES: Final = [
    *key_cases(),
    *together("latent_set.json as a whole", info_cases()),
    *together("names of splits", split_name_cases()),
    *together("settings of fits", fit_cases()),
    *together("notes of shards", note_cases()),
    *together("shards as files", file_cases()),
    *together("names of shards", shard_name_cases()),
    *together("the field of a set", field_cases()),
]
