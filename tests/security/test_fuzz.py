"""Random damage to runs, sets, checkpoints and pickles: whatever becomes of a file, a command
refuses it in one line or does without, in ten seconds and a GiB.

The budget is fixed: so many mutations of each kind, drawn from a seed. ``MEDFUNCTA_FUZZ`` takes
another seed and ``MEDFUNCTA_FUZZ_ROUNDS`` more rounds, for a night.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import torch

from hostile.bench import Bench
from hostile.case import TINY_WORDS, cost_faults

SEED: Final = int(os.environ.get("MEDFUNCTA_FUZZ", "0"))
ROUNDS: Final = int(os.environ.get("MEDFUNCTA_FUZZ_ROUNDS", "1"))
MUTATIONS: Final = 60
"""Of each subject and round."""

ODD: Final[list[Any]] = [
    *(None, True, -1, 0, 1e308, 2**31, 2**63, 10**40),
    *("", "\x1b[31m", "NaN", "x" * 70_000, "../..", "\ud800"),
    *([], {}, [[]] * 50, {"a": {"b": {"c": []}}}, [1e300] * 1000),
]
NUMBERS: Final = [0, 1, 0x7F, 0x80, 0xFF, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1]


def flipped(data: bytearray, chance: random.Random) -> None:
    """Some bytes are others."""
    for _ in range(chance.choice([1, 1, 2, 8, 64])):
        data[chance.randrange(len(data))] = chance.randrange(256)


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def removed(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    del data[start : start + chance.randrange(1, 200)]


def repeated(data: bytearray, chance: random.Random) -> None:
    """A piece of the file stands a second time elsewhere."""
    start, where = chance.randrange(len(data)), chance.randrange(len(data))
    data[where:where] = data[start : start + chance.randrange(1, 500)]


def numbered(data: bytearray, chance: random.Random) -> None:
    """A number of four or eight bytes is one that programs stumble over."""
    kind, size = chance.choice([("<I", 4), (">I", 4), ("<Q", 8)])
    number = chance.choice(NUMBERS) % 2 ** (8 * size)
    where = chance.randrange(max(1, len(data) - size))
    data[where : where + size] = struct.pack(kind, number)


def worded(data: bytearray, chance: random.Random) -> None:
    """A number that is written in digits grows."""
    places = [at for at, byte in enumerate(data) if chr(byte).isdigit()]
    if places:
        where = chance.choice(places)
        data[where : where + 1] = chance.choice([b"-1", b"99999999999", b"1e999", b"", b"0"])


BYTES: Final = (flipped, cut, removed, repeated, numbered, worded)


def mutated_bytes(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 1, 3])):
        if data:
            chance.choice(BYTES)(data, chance)
    path.write_bytes(data)


def mutated_json(path: Path, chance: random.Random) -> None:
    """One value of the file is another one, gone, or below another name."""
    try:
        data = json.loads(path.read_text())
    except ValueError:  # it was harmed before
        mutated_bytes(path, chance)
        return
    parent, key = data, None
    while isinstance(parent, dict | list) and len(parent):
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        key = chance.choice(keys)
        if not isinstance(parent[key], dict | list) or chance.random() < 0.2:
            break
        parent = parent[key]
    change = chance.choice(["value", "value", "value", "gone", "renamed"])
    if key is None or not isinstance(parent, dict | list) or not len(parent):
        return
    if change == "value":
        parent[key] = chance.choice(ODD)
    elif isinstance(parent, list) or change == "gone":
        del parent[key]
    else:
        parent[str(chance.choice(ODD))[:99]] = parent.pop(key)
    path.write_bytes(json.dumps(data).encode("utf-8", "surrogatepass"))


def mutated(path: Path, chance: random.Random) -> None:
    if path.suffix == ".json" and chance.random() < 0.7:
        mutated_json(path, chance)
    else:
        mutated_bytes(path, chance)


def mutated_folder(folder: Path, chance: random.Random, files: list[str]) -> None:
    """One file of a folder, and now and then two."""
    for _ in range(chance.choice([1, 1, 1, 2])):
        mutated(folder / chance.choice(files), chance)


Subject = Callable[[Bench, Path, random.Random], list[list[str]]]
"""Makes a harmed thing and gives the commands that meet it."""


def run(bench: Bench, work: Path, chance: random.Random) -> list[list[str]]:
    shutil.copytree(bench.base / "run", work / "it")
    mutated_folder(work / "it", chance, ["field.json", "field.safetensors", "metrics.csv"])
    data = ["--data", "sample:ecg"]
    return [
        ["info", str(work / "it"), "--out", str(work / "info")],
        ["fit", str(work / "it"), *data, "--out", str(work / "set"), "--splits", "val"],
    ]


def checkpoint(bench: Bench, work: Path, chance: random.Random) -> list[list[str]]:
    shutil.copytree(bench.base / "run", work / "it")
    (work / "it" / "checkpoints" / "best.safetensors").unlink()  # it would stand in for the last
    files = ["checkpoints/last.safetensors", "checkpoints/last.safetensors"]
    mutated_folder(work / "it", chance, files)
    words = ["train", "--data", "sample:ecg", "--out", str(work / "it"), "--resume", "--set"]
    return [[*words, *TINY_WORDS.split()]]


def latent_set(bench: Bench, work: Path, chance: random.Random) -> list[list[str]]:
    shutil.copytree(bench.base / chance.choice(["set", "set8"]), work / "it")
    shard = "data/val-00000-of-00001.parquet"
    files = ["latent_set.json", "latent_set.json", shard, shard, "field/field.json", "README.md"]
    mutated_folder(work / "it", chance, files)
    return [
        ["info", str(work / "it"), "--check"],
        ["decode", str(work / "it"), "--id", "val-0000", "--out", str(work / "a.csv")],
        ["search", str(work / "it"), "--id", "val-0001", "--split", "val"],
        ["export", str(work / "it"), "--to", "hub", "--out", str(work / "hub")],
    ]


def stopped(bench: Bench, work: Path, chance: random.Random) -> list[list[str]]:
    """A fit that was stopped, with pieces of its own."""
    stored = Path(__file__).parents[1] / "stored" / "ecg"
    shutil.copytree(stored / "stopped-fit", work / "it")
    pieces = [str(p.relative_to(work / "it")) for p in (work / "it").rglob("piece-*.parquet")]
    mutated_folder(work / "it", chance, ["latent_set.json", *pieces])
    words = ["fit", str(stored / "run"), "--data", "sample:ecg", "--out", str(work / "it")]
    return [[*words, "--splits", "val", "test"]]


def module(bench: Bench, work: Path, chance: random.Random) -> list[list[str]]:
    """A pickled module."""
    layers = []
    for number, inputs in enumerate((1, 4, 4)):
        layer = torch.nn.Module()
        layer.linear = torch.nn.Linear(inputs, 1 if number == 2 else 4)
        layer.modulate_shift_layer = torch.nn.Linear(2, 1 if number == 2 else 4)
        layer.__dict__["w0"] = 10.0 * (number + 1)
        layers.append(layer)
    whole, inner = torch.nn.Module(), torch.nn.Module()
    inner.layers, inner.last_layer = torch.nn.ModuleList(layers[:2]), layers[2]
    whole.model = inner
    whole.register_buffer("grid", torch.linspace(-1, 1, 8)[:, None])
    torch.save(whole, work / "model.pt")
    mutated_pickle(work / "model.pt", chance)
    return [["import", str(work / "model.pt"), "--out", str(work / "run"), "--shape", "8"]]


def datapoint(bench: Bench, work: Path, chance: random.Random) -> list[list[str]]:
    sound = bench.place / "theirs"
    if not sound.exists():
        words = ["export", str(bench.base / "set"), "--to", "reference", "--out", str(sound)]
        (answer,) = bench.answers([words])
        assert answer["code"] == 0, answer["err"]
        for split in ("train", "val", "test"):
            for path in sorted((sound / split).glob("*.pt"))[2:]:
                path.unlink()
    shutil.copytree(sound, work / "it")
    mutated_pickle(work / "it" / chance.choice(["val/datapoint_0.pt", "best.model"]), chance)
    return [["import", str(work / "it"), "--out", str(work / "set")]]


def mutated_pickle(path: Path, chance: random.Random) -> None:
    """The archive as a whole, or the program in it."""
    if chance.random() < 0.3:
        mutated_bytes(path, chance)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    program = bytearray(next(data for name, data in members.items() if name.endswith("data.pkl")))
    for _ in range(chance.choice([1, 2, 5])):
        if program:
            chance.choice(BYTES)(program, chance)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, bytes(program) if name.endswith("data.pkl") else data)


SUBJECTS: dict[str, Subject] = {
    "runs": run,
    "checkpoints": checkpoint,
    "sets": latent_set,
    "stopped fits": stopped,
    "modules": module,
    "datapoints": datapoint,
}


def wrong(answer: dict[str, Any], private: str) -> list[str]:
    """What is wrong with an answer to a file that may be damaged or not."""
    faults = list(cost_faults(answer))
    if faults or "code" not in answer:
        return faults
    said = answer["out"] + answer["err"]
    if not said.replace("\n", "").replace("\t", "").isprintable():
        faults.append("control characters")
    if answer["code"] == 0:
        return faults
    complaints = [line for line in answer["err"].splitlines() if line.startswith("medfuncta: ")]
    if answer["code"] != 2 or len(complaints) != 1:
        faults.append(f"exit code {answer['code']}, {answer['err'][-300:]!r}")
    elif private in complaints[0]:
        faults.append(f"a path: {complaints[0]}")
    return faults


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("subject", SUBJECTS)
def test_whatever_becomes_of_a_file(
    subject: str, number: int, tmp_path: Path, bench: Bench
) -> None:
    commands, names = [], []
    for mutation in range(MUTATIONS):
        name = f"{SEED}-{number}-{mutation}"
        work = tmp_path / name
        work.mkdir()
        for words in SUBJECTS[subject](bench, work, random.Random(f"{subject}-{name}")):
            commands.append(words)
            names.append(f"{name}: {words[0]}")
    faults, codes = {}, set()
    for name, answer in zip(names, bench.answers(commands), strict=True):
        found = wrong(answer, str(bench.place))
        codes.add(answer.get("code"))
        if found:
            faults[name] = found
    assert faults == {}
    assert 2 in codes


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_is_not_harmed_is_taken(
    subject: str, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a refusal would say nothing of the harm."""
    for harm in ("mutated_folder", "mutated_pickle"):
        monkeypatch.setattr(f"{__name__}.{harm}", lambda *_: None)
    for answer in bench.answers(SUBJECTS[subject](bench, tmp_path, random.Random(0))):
        assert answer["code"] == 0 and not wrong(answer, str(bench.place)), answer
