from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_case import TINY

from benchmarks import reference_curve
from benchmarks.curve import Curve, Moment, picture
from benchmarks.reference_curve import ReferenceCurves, Schedule, stacked
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

CURVE = Curve((Moment(10, 1.5, 12.0), Moment(20, 3.0, 20.25), Moment(30, 4.5, 19.0)))


def test_when_a_quality_was_reached() -> None:
    assert CURVE.best == Moment(20, 3.0, 20.25)
    assert CURVE.first(12.1) == CURVE.moments[1]
    assert CURVE.first(21.0) is None
    assert Curve(()).best is None


def test_a_curve_survives_its_file(tmp_path: Path) -> None:
    CURVE.save(tmp_path / "curve.csv")
    assert Curve.load(tmp_path / "curve.csv") == CURVE


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="not a curve"):
        Curve.load(tmp_path / "curve.csv")


def test_the_picture_has_all_curves_and_targets() -> None:
    axes = picture(CURVE, {"slow": CURVE, "slower": CURVE}, [20.25], "waves").axes[0]
    assert [line.get_label() for line in axes.lines[:3]] == ["slow", "slower", "ours"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2 s"]


def test_numbers_of_targets_do_not_lie_on_each_other() -> None:
    axes = picture(CURVE, {}, [14.0, 20.0, 20.1, 14.1, 17.0], "waves").axes[0]
    assert [text.get_text() for text in axes.texts] == ["20.10 dB", "17.00 dB", "14.10 dB"]
    assert len(axes.lines) == 1 + 5


def signals(count: int) -> SignalSet:
    return TINY.signals(TINY.domain.coordinates()[None].repeat(count, 0) / 2 + 0.5)


def test_a_curve_is_measured_once_for_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[float] = []

    class Counting:
        def __init__(self, directory: Path, case: object) -> None:
            self.data = lambda values: values

        def meta_step(self, data: object) -> None:
            measured.append(1)

        def psnr(self, data: object, batch: int) -> float:
            return 10.0 + len(measured)

    monkeypatch.setattr(reference_curve, "Reference", Counting)
    curves = ReferenceCurves(tmp_path, tmp_path, "waves", signals(4), signals(2))
    schedule = Schedule(steps=5, seconds=60, every=2)
    first = curves.curve(TINY, schedule)
    assert [(moment.step, moment.psnr) for moment in first.moments] == [
        (2, 12.0),
        (4, 14.0),
        (5, 15.0),
    ]
    again = curves.curve(TINY, schedule)
    assert [moment.psnr for moment in again.moments] == [12.0, 14.0, 15.0] and len(measured) == 5
    curves.curve(replace(TINY, learning_rate=1e-4), schedule)
    assert len(measured) == 10


def test_part_of_a_set_is_stacked_alone() -> None:
    whole = signals(4)
    np.testing.assert_array_equal(stacked(whole.subset([2, 0])), stacked(whole)[[2, 0]])


def test_masked_signals_are_refused() -> None:
    whole = signals(2)
    with pytest.raises(DataError, match="masked"):
        stacked(replace(whole, observed=whole.values[:, 0] > 0.5))


def test_signals_of_one_shape_need_no_common_spacing() -> None:
    def spaced(spacing: float, shape: int = 4) -> Signal:
        return Signal.of(
            f"s{spacing}",
            np.ones((shape, 1), np.float32),
            Grid((shape,), (spacing,)),
            ValueRange(0, 1),
        )

    assert stacked(SignalSet.collect(SignalSpec(1, 1), [spaced(1.0), spaced(2.0)])).shape == (
        2,
        4,
        1,
    )
    with pytest.raises(DataError, match="different shapes"):
        stacked(SignalSet.collect(SignalSpec(1, 1), [spaced(1.0), spaced(2.0, shape=5)]))
