from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.sources.splitting import SplitOptions, split_groups, wanted_splits

RECORDS = tuple(str(100 + i) for i in range(22))


@given(
    names=st.sets(st.text("abcdef0123", min_size=1), min_size=3, max_size=40),
    val=st.floats(0, 0.5),
    test=st.floats(0, 0.49),
    seed=st.integers(0, 99),
)
def test_every_group_is_in_exactly_one_split_and_none_is_empty(
    names: set[str], val: float, test: float, seed: int
) -> None:
    splits = split_groups(names, SplitOptions(str(val), str(test), seed))
    assert sorted(name for chosen in splits.values() for name in chosen) == sorted(names)
    assert set(splits) == {"train"} | ({"val"} if val else set()) | ({"test"} if test else set())
    assert all(splits.values())


def test_fractions_are_met() -> None:
    splits = split_groups(map(str, range(100)), SplitOptions("0.1", "0.3"))
    assert {split: len(names) for split, names in splits.items()} == {
        "train": 60,
        "val": 10,
        "test": 30,
    }


def test_a_fraction_is_one_of_all_groups_where_others_are_named() -> None:
    splits = split_groups(RECORDS[:12], SplitOptions("100,101", "0.25"))
    assert {split: len(names) for split, names in splits.items()} == {
        "train": 7,
        "val": 2,
        "test": 3,
    }


def test_the_split_depends_on_names_and_seed_only() -> None:
    first = split_groups(RECORDS, SplitOptions())
    assert split_groups(reversed(RECORDS), SplitOptions()) == first
    assert split_groups(RECORDS, SplitOptions(seed=1)) != first
    assert first["val"] == ("107", "116", "117")  # the same on every machine and in every version


def test_names_and_fractions_mix() -> None:
    splits = split_groups(RECORDS, SplitOptions(val="0.1", test="100,101"))
    assert (
        splits["test"] == ("100", "101") and len(splits["val"]) == 2 and len(splits["train"]) == 18
    )


def test_all_groups_can_be_one_split() -> None:
    assert split_groups(RECORDS, SplitOptions("0", "1")) == {"test": RECORDS}
    assert split_groups(RECORDS[:2], SplitOptions("0", "100,101")) == {"test": RECORDS[:2]}


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        (
            SplitOptions("0.6", "0.5"),
            ConfigError,
            "fractions of 0.6 and 0.5 for val and test; expected at most 1 in sum",
        ),
        (
            SplitOptions("100,101", "101"),
            ConfigError,
            "'101' is named for the val and the test split; expected it in one of them",
        ),
        (SplitOptions("0", "100,999"), DataError, "no '999' for the test split; Known: 100, 101"),
    ],
)
def test_impossible_splits_are_one_line(
    options: SplitOptions, error: type[Exception], line: str
) -> None:
    with pytest.raises(error) as caught:
        split_groups(["100", "101"], options)
    assert str(caught.value) == line


def test_too_few_groups_say_what_to_do() -> None:
    with pytest.raises(
        DataError, match=r"2 groups \(records, patients or files\) for 3 splits.*val=0 or test=0"
    ):
        split_groups(["a", "b"], SplitOptions())


@pytest.mark.parametrize(
    ("val", "test"),
    [("0.1", "0.2"), ("0", "0"), ("0", "1"), ("0.5", "0.5"), ("100", "0"), ("0.0", "100,101")],
)
def test_the_splits_are_known_before_the_groups(val: str, test: str) -> None:
    options = SplitOptions(val, test)
    assert wanted_splits(options) == tuple(split_groups(RECORDS, options))
