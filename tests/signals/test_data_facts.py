"""What a run notes of its data, and what is said of data that differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from medfuncta._src.signals.data_facts import (
    DataFacts,
    FactsTally,
    RangeUse,
    differences,
    range_remark,
    remarks_for,
)
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

PLAIN = DataFacts("mV", (0.0, 255.0), ((0.008, 0.008),), "s", 1.0)


def trace(
    values: Sequence[float], bounds: tuple[float, float] | None = None, step: float = 0.004
) -> Signal:
    column = np.array(values, np.float32)[:, None]
    span = ValueRange.of(column) if bounds is None else ValueRange(*bounds)
    return Signal.of("a", column, Grid((len(values),), (step,), unit="s"), span, unit="mV")


def facts_of(*signals: Signal) -> DataFacts:
    return DataFacts.of_set(SignalSet.collect(SignalSpec(1, 1, unit="mV"), signals))


def test_a_shared_range_is_told_from_one_of_each_signal() -> None:
    shared = facts_of(trace([0, 1], (0, 255)), trace([0, 25], (0, 255)))
    own = facts_of(trace([0, 1]), trace([0, 25]))
    assert (shared.range, own.range) == ((0, 255), None)
    assert shared.used == pytest.approx(25 / 255) and own.used == 1
    assert shared.spacing == ((0.004, 0.004),) and shared.spacing_unit == "s"


def test_a_single_signal_in_its_own_range_shares_none() -> None:
    assert facts_of(trace([0, 3])).range is None
    assert facts_of(trace([0, 3], (0, 255))).range == (0, 255)


def test_masked_values_are_not_looked_at() -> None:
    use = RangeUse()
    use.add(np.array([[0.0], [0.05], [1.0]]), np.array([True, True, False]))
    assert use.share == pytest.approx(0.05)


def test_scattered_samples_have_no_spacing() -> None:
    tally = FactsTally()
    points = np.array([[0.0], [1.0], [3.0]])
    scatter = Scatter(points, (0.0,), (3.0,), "s")
    values = np.zeros((3, 1), np.float32)
    tally.add_header(Signal.of("a", values, scatter, ValueRange(0, 1)).header)
    assert tally.facts().spacing is None


@pytest.mark.parametrize(("used", "said"), [(0.0999, 1), (0.1, 0), (1.0, 0), (0.0, 0), (None, 0)])
def test_a_remark_comes_below_a_tenth_of_the_range(used: float | None, said: int) -> None:
    assert len(range_remark(DataFacts(range=(0, 1), used=used))) == said


def test_the_remark_says_what_the_unused_range_adds() -> None:
    (line,) = range_remark(DataFacts(range=(0, 255), used=1 / 255))
    assert "0.4% of the range 0 to 255" in line and "adds 48 dB" in line


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (PLAIN, []),
        (DataFacts("uV", (0, 255), ((0.008, 0.008),), "s"), ["values are in uV"]),
        (DataFacts("mV", (0, 1000), ((0.008, 0.008),), "s"), ["0 to 1000 is mapped"]),
        (DataFacts("mV", None, ((0.008, 0.008),), "s"), []),
        (DataFacts("mV", (0, 255), ((0.004, 0.004),), "s"), ["(250 a second)"]),
        (DataFacts("mV", (0, 255), ((0.008, 0.00801),), "s"), []),
        (DataFacts("mV", (0, 255), None, "s"), []),
        (DataFacts("", (0, 1), ((4.0, 4.0),), "s"), ["no unit", "0 to 1 is", "4 s"]),
    ],
)
def test_a_difference_is_said(seen: DataFacts, said: list[str]) -> None:
    lines = differences(PLAIN, seen)
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


def test_spacings_within_those_of_training_are_no_difference() -> None:
    trained = DataFacts(spacing=((1.0, 3.0), (1.0, 1.0)), spacing_unit="mm")
    inside = DataFacts(spacing=((2.0, 2.5), (1.0, 1.0)), spacing_unit="mm")
    outside = DataFacts(spacing=((2.0, 3.5), (1.0, 1.0)), spacing_unit="mm")
    assert differences(trained, inside) == []
    assert differences(trained, outside) == [
        "samples are 2-3.5 x 1 mm apart; the run was trained on samples 1-3 x 1 mm apart"
    ]


def test_a_range_that_training_did_not_share_is_said() -> None:
    (line,) = differences(DataFacts(), DataFacts(range=(0, 1)))
    assert "each signal's own range" in line


def test_facts_come_back_from_a_run() -> None:
    assert DataFacts.from_training({"data": PLAIN.to_dict()}) == PLAIN


def test_of_an_older_run_only_the_unit_is_compared() -> None:
    spec = SignalSpec(1, 1, unit="mV")
    assert remarks_for(spec, {}, PLAIN) == []
    assert len(remarks_for(spec, {"data": "damaged"}, DataFacts("HU"))) == 1


@pytest.mark.parametrize(("signals", "said"), [(1, 0), (2, 1)])
def test_one_training_signal_does_not_tell_whose_range_it_was(signals: int, said: int) -> None:
    noted = facts_of(*[trace([0, level]) for level in range(1, 1 + signals)])
    training = {"data": noted.to_dict(), "train_signals": signals}
    seen = facts_of(trace([0, 1], (0, 1)), trace([0.1, 0.9], (0, 1)))
    remarks = remarks_for(SignalSpec(1, 1, unit="mV"), training, seen)
    assert len([line for line in remarks if "own range" in line]) == said
