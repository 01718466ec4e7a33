"""Runs: ``field.json``, ``field.safetensors``, ``metrics.csv``."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from hostile.case import LONG, TAMPERED, Case, lengthened, together
from hostile.files import (
    DEEP,
    DEEP_OBJECT,
    GONE,
    KINDS,
    TEXTS,
    WRONG,
    Key,
    Literal,
    Tensors,
    cast,
    encoded,
    filled_with,
    header_changed,
    json_set,
    kind_of,
    leaves,
    link_cases,
    notes_changed,
    read_tensors,
    replaced,
    tensors_changed,
    turned,
    write_header,
    write_tensors,
)

STORED: Final = Path(__file__).parents[1] / "stored"
FIELD: Final = "field.json"
WEIGHTS: Final = "field.safetensors"
DOCUMENT: Final = json.loads((STORED / "ecg" / "run" / FIELD).read_text())
"""The keys of a run; those that came later stand in ``LATER``, and one there is no more."""
del DOCUMENT["config"]["train"]["compile"]
LATER: Final[list[tuple[Key, Any]]] = [(("config", "field", "kind"), "siren")]
NULLABLE: Final = {("signal", "shape"): "list", ("config", "field", "omega_increment"): "number"}
MAY_BE_NEGATIVE: Final = {"omega_increment", "output_offset"}
CHOICES: Final = {"context", "outer_loss", "shift_init", "optimiser", "schedule", "dtype"}
CHOICES |= {"autocast", "quality", "kind", "coordinates", "format", "fingerprint"}
NEEDED: Final = {"format", "version", "fingerprint", "coordinates", "signal", "config", "field"}
NEEDED |= {"inner", "dim", "channels", "step_size", "momentum", "channel_mean", "layers", "width"}
NEEDED |= {"latent_size", "omega_first", "omega_last"}
"""Keys without which nobody knows what a latent means; the others have defaults."""


def wrong_values(key: Key, value: Any) -> Iterator[tuple[str, Any]]:
    """Values that a key must not have, with their names."""
    name = str(key[-1])
    kind = NULLABLE.get(key) or kind_of(value)
    for what, wrong in WRONG[kind].items():
        if what == "null" and key in NULLABLE:
            continue
        if what == "negative" and name in MAY_BE_NEGATIVE:
            continue
        yield what, wrong
    if name in CHOICES and name != "outer_loss":  # which may be of a package that is not here
        yield "another word", "banana"
    if kind == "text":
        yield "a very long text", LONG
    if kind == "section" and name != "training":
        yield "with an unknown key", {**value, "surprise": 1}


def key_cases() -> Iterator[Case]:
    """Every key of ``field.json`` with every value that it must not have."""
    for key, value in [*leaves(DOCUMENT), *LATER]:
        if key[0] == "training" and len(key) > 1:
            continue
        dotted = ".".join(map(str, key))
        names = [str(key[-1]), FIELD, TAMPERED]
        group = f"{FIELD}: {dotted}"
        for what, wrong in wrong_values(key, value):
            title, harm = f"{FIELD}: {dotted} is {what}", json_set(FIELD, (key, wrong))
            answer: dict[str, Any] = {"refused": ["info"]}
            if (key[-1], what) == ("outer_loss", "another word"):
                answer = {"others": ["info"]}  # one from outside, which only training needs
            yield Case(title, "run", harm, names=names, group=group, **answer)
        if key not in [later for later, _ in LATER]:
            needed = key[-1] in NEEDED and key[:2] not in [("config", "train"), ("config", "fit")]
            answer = {"refused": ["info"]} if needed else {"others": ["info"]}
            gone = json_set(FIELD, (key, GONE))
            yield Case(
                f"{FIELD}: {dotted} is missing", "run", gone, names=names, group=group, **answer
            )


def field_cases() -> Iterator[Case]:
    """``field.json`` as a whole."""
    loaded = ["info", "fit", "further"]
    for kind in KINDS:
        yield Case(
            f"{FIELD} is {kind}", "run", turned(FIELD, kind), loaded, names=[FIELD, TAMPERED]
        )
    for encoding in TEXTS:
        harm = encoded(FIELD, encoding)
        yield Case(f"{FIELD} is {encoding}", "run", harm, loaded, names=[FIELD])
    yield from link_cases("run", FIELD, loaded)

    changes: dict[str, tuple[Key, Any]] = {
        "is a list": ((), [1]),
        "is a number": ((), 3),
        "is null": ((), None),
        "is nested deeply": ((), DEEP),
        "is nested deeply by objects": ((), DEEP_OBJECT),
        "has an unknown key": (("surprise",), 1),
        "is of version 2": (("version",), 2),
        "is of version -1": (("version",), -1),
        "has deeply nested class names": (("signal", "label_names"), DEEP),
        "has deeply nested training": (("training", "details"), DEEP_OBJECT),
        "has a very long source": (("training", "source"), LONG),
        "has class names that are numbers": (("signal", "label_names"), [1, 2]),
        "has a very long class name": (("signal", "label_names"), [LONG]),
        "has a shape of texts": (("signal", "shape"), ["1", "2"]),
        "has a negative shape": (("signal", "shape"), [-187]),
        "has an endless shape": (("signal", "shape"), [10**30]),
        "has a shape of many axes": (("signal", "shape"), [1] * 100_000),
        "has signals of other dimension than its field": (("signal", "dim"), 2),
        "has signals of other channels than its field": (("signal", "channels"), 3),
        "has four dimensions": (("config", "field", "dim"), 4),
        "has two layers": (("config", "field", "layers"), 2),
        "has no width": (("config", "field", "width"), 0),
        "has -0 layers": (("config", "field", "layers"), Literal("-0")),
        "has -0 as a step": (("config", "inner", "step_size"), Literal("-0.0")),
        "has a momentum of 1": (("config", "inner", "momentum"), 1.0),
        "has an omega of 0": (("config", "field", "omega_first"), 0.0),
        "has a fingerprint of another length": (("fingerprint",), "ab"),
    }
    for what, (key, value) in changes.items():
        names = [FIELD, TAMPERED, *map(str, key[-1:])]
        yield Case(f"{FIELD} {what}", "run", json_set(FIELD, (key, value)), ["info"], names=names)

    twice = replaced(FIELD, '"version": 1', '"version": 1, "version": 2')
    yield Case(f"{FIELD} has a key twice", "run", twice, ["info"], names=[FIELD, TAMPERED])
    same = replaced(FIELD, '"version": 1', '"version": 2, "version": 1')
    yield Case(f"{FIELD} has a key twice, the last is right", "run", same, others=["info"])

    harmless: dict[str, tuple[Key, Any]] = {
        "val_psnr is text": (("training", "val_psnr"), "good"),
        "steps is enormous": (("training", "steps"), 10**30),
        "source is a number": (("training", "source"), 3),
        "has an unknown key": (("training", "surprise"), [1, {"a": None}]),
        "is empty": (("training",), {}),
    }
    for what, (key, value) in harmless.items():
        harm = json_set(FIELD, (key, value))
        yield Case(f"{FIELD}: training {what}", "run", harm, accepted=["info", "fit"])
    escape = json_set(FIELD, (("training", "source"), "\x1b[31mred\x07"))
    yield Case(f"{FIELD}: training moves the cursor", "run", escape, accepted=["info"])


def claim_cases() -> Iterator[Case]:
    """Fields that would not fit into any memory: refused before they are built."""
    claims: dict[str, dict[str, int]] = {
        "of 10 GB": {"layers": 6, "width": 25_000},
        "of 10^12 parameters": {"width": 10**6},
        "of a million layers": {"layers": 10**6},
        "of a billion layers": {"layers": 10**9},
        "of a latent of 10^9": {"latent_size": 10**9},
        "of a billion units": {"width": 10**9},
        "of large latents and layers": {"latent_size": 300_000, "width": 30_000},
        "of a billion channels": {"channels": 10**9},
        "of many middling layers": {"layers": 20_000, "width": 500},
    }
    for what, sizes in claims.items():
        changes = [(("config", "field", name), size) for name, size in sizes.items()]
        if "channels" in sizes:
            changes.append((("signal", "channels"), sizes["channels"]))
        names = ["field", *sizes]
        refused = ["info", "fit", "further"]
        yield Case(f"a field {what}", "run", json_set(FIELD, *changes), refused, names=names)


def sign(folder: Path) -> None:
    """Give a run whose weights were changed the fingerprint that belongs to them."""
    metadata = json.loads((folder / FIELD).read_text())
    tensors, notes = read_tensors(folder / WEIGHTS)
    fingerprint = fingerprint_of(metadata["config"]["field"], tensors)
    metadata["fingerprint"] = notes["fingerprint"] = fingerprint
    (folder / FIELD).write_text(json.dumps(metadata))
    write_tensors(folder / WEIGHTS, tensors, notes)


def fingerprint_of(sizes: dict[str, Any], tensors: Tensors) -> str:
    """As version 1 of the format has it."""
    known = {name: size for name, size in sizes.items() if name != "kind"}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor["data"])
    return digest.hexdigest()[:32]


def signed(harm: Callable[[Path], None]) -> Callable[[Path], None]:
    """A harm that no fingerprint tells."""

    def harm_and_sign(folder: Path) -> None:
        harm(folder)
        sign(folder)

    return harm_and_sign


def one_tensor(change: Callable[[dict[str, Any]], None], name: str = "last.weight") -> Any:
    """A change of one tensor."""

    def change_one(tensors: Tensors) -> None:
        change(tensors[name])

    return change_one


def every_tensor(dtype: str) -> Callable[[Tensors], None]:
    """All tensors as another type."""

    def change(tensors: Tensors) -> None:
        for tensor in tensors.values():
            cast(tensor, dtype)

    return change


def weight_cases() -> Iterator[Case]:
    """Tensors that are not those of the field."""
    names = [WEIGHTS, TAMPERED, "last.weight"]
    loaded = ["info", "fit"]
    for dtype in ("BF16", "F16", "F8_E4M3", "F8_E5M2", "C64", "I64", "I32", "U8", "BOOL"):
        harm = signed(tensors_changed(WEIGHTS, every_tensor(dtype)))
        yield Case(f"{WEIGHTS}: every tensor is {dtype}", "run", harm, loaded, names=names)
        one = signed(tensors_changed(WEIGHTS, one_tensor(lambda t, d=dtype: cast(t, d))))
        yield Case(f"{WEIGHTS}: one tensor is {dtype}", "run", one, loaded, names=names)
    mixed = signed(tensors_changed(WEIGHTS, one_tensor(lambda t: cast(t, "F64"))))
    yield Case(f"{WEIGHTS}: one tensor is F64", "run", mixed, loaded, names=names)
    double = signed(tensors_changed(WEIGHTS, every_tensor("F64")))
    yield Case(f"{WEIGHTS}: every tensor is F64", "run", double, accepted=["info", "fit"])

    for what, number in {"NaN": np.nan, "Inf": np.inf, "-Inf": -np.inf}.items():
        harm = signed(tensors_changed(WEIGHTS, one_tensor(lambda t, n=number: filled_with(t, n))))
        refused = ["info", "fit", "evaluate", "further"]
        yield Case(f"{WEIGHTS}: a weight is {what}", "run", harm, refused, names=names)

    shapes: dict[str, tuple[list[int], int]] = {
        "another shape": ([2, 8], 16),
        "no axis": ([], 1),
        "one number for all": ([1, 1], 1),
        "no number": ([0, 8], 0),
        "the other way round": ([8, 1], 8),
    }
    for what, (shape, count) in shapes.items():

        def reshape(tensor: dict[str, Any], shape: list[int] = shape, count: int = count) -> None:
            tensor.update(shape=shape, data=bytes(4 * count))

        harm = signed(tensors_changed(WEIGHTS, one_tensor(reshape)))
        yield Case(f"{WEIGHTS}: a tensor of {what}", "run", harm, loaded, names=names)

    def missing(tensors: Tensors) -> None:
        del tensors["last.weight"]

    def none_left(tensors: Tensors) -> None:
        tensors.clear()

    def surplus(tensors: Tensors) -> None:
        tensors["surprise"] = {"dtype": "F32", "shape": [1], "data": bytes(4)}

    changes = {"misses a tensor": missing, "has no tensors": none_left, "has one more": surplus}
    for what, change in changes.items():
        harm = signed(tensors_changed(WEIGHTS, change))
        yield Case(f"{WEIGHTS} {what}", "run", harm, loaded, names=[*names, "surprise"])


def _other_run(folder: Path) -> None:
    other = folder.parents[2] / "base" / "other" / WEIGHTS
    (folder / WEIGHTS).write_bytes(other.read_bytes())


def _claims_length(length: int) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        raw = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", length) + raw[8:])

    return harm


def _with_header(header: bytes) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        write_header(folder / WEIGHTS, header, bytes(64))

    return harm


def _entry(**changes: Any) -> Callable[[Path], None]:
    return header_changed(WEIGHTS, lambda header: header["last.weight"].update(changes))


def _appended(folder: Path) -> None:
    with (folder / WEIGHTS).open("ab") as file:
        file.write(b"garbage")


def _endless(folder: Path) -> None:
    os.truncate(folder / WEIGHTS, 100 * 2**30)


def weight_file_cases() -> Iterator[Case]:
    """``field.safetensors`` as a file."""
    names = [WEIGHTS, TAMPERED]
    loaded = ["info", "fit"]
    for kind in KINDS:
        yield Case(f"{WEIGHTS} is {kind}", "run", turned(WEIGHTS, kind), loaded, names=names)
    yield from link_cases("run", WEIGHTS, loaded)
    harms = {
        "is of another run": _other_run,
        "claims a header of 100 MB": _claims_length(100_000_000),
        "claims a header of 2^63": _claims_length(2**63),
        "claims an empty header": _claims_length(0),
        "has prose as its header": _with_header(b"this is no JSON "),
        "has a list as its header": _with_header(b"[1, 2, 3]"),
        "has a deeply nested header": _with_header(DEEP_OBJECT.encode()),
        "has a header that is not UTF-8": _with_header(b'{"\xff": 1}'),
        "has an empty object as its header": _with_header(b"{}"),
        "has offsets out of range": _entry(data_offsets=[0, 10**9]),
        "has offsets that are negative": _entry(data_offsets=[-4, 28]),
        "has offsets that fall": _entry(data_offsets=[64, 32]),
        "has offsets of texts": _entry(data_offsets=["0", "32"]),
        "has tensors that overlap": _entry(data_offsets=[0, 32]),
        "has a shape that is negative": _entry(shape=[-1, 8]),
        "has a shape of 10^12": _entry(shape=[10**12, 8]),
        "has a shape that overflows": _entry(shape=[2**62, 2**62]),
        "has a type that nobody knows": _entry(dtype="Q4"),
        "has a type that is a number": _entry(dtype=4),
        "has garbage behind it": _appended,
        "is of 100 GB": _endless,
    }
    for what, harm in harms.items():
        yield Case(f"{WEIGHTS} {what}", "run", harm, loaded, names=names)
    other = notes_changed(WEIGHTS, lambda notes: notes.update(fingerprint="0" * 32))
    yield Case(f"{WEIGHTS} notes another fingerprint", "run", other, others=["info"], names=names)
    without = notes_changed(WEIGHTS, lambda notes: notes.clear())
    yield Case(f"{WEIGHTS} notes nothing", "run", without, others=["info"], names=names)


def side_file_cases() -> Iterator[Case]:
    """The log beside the two."""
    logs = {
        "words": "step,loss\nthree,four\n",
        "fewer columns": "a,b\n1,2\n",
        "another header": "\n".join(["a,b,c,d,e,f,g", "x,2,3,4,5,6,7"]) + "\n",
        "a very long cell": "step,loss\n1," + LONG + "\n",
        "a number of 400 digits": ",".join(["1" + "0" * 400] * 7) + "\n" + ",".join("1" * 7),
        "NUL": "step\0,loss\n1,2\n",
        "a quote that does not end": 'step,loss\n"1,2\n',
    }
    for what, text in logs.items():

        def write(folder: Path, text: str = text) -> None:
            (folder / "metrics.csv").write_text(lengthened(text))

        yield Case(
            f"metrics.csv holds {what}",
            "run",
            write,
            accepted=["info"],
            others=["resume", "picture"],
            names=["metrics.csv"],
        )
    for kind in KINDS:
        yield Case(
            f"metrics.csv is {kind}",
            "run",
            turned("metrics.csv", kind),
            accepted=["info"],
            others=["resume", "picture"],
            names=["metrics.csv"],
        )
    binary = encoded("metrics.csv", "in UTF-16")
    yield Case("metrics.csv is in UTF-16", "run", binary, others=["resume", "picture"])


CASES: Final = [
    *key_cases(),
    *together("field.json as a whole", field_cases()),
    *together("fields beyond any memory", claim_cases()),
    *together("weights of other types and shapes", weight_cases()),
    *together("field.safetensors as a file", weight_file_cases()),
    *together("files beside a run", side_file_cases()),
]
