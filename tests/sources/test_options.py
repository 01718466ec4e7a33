from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from medfuncta.errors import ConfigError
from medfuncta.sources.options import describe, details, option, parse


@dataclass(frozen=True)
class Example:
    limit: int | None = option(None, "first N", at_least=1)
    window: float = option(2.5, "seconds", more_than=0)
    flip: bool = option(False, "upside down")
    kind: Literal["grey", "rgb"] = option("grey", "colours")
    spacing: tuple[float, ...] = option((1.0, 2.0), "millimetres", more_than=0)
    leads: tuple[str, ...] = option((), "by name")


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
    }


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("limit", "x", "the option 'limit' is 'x'; expected a whole number"),
        ("limit", "0", "the option 'limit' is 0; expected at least 1"),
        ("window", "nan", "the option 'window' is 'nan'; expected a number"),
        ("window", "0", "the option 'window' is 0.0; expected more than 0"),
        ("flip", "yes", "the option 'flip' is 'yes'; expected true or false"),
        ("kind", "gray", "the option 'kind' is 'gray'; did you mean 'grey'? Known: grey, rgb"),
        ("spacing", "1,,2", "the option 'spacing' is ''; expected a number"),
        ("spacing", "1,-2", "the option 'spacing' is -2.0; expected more than 0"),
        (
            "limmit",
            "1",
            (
                "unknown option 'limmit'; did you mean 'limit'? Known: flip, kind, leads, limit, "
                "spacing, window"
            ),
        ),
    ],
)
def test_a_wrong_value_is_one_line(name: str, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Example, {name: text})
    assert str(caught.value) == line
