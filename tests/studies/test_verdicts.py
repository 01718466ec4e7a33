"""What the numbers of several seeds say of a claim."""

from __future__ import annotations

import pytest

from medfuncta._src.studies.outcome import (
    CONFIRMED,
    NOT_CONFIRMED,
    NOT_TESTABLE,
    judged_above,
    judged_no_worse,
)


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict", "said"),
    [
        ([30.0, 31.0], [29.0, 29.5], CONFIRMED, "Numbers."),
        ([30.0, 31.0], [29.0, 30.5], NOT_CONFIRMED, "within the spread"),
        ([30.0, 30.1], [29.9, 29.95], NOT_CONFIRMED, "below 0.2 dB"),
        ([29.0, 29.5], [30.0, 31.0], NOT_CONFIRMED, "The opposite holds"),
        ([40.0], [20.0], NOT_TESTABLE, "One seed has no spread"),
        ([30.0, 31.0], [29.0], CONFIRMED, "Numbers."),  # a code without a seed
    ],
)
def test_a_difference_counts_beyond_the_spread(
    ours: list[float], theirs: list[float], verdict: str, said: str
) -> None:
    claim = judged_above("better", "us", ours, theirs, "Numbers.")
    assert claim.verdict == verdict and said in claim.because


def test_a_difference_may_have_to_be_larger() -> None:
    claim = judged_above("much better", "us", [30.5, 30.6], [30.0, 30.1], "Numbers.", least=1.0)
    assert claim.verdict == NOT_CONFIRMED and "but less than 1 dB" in claim.because


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ([29.9, 30.2], CONFIRMED),
        ([30.1, 29.7], NOT_CONFIRMED),  # as good on average, but one seed loses
        ([35.0, 35.0], CONFIRMED),
        ([29.0], NOT_TESTABLE),
    ],
)
def test_as_well_holds_where_no_seed_loses_the_margin(ours: list[float], verdict: str) -> None:
    theirs = [30.0, 30.0][: len(ours)]
    claim = judged_no_worse("as well", "us", ours, theirs, "Numbers.", margin=0.2)
    assert claim.verdict == verdict
