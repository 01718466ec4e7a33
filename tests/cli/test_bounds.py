"""Every number that a command takes has bounds, declared where the option is; nothing outside of
them gets further than one line."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

import pytest
from msgspec import Meta
from tyro.conf import Positional

from medfuncta._src.cli.command import numbers_in
from medfuncta._src.cli.commands import COMMANDS
from medfuncta._src.cli.main import main
from medfuncta._src.cli.parsing import parse
from medfuncta._src.door.declared import hints_of
from medfuncta._src.door.wording import bare
from medfuncta._src.errors import ConfigError
from tasks.blob_set import write_blob_set

OPTIONS = [
    (command, name)
    for command, kind in COMMANDS.items()
    for name, hint in hints_of(kind).items()
    if numbers_in(hint)
]
WRONG = ["-1", "-0.5", "nan", "inf", "-inf", "1e30", str(10**30), "1e400", ""]


def bounds_of(command: str, name: str) -> Meta:
    (kind,) = numbers_in(hints_of(COMMANDS[command])[name])
    (meta,) = [extra for extra in get_args(kind) if isinstance(extra, Meta)]
    return meta


def needed(command: str) -> list[str]:
    """Words that a command asks for besides."""
    words = []
    hints = hints_of(COMMANDS[command])
    for field in fields(COMMANDS[command]):
        if field.default is not MISSING or field.default_factory is not MISSING:
            continue
        hint = hints[field.name]
        plain = bare(hint)
        word = "x"
        if get_args(plain) and isinstance(get_args(plain)[0], str):
            word = get_args(plain)[0]
        is_positional = any(extra is get_args(Positional[int])[1] for extra in get_args(hint)[1:])
        words += [word] if is_positional else [f"--{field.name.replace('_', '-')}", word]
    return words


def parsed(command: str, name: str, value: str) -> Any:
    words = [command, *needed(command), f"--{name.replace('_', '-')}", value]
    return getattr(parse(words, COMMANDS, ""), name)


def test_there_are_numbers_to_look_at() -> None:
    assert len(OPTIONS) > 20
    assert {"classify", "explore", "search", "train", "study"} <= {name for name, _ in OPTIONS}


@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_a_number_has_a_lower_and_an_upper_bound(command: str, name: str) -> None:
    meta = bounds_of(command, name)
    assert (meta.ge, meta.gt) != (None, None) and (meta.le, meta.lt) != (None, None)


@pytest.mark.parametrize("value", [*WRONG, "0"])
@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_what_is_out_of_bounds_is_one_line(command: str, name: str, value: str) -> None:
    lowest = bounds_of(command, name).ge
    if value in ("0", "-1", "-0.5") and lowest is not None and lowest <= float(value):
        found = parsed(command, name, value)
        assert found in (float(value), (float(value),))
        return
    with pytest.raises(ConfigError) as caught:
        parsed(command, name, value)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 300
    assert name.replace("_", "-") in line or f"-{name} " in line


@pytest.fixture(scope="module")
def latent_set(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("bounds") / "set"
    write_blob_set(folder, {"train": 12, "val": 4, "test": 4})
    return str(folder)


@pytest.mark.parametrize(
    "words",
    [
        "search SET --id test-1 -k 1000000000",
        "explore SET outliers -k 1000000000",
        "explore SET map --limit 1000000000",
        "explore SET map --limit 1",
        "explore SET interpolate --between test-0 test-1 --steps 256",
        "explore SET interpolate --between test-0 test-1 --steps 2",
        "classify SET --classifier knn -k 1000000000",
        "classify SET --classifier logistic --whiten 1048576",
        "classify SET --classifier mlp --seconds 0.000001",
        "regress SET --seed 4294967295 --epochs 1",
        "decode SET --id test-0 --out x.csv --spacing 1e-300",
        "decode SET --id test-0 --out x.csv --shape 1e30",
        "decode SET --id test-0 --out x.csv --shape 99999999999999999999999",
        "decode SET --id test-0 --out x.csv --shape -1",
    ],
)
def test_the_ends_of_the_bounds_are_quick(
    words: str,
    latent_set: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    begun = perf_counter()
    code = main([latent_set if word == "SET" else word for word in words.split()])
    assert code in (0, 2) and perf_counter() - begun < 20
    complaints = [line for line in capsys.readouterr().err.splitlines() if "medfuncta: " in line]
    assert len(complaints) == (1 if code else 0)
