from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from medfuncta._src.errors import ConfigError
from medfuncta._src.sources.options import Options, describe, details, option, parse

COUNT = "a whole number from 1 to 1,000,000,000, or none"
DISTANCES = "numbers above 0, separated by commas"


@dataclass(frozen=True)
class Example(Options):
    limit: int | None = option(None, "first N", at_least=1)
    window: float = option(2.5, "seconds", more_than=0)
    flip: bool = option(False, "upside down")
    kind: Literal["grey", "rgb"] = option("grey", "colours")
    spacing: tuple[float, ...] = option((1.0, 2.0), "millimetres", more_than=0)
    leads: tuple[str, ...] = option((), "by name")
    shape: tuple[int, ...] | None = option(None, "voxels", at_least=2, at_most=9)


def test_text_becomes_typed_values() -> None:
    given = {
        "limit": "3",
        "window": "1e-1",
        "flip": "True",
        "kind": "rgb",
        "spacing": "1, 2,3",
        "leads": "I,II",
    }
    assert parse(Example, given) == Example(3, 0.1, True, "rgb", (1.0, 2.0, 3.0), ("I", "II"))


def test_defaults_and_none() -> None:
    assert parse(Example, {}) == Example()
    assert parse(Example, {"limit": "none"}).limit is None


def test_help_and_record_come_from_the_declaration() -> None:
    assert describe(Example)["spacing"] == "millimetres (default: 1.0,2.0)"
    assert describe(Example)["limit"] == "first N (default: none)"
    assert details(Example(leads=("V1", "V2"))) == {
        "limit": None,
        "window": 2.5,
        "flip": False,
        "kind": "grey",
        "spacing": "1.0,2.0",
        "leads": "V1,V2",
        "shape": None,
    }


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("limit", "x", f"the option 'limit' is 'x'; expected {COUNT}"),
        ("limit", "0", f"the option 'limit' is '0'; expected {COUNT}"),
        ("limit", "9" * 30, f"the option 'limit' is '{'9' * 30}'; expected {COUNT}"),
        ("window", "nan", "the option 'window' is 'nan'; expected a number above 0"),
        ("window", "1e999", "the option 'window' is '1e999'; expected a number above 0"),
        ("window", "0", "the option 'window' is '0'; expected a number above 0"),
        ("flip", "yes", "the option 'flip' is 'yes'; expected true or false"),
        ("kind", "gray", "the option 'kind' is 'gray'; did you mean 'grey'? Known: grey, rgb"),
        ("spacing", "1,,2", f"the option 'spacing' is '1,,2'; expected {DISTANCES}"),
        ("spacing", "1,-2", f"the option 'spacing' is '1,-2'; expected {DISTANCES}"),
        (
            "shape",
            "1",
            "the option 'shape' is '1'; expected whole numbers from 2 to 9, "
            "separated by commas, or none",
        ),
        (
            "limmit",
            "1",
            (
                "unknown option 'limmit'; did you mean 'limit'? Known: flip, kind, leads, limit, "
                "shape, spacing, window"
            ),
        ),
    ],
)
def test_a_wrong_value_is_one_line(name: str, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Example, {name: text})
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", 0),
        ("limit", 1.5),
        ("limit", "3"),
        ("limit", 10**400),
        ("window", float("inf")),
        ("flip", 1),
        ("kind", "gray"),
        ("spacing", (1.0, -2.0)),
        ("leads", "I"),
    ],
)
def test_options_made_in_python_keep_to_the_same_bounds(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"the option '{name}' is"):
        Example(**{name: value})  # type: ignore[arg-type]


def test_a_whole_number_and_a_list_are_taken_for_what_they_can_stand_for() -> None:
    example = Example(window=np.int64(2), spacing=[1, np.float32(0.5)])  # type: ignore[arg-type]
    assert (example.window, example.spacing) == (2.0, (1.0, 0.5))
    assert isinstance(example.window, float)
