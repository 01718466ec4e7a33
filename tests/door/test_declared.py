from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from msgspec import Meta

from medfuncta._src.door.declared import Fault, check_plain, convert, from_text, settle
from medfuncta._src.door.limits import MAX_DEPTH, MAX_TEXT, SplitName
from medfuncta._src.door.wording import described, printable, shortened, shown
from medfuncta._src.errors import DataError

Size = Annotated[int, Meta(ge=1, le=1000)]


@dataclass(frozen=True)
class Inner:
    rate: Annotated[float, Meta(gt=0, le=10)] = 0.5
    how: Literal["fast", "slow"] = "fast"


@dataclass(frozen=True)
class Outer:
    size: Size
    sides: tuple[Size, ...] = ()
    inner: Inner = field(default_factory=Inner)
    splits: Mapping[SplitName, Inner] = field(default_factory=dict)
    note: str | None = None


def test_plain_data_becomes_the_declared_type() -> None:
    data = {"size": 3, "sides": [1, 2], "inner": {"rate": 2}, "splits": {"val": {"how": "slow"}}}
    got = convert(data, Outer)
    assert got == Outer(3, (1, 2), Inner(2.0), {"val": Inner(how="slow")})
    assert isinstance(got.inner.rate, float)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({}, "size is missing"),
        ([], "it is []; expected an object"),
        ({"size": "3"}, "size is '3'; expected a whole number from 1 to 1,000"),
        ({"size": 0}, "size is 0; expected a whole number from 1 to 1,000"),
        ({"size": 10**400}, "size is a number of 401 digits; expected a whole number from 1"),
        ({"size": True}, "size is true; expected a whole number"),
        ({"size": 1, "sides": [1, 0]}, "sides[1] is 0; expected a whole number"),
        ({"size": 1, "inner": {"rate": 0}}, "inner.rate is 0; expected a number above 0"),
        ({"size": 1, "inner": {"how": "fats"}}, "inner.how is 'fats'; did you mean 'fast'?"),
        ({"size": 1, "inner": {"ratte": 1}}, "inner.'ratte' is unknown; did you mean 'rate'?"),
        ({"size": 1, "inner": 3}, "inner is 3; expected an object"),
        ({"size": 1, "splits": {"a/b": {}}}, "a name in splits is 'a/b'; expected 1 to 64 letters"),
        ({"size": 1, "splits": {"val": {"rate": "x"}}}, "splits.val.rate is 'x'; expected a num"),
        ({"size": 1, "note": 3}, "note is 3; expected text, or null"),
    ],
)
def test_the_first_fault_is_named_with_its_place(data: Any, line: str) -> None:
    with pytest.raises(Fault) as caught:
        convert(data, Outer)
    assert str(caught.value).startswith(line)


def test_defaults_may_be_asked_for() -> None:
    assert convert({}, Inner) == Inner()
    with pytest.raises(Fault, match="how is missing"):
        convert({"rate": 1}, Inner, whole=True)


@pytest.mark.parametrize("name", ["train", "fold_1.a-b", "x" * 64])
def test_names_of_splits_that_are_files_everywhere(name: str) -> None:
    assert convert({name: 1}, dict[SplitName, int]) == {name: 1}


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".val", "-val", "a/b", "a\\b", "a\n", "a\0", "ä", "x" * 65, " "]
)
def test_names_of_splits_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(Fault, match="expected 1 to 64 letters"):
        convert({name: 1}, dict[SplitName, int])


def nested(depth: int) -> Any:
    data: Any = 1
    for _ in range(depth):
        data = [data]
    return data


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"a": [float("nan")]}, "holds the number nan"),
        ([float("-inf")], "holds the number -inf"),
        (nested(MAX_DEPTH + 1), "is nested more than"),
        (nested(100_000), "is nested more than"),
        ({"a": "x" * (MAX_TEXT + 1)}, "has a text of"),
        ({"x" * (MAX_TEXT + 1): 1}, "has a text of"),
        ([10**400], "holds a number of 401 digits"),
        (["\udcff"], "has half a character"),
        ([[]] * 3_000_000, "has more than"),
    ],
    ids=["nan", "inf", "deep", "very deep", "text", "name", "digits", "surrogate", "many"],
)
def test_plain_data_has_limits(data: Any, line: str) -> None:
    with pytest.raises(Fault, match=line):
        check_plain(data)


def test_what_is_within_limits_passes() -> None:
    check_plain({"a": [nested(MAX_DEPTH - 2), 10**30, "é" * 1000, None, True, 1e300]})


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (" 8 ", Size, 8),
        ("1e-1", float, 0.1),
        ("True", bool, True),
        ("false", bool, False),
        ("none", Size | None, None),
        ("None", float | None, None),
        ("none", str, "none"),
        ("slow", Literal["fast", "slow"], "slow"),
        ("1, 2,3", tuple[Size, ...], (1, 2, 3)),
        ("", str, ""),
        ("a,b", str, "a,b"),
    ],
)
def test_text_of_a_person(text: str, kind: Any, value: Any) -> None:
    got = from_text(text, kind)
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("eight", int),
        ("2.5", int),
        ("", int),
        ("9" * 5000, Size),
        ("nan", float),
        ("1e999", float),
        ("-inf", float),
        ("perhaps", bool),
        ("2", bool),
        ("none", Size),
        ("1,,2", tuple[int, ...]),
        ("\udcff", Literal["fast", "slow"]),
    ],
)
def test_text_that_is_something_else(text: str, kind: Any) -> None:
    with pytest.raises(Fault) as caught:
        from_text(text, kind, "it")
    assert len(str(caught.value)) < 300 and str(caught.value).isprintable()


@dataclass(frozen=True)
class Settled:
    size: Size = 1
    rate: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    sides: tuple[int, ...] = ()
    how: Literal["fast", "slow"] = "fast"

    def __post_init__(self) -> None:
        settle(self, noun="the thing's", prefix="own.", error=DataError)


def test_what_is_made_in_python_keeps_to_the_same_bounds() -> None:
    got = Settled(np.int64(3), 0, [np.int32(1), 2])  # type: ignore[arg-type]
    assert got == Settled(3, 0.0, (1, 2))
    assert [type(value) for value in (got.size, got.rate, got.sides)] == [int, float, tuple]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 0),
        ("size", "3"),
        ("size", None),
        ("size", 1.0),
        ("rate", 1),
        ("rate", float("nan")),
        ("sides", 3),
        ("sides", ["a"]),
        ("how", "medium"),
    ],
)
def test_what_is_made_wrongly_in_python_is_said_in_one_line(name: str, value: Any) -> None:
    with pytest.raises(DataError, match=rf"the thing's 'own\.{name}' is .*; "):
        Settled(**{name: value})


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Size, "a whole number from 1 to 1,000"),
        (Annotated[int, Meta(ge=1)], "a whole number of at least 1"),
        (Annotated[float, Meta(gt=0)], "a number above 0"),
        (Annotated[float, Meta(ge=0, lt=1)], "a number of at least 0 and below 1"),
        (Annotated[float, Meta(gt=0.5, le=1)], "a number above 0.5 and at most 1"),
        (Annotated[str, Meta(max_length=9)], "text of at most 9 characters"),
        (tuple[Size, ...] | None, "a list of whole numbers from 1 to 1,000, or null"),
        (Annotated[tuple[int, ...], Meta(max_length=3)], "a list of at most 3 whole numbers"),
        (int | str, "a whole number or text"),
        (dict[str, int], "an object"),
        (bool, "true or false"),
        (Literal["a", "b"], "one of a, b"),
    ],
)
def test_types_in_words(kind: Any, words: str) -> None:
    assert described(kind) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a\x1b[31m\nb", "'a [31m b'"),
        ("x" * 1000, f"'{'x' * 59}…'"),
        (10**30, "a number of 31 digits"),
        (-(10**400), "a number of 401 digits"),
        ([1, "a", None], "[1, 'a', null]"),
        ([0] * 100, "a list of 100 values"),
        ({"a": 1}, "an object of 1 entries"),
        (1e300, "1e+300"),
        (False, "false"),
    ],
)
def test_values_as_they_are_quoted(value: Any, words: str) -> None:
    assert shown(value) == words


def test_lines_are_short_and_printable() -> None:
    assert shortened("ab\ncd", 4) == "ab …"
    assert printable("a\x07\u202e\ud800b") == "a   b"
