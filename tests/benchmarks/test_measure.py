from __future__ import annotations

import pytest
from tiny_case import allocate, refuse

from benchmarks.measure import Row, Timings, extra_memory, in_turn, rows_table
from medfuncta._src.errors import MedFunctaError


def test_sides_are_timed_in_turn() -> None:
    calls: list[str] = []
    timings = in_turn(
        {"ours": lambda: calls.append("a"), "reference": lambda: calls.append("b")}, repeats=3
    )
    assert "".join(calls) == "ab" * 4  # one warm-up
    assert [len(seconds) for seconds in timings.seconds.values()] == [3, 3]


def test_the_ratio_is_that_of_neighbours() -> None:
    """The machine slows down tenfold half-way; each pair still says one half."""
    timings = Timings(
        {
            "ours": [1.0, 1.0, 10.0, 10.0],
            "reference": [2.0, 2.0, 20.0, 20.0],
            "floor": [0.5, 0.5, 5.0, 5.0],
        }
    )
    median, minimum, share = timings.rows("step")
    assert median.ratio == 0.5
    assert (minimum.ours, minimum.reference, minimum.floor) == (1.0, 2.0, 0.5)
    assert (share.ours, share.reference) == (0.5, 0.25)


def test_rates_of_different_amounts() -> None:
    row = Timings({"ours": [2.0], "reference": [1.0]}).rate_row(
        "fit", "signals/s", {"ours": 64, "reference": 4}
    )
    assert (row.ours, row.reference, row.floor, row.ratio) == (32.0, 4.0, None, 8.0)


def test_a_missing_side_has_no_ratio() -> None:
    assert Row.of("a", "s", 1.0).ratio is None
    assert Row.of("a", "s", None, 1.0).ratio is None
    assert "too large" in rows_table([Row.of("a", "s", 1.0, note="too large")])


def test_memory_is_counted_above_what_was_held_before() -> None:
    assert extra_memory(allocate, 64) == pytest.approx(64, abs=4)


def test_an_error_of_the_measured_process_arrives() -> None:
    with pytest.raises(MedFunctaError, match="nothing to measure"):
        extra_memory(refuse)
