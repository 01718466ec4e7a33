"""What a Python program hands to the public functions: something of another kind gets one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import medfuncta
from latents.sets import make_run, write_set
from medfuncta._src.door.callers import expecting
from medfuncta._src.errors import ConfigError
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.settings import Config, override
from medfuncta._src.signals.domain import Grid


@pytest.fixture(scope="module")
def latent_set(tmp_path_factory: pytest.TempPathFactory) -> LatentSet:
    return write_set(tmp_path_factory.mktemp("sets") / "set", train=2)


MISUSES: dict[str, tuple[Callable[[LatentSet], object], str]] = {
    "train on a number": (
        lambda _: medfuncta.train(3, "out"),  # type: ignore[arg-type]
        "train: source is 3; expected a Source of medfuncta or text",
    ),
    "train with a list": (
        lambda _: medfuncta.train("sample:ecg", "out", settings=[1]),  # type: ignore[arg-type]
        "train: settings is a list; expected a dictionary or None",
    ),
    "evaluate a name": (
        lambda _: medfuncta.evaluate("run", "sample:ecg"),  # type: ignore[arg-type]
        "evaluate: run is 'run'; expected a Run of medfuncta",
    ),
    "fit with a name": (
        lambda _: medfuncta.create_latent_set("run", None, "out"),  # type: ignore[arg-type]
        "create_latent_set: run is 'run'; expected a Run of medfuncta",
    ),
    "fit nothing": (
        lambda _: medfuncta.fit_latents(make_run(), None),  # type: ignore[arg-type]
        "fit_latents: signals is None; expected a SignalSet of medfuncta",
    ),
    "decode a number": (
        lambda latent_set: latent_set.decode(3),  # type: ignore[arg-type]
        "decode: id is 3; expected text",
    ),
    "decode onto a shape": (
        lambda latent_set: latent_set.decode("train-0", (3, 4)),  # type: ignore[arg-type]
        "decode: domain is a tuple; expected a Grid of medfuncta or a Scatter",
    ),
    "decode by a name": (
        lambda _: medfuncta.decode("run", torch.zeros(3), Grid((3,))),  # type: ignore[arg-type]
        "decode: network is 'run'; expected a Field of medfuncta",
    ),
    "ask for row 0": (lambda latent_set: latent_set.row(0), "row: id is 0; expected text"),  # type: ignore[arg-type]
    "open a number": (lambda _: LatentSet.open(3), "open: folder is 3; expected a path or text"),  # type: ignore[arg-type]
    "load nothing": (lambda _: medfuncta.Run.load(None), "load: folder is None; expected a path"),  # type: ignore[arg-type]
    "open a source of bytes": (
        lambda _: medfuncta.open_source(b"sample:ecg"),  # type: ignore[arg-type]
        "open_source: text is a bytes; expected text",
    ),
    "merge one": (
        lambda latent_set: medfuncta.merge_latent_sets(latent_set, "out"),  # type: ignore[arg-type]
        "merge_latent_sets: latent_sets is a LatentSet; expected a list",
    ),
    "write an array": (
        lambda _: medfuncta.write_signal(np.zeros(3), Path("a.png")),  # type: ignore[arg-type]
        "write_signal: signal is a ndarray; expected a Signal of medfuncta",
    ),
}


@pytest.mark.parametrize("what", MISUSES)
def test_a_value_of_another_kind_gets_one_line(
    what: str, latent_set: LatentSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    misuse, line = MISUSES[what]
    with pytest.raises(ConfigError) as caught:
        misuse(latent_set)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


@expecting
def asked(count: int, rate: float = 1.0, *, where: Path | str | None = None, how: Any = 3) -> str:
    """Its docstring."""
    return f"{count} {rate} {where} {how}"


def test_what_fits_passes_and_the_function_stays_what_it_was() -> None:
    assert asked(np.int64(3), np.float32(0.5), where=Path("a")) == "3 0.5 a 3"
    assert asked(rate=2, count=True, how="x") == "True 2 None x"
    assert (asked.__name__, asked.__doc__) == ("asked", "Its docstring.")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"count": 2.5}, "asked: count is 2.5; expected a whole number"),
        ({"count": "3"}, "asked: count is '3'; expected a whole number"),
        ({"count": 3, "rate": None}, "asked: rate is None; expected a number"),
        ({"count": 3, "where": 4}, "asked: where is 4; expected a path or text or None"),
        ({"count": "x" * 500}, "asked: count is 'xxx"),
    ],
)
def test_the_first_argument_of_another_kind_is_told(words: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        asked(**words)
    assert str(caught.value).startswith(line) and len(str(caught.value)) < 150


def test_what_python_says_itself_stays() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'count'"):
        asked()  # type: ignore[call-arg]


GRIDS = """
import numpy as np
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid

nan, inf = float("nan"), float("inf")
grid = Grid((8, 8), (1.0, 1.0))
for shape in ((0, 4), (2.5, 3), (nan, 3), ("3", "4"), (), 5, (-1, 3), (2**31, 3), (True, 3), None):
    try:
        print("made", grid.with_shape(shape))
    except DataError as error:
        assert str(error).endswith("; expected 1 to 3 whole numbers from 1 to 1,073,741,824"), error
for spacing in ((0, 1), (-1.0, 1), (nan, 1), (inf, 1), "ab", (None, 1)):
    try:
        print("made", grid.with_spacing(spacing))
    except DataError as error:
        assert str(error).endswith("; expected one positive number an axis"), error
for shape in ([3, 4], np.array([3, 4]), (np.int64(3), 4)):
    made = grid.with_shape(shape)
    assert made.shape == (3, 4) and all(type(count) is int for count in made.shape)
assert grid.with_spacing(np.array([2.0, 4.0])).shape == (4, 2)
"""


def test_shapes_and_spacings_that_are_none_are_refused() -> None:
    """In a process of its own, where annotations are not checked by the tests."""
    done = subprocess.run([sys.executable, "-c", GRIDS], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train": {"steps": np.int64(7)}}, 7),
        ({"train": {"steps": np.array(7)}}, 7),
        ({"train": {"steps": torch.tensor(7)}}, 7),
    ],
)
def test_numbers_of_other_libraries_are_settings(changes: Any, expected: int) -> None:
    steps = override(Config(), changes).train.steps
    assert steps == expected and type(steps) is int


def test_a_number_of_numpy_that_is_out_of_bounds_is_refused_as_any() -> None:
    with pytest.raises(ConfigError, match=r"'train.steps' is 0; expected a whole number from 1"):
        override(Config(), {"train": {"steps": np.int64(0)}})
