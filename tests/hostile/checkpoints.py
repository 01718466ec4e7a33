"""Checkpoints: their header, the progress in it, their tensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from hostile.case import LONG, TAMPERED, Case, lengthened, together
from hostile.files import (
    DEEP,
    DEEP_OBJECT,
    ENORMOUS,
    GONE,
    KINDS,
    Literal,
    Tensors,
    cast,
    edited,
    filled_with,
    linked,
    notes_changed,
    tensors_changed,
    turned,
)

LAST: Final = "checkpoints/last.safetensors"
BEST: Final = "checkpoints/best.safetensors"
NAMES: Final = ["last.safetensors", TAMPERED]
RESUME: Final = ["resume"]


def _case(what: str, harm: Callable[[Path], None], *names: str, group: str = "") -> Case:
    """One where there is no other checkpoint to go on from."""

    def harm_the_only_one(folder: Path) -> None:
        (folder / BEST).unlink()
        harm(folder)

    title, known = f"checkpoint: {what}", [*NAMES, *names]
    return Case(
        title, "run", harm_the_only_one, RESUME, names=known, group=group and f"checkpoint: {group}"
    )


def file_cases() -> Iterator[Case]:
    """The checkpoint as a file."""
    for kind in KINDS:
        case = _case(f"is {kind}", turned(LAST, kind))
        yield case if kind != "missing" else replace(case, names=["last.safetensors"])
    for kind in ("missing", "empty", "prose", "a folder", "a pipe", "cut"):
        title = f"checkpoint: is {kind}, and that of the best network stands in for it"
        yield Case(title, "run", turned(LAST, kind), accepted=RESUME)
    yield _case("is a link to a sound file", linked(LAST), "link")


def header_cases() -> Iterator[Case]:
    """Entries of the header, which are all texts."""
    for key in ("format", "config", "progress", "average_updates"):

        def remove(notes: dict[str, Any], key: str = key) -> None:
            del notes[key]

        yield _case(f"no {key}", notes_changed(LAST, remove), key, group=key)
        wrong = {
            "empty": "",
            "prose": "what?",
            "a list": "[1, 2]",
            "null": "null",
            "a number": "-7",
            "text": '"x"',
            "nested deeply": str(DEEP),
            "objects nested deeply": str(DEEP_OBJECT),
            "very long": LONG,
            "NaN": "NaN",
            "of 400 digits": str(ENORMOUS),
        }
        for what, text in wrong.items():

            def put(notes: dict[str, Any], key: str = key, text: str = text) -> None:
                notes[key] = lengthened(text)

            yield _case(f"{key} is {what}", notes_changed(LAST, put), key, group=key)
    for what, text in {"a section that is a number": '{"train": 3}', "nothing": "{}"}.items():

        def settings(notes: dict[str, Any], text: str = text) -> None:
            notes["config"] = text

        yield _case(f"config has {what}", notes_changed(LAST, settings), "config", "train", "field")


PROGRESS: Final[dict[str, dict[str, Any]]] = {
    "step": {"text": "4", "null": None, "negative": -1, "1e30": Literal("1e30"), "beyond": 10**9},
    "seconds": {"text": "4", "null": None, "NaN": Literal("NaN"), "negative": -1.0, "a list": [1]},
    "best_psnr": {"text": "4", "a list": [1], "NaN": Literal("NaN"), "Infinity": Literal("1e999")},
    "best_step": {"text": "4", "null": None, "negative": -1, "true": True, "1e30": Literal("1e30")},
    "skipped": {"text": "4", "null": None, "negative": -1, "a fraction": 2.5},
    "returns": {"text": "4", "null": None, "negative": -1, "10^9": 10**9, "10**400": ENORMOUS},
}


def progress_cases() -> Iterator[Case]:
    """The progress: a JSON object in the header."""
    for key, values in PROGRESS.items():
        for what, value in {**values, "missing": GONE}.items():
            dotted, harm = f"progress.{key}", _progress((key,), value)
            yield _case(f"{dotted} is {what}", harm, key, "progress", group=dotted)
    unknown = _progress(("surprise",), 1)
    yield _case("progress has an unknown key", unknown, "surprise", "progress")


def _progress(key: tuple[str], value: Any) -> Callable[[Path], None]:
    def change(notes: dict[str, Any]) -> None:
        notes["progress"] = edited(notes["progress"], key, value)

    return notes_changed(LAST, change)


def tensor_cases() -> Iterator[Case]:
    """One tensor of each group, harmed."""
    groups = {"network.last.weight": "F32", "average.last.weight": "F32"}
    for name in groups:
        yield _case(f"no {name}", _removed(name), name, group=name)
        for dtype in ("BF16", "F16", "F64", "F8_E4M3", "C64", "I64", "BOOL"):
            yield _case(f"{name} is {dtype}", _cast(name, dtype), name, group=name)
        for what, shape in {"another shape": [2, 8], "one number": [1, 1], "no axis": []}.items():
            yield _case(f"{name} has {what}", _reshaped(name, shape), name, group=name)
        for what, number in {"NaN": np.nan, "Inf": np.inf}.items():
            yield _case(f"{name} is {what}", _filled(name, number), name, group=name)
    for which, key in {"0": "exp_avg", "1": "momentum_buffer"}.items():
        optimiser = f"optimiser.{which}"
        yield _case(f"no {key} of {optimiser}", _first(optimiser, key, _drop), "optimiser")
        yield _case(f"{key} of {optimiser} is C64", _first(optimiser, key, _complex), "optimiser")
        yield _case(
            f"{key} of {optimiser} is NaN", _first(optimiser, key, _not_finite), "optimiser"
        )
        yield _case(f"{key} of {optimiser} is small", _first(optimiser, key, _small), "optimiser")
        yield _case(f"{optimiser} is empty", _without(optimiser), "optimiser")
    for name in ("optimiser.0.x.exp_avg", "optimiser.0.999.exp_avg", "optimiser.0", "surprise"):
        yield _case(f"a tensor named {name}", _added(name), "optimiser", "surprise")
    yield _case(
        "a tensor named optimiser.0.0.surprise", _added("optimiser.0.0.surprise"), "surprise"
    )
    negative = _first("optimiser.0", "step", _negative)
    title = "checkpoint: a step that is negative"
    yield Case(title, "run", negative, others=RESUME, names=[*NAMES, "step"])


def generator_cases() -> Iterator[Case]:
    """The state of the random numbers."""
    yield _case("no generator", _removed("generator"), "generator")
    yield _case("a generator of F32", _cast("generator", "F32"), "generator")
    yield _case("a generator of one number", _reshaped("generator", [1]), "generator")
    yield _case("a generator of nothing", _reshaped("generator", [0]), "generator")

    def zeros(tensors: Tensors) -> None:
        tensors["generator"]["data"] = bytes(len(tensors["generator"]["data"]))

    def noise(tensors: Tensors) -> None:
        tensors["generator"]["data"] = b"\xff" * len(tensors["generator"]["data"])

    yield _case("a generator of zeros", tensors_changed(LAST, zeros), "generator")
    yield _case("a generator of noise", tensors_changed(LAST, noise), "generator")


def _removed(name: str) -> Callable[[Path], None]:
    def change(tensors: Tensors) -> None:
        del tensors[name]

    return tensors_changed(LAST, change)


def _without(prefix: str) -> Callable[[Path], None]:
    def change(tensors: Tensors) -> None:
        for name in [name for name in tensors if name.startswith(f"{prefix}.")]:
            del tensors[name]

    return tensors_changed(LAST, change)


def _cast(name: str, dtype: str) -> Callable[[Path], None]:
    return tensors_changed(LAST, lambda tensors: cast(tensors[name], dtype))


def _filled(name: str, number: float) -> Callable[[Path], None]:
    return tensors_changed(LAST, lambda tensors: filled_with(tensors[name], number))


def _reshaped(name: str, shape: list[int]) -> Callable[[Path], None]:
    def change(tensors: Tensors) -> None:
        size = 1 if tensors[name]["dtype"] == "U8" else 4
        tensors[name].update(shape=shape, data=bytes(size * int(np.prod(shape))))

    return tensors_changed(LAST, change)


def _added(name: str) -> Callable[[Path], None]:
    def change(tensors: Tensors) -> None:
        tensors[name] = {"dtype": "F32", "shape": [1], "data": bytes(4)}

    return tensors_changed(LAST, change)


def _first(prefix: str, key: str, harm: Callable[[Tensors, str], None]) -> Callable[[Path], None]:
    """A harm to the first tensor of an optimiser with this key."""

    def change(tensors: Tensors) -> None:
        found = [name for name in tensors if name.startswith(prefix) and name.endswith(key)]
        assert found, json.dumps(sorted(tensors))
        harm(tensors, found[0])

    return tensors_changed(LAST, change)


def _drop(tensors: Tensors, name: str) -> None:
    del tensors[name]


def _complex(tensors: Tensors, name: str) -> None:
    cast(tensors[name], "C64")


def _not_finite(tensors: Tensors, name: str) -> None:
    filled_with(tensors[name], np.nan)


def _negative(tensors: Tensors, name: str) -> None:
    filled_with(tensors[name], -1e9)


def _small(tensors: Tensors, name: str) -> None:
    tensors[name].update(shape=[1], data=bytes(4))


CASES: Final = [
    *together("a checkpoint as a file", file_cases()),
    *together("the settings of a checkpoint", header_cases()),
    *together("the progress of a checkpoint", progress_cases()),
    *together("the tensors of a checkpoint", tensor_cases()),
    *together("the generator of a checkpoint", generator_cases()),
]
