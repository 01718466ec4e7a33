"""What may be asked of heads, classifiers and studies has bounds in Python too, those of the
command line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from medfuncta._src.errors import ConfigError
from medfuncta._src.studies.study import StudyOptions
from medfuncta._src.tasks.classify.classifier import ClassifierOptions
from medfuncta._src.tasks.heads.training import Recipe
from medfuncta._src.tasks.segment.head import SegmentOptions

WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "no neighbour": (lambda: ClassifierOptions(k=(0,)), "option 'k' is"),
    "less than no component": (lambda: ClassifierOptions(whiten=(-1,)), "option 'whiten' is"),
    "no epoch": (lambda: ClassifierOptions(epochs=0), "option 'epochs' is 0"),
    "no time": (lambda: ClassifierOptions(seconds=0.0), "option 'seconds' is 0"),
    "a rate below 0": (lambda: Recipe(learning_rate=-1.0), "option 'learning_rate' is -1"),
    "a rate that is none": (lambda: Recipe(learning_rate=float("nan")), "'learning_rate' is nan"),
    "no unit": (lambda: SegmentOptions(hidden=0), "option 'hidden' is 0"),
    "too many points": (lambda: SegmentOptions(points=2**30), "option 'points' is"),
    "no signal": (lambda: StudyOptions("sample:ecg", limit=0), "option 'limit' is 0"),
    "no worker": (lambda: StudyOptions("sample:ecg", workers=0), "option 'workers' is 0"),
    "no repetition": (lambda: StudyOptions("sample:ecg", seeds=0), "option 'seeds' is 0"),
    "a seed below 0": (lambda: StudyOptions("sample:ecg", seed=-1), "option 'seed' is -1"),
}


@pytest.mark.parametrize("make, line", WRONG.values(), ids=WRONG)
def test_what_is_out_of_bounds_gets_one_line(make: Callable[[], object], line: str) -> None:
    with pytest.raises(ConfigError, match=line) as told:
        make()
    assert "\n" not in str(told.value) and "expected" in str(told.value)


def test_what_is_within_is_kept() -> None:
    assert ClassifierOptions(k=(1, 7), whiten=(0, 32), seconds=3).seconds == 3.0
    assert SegmentOptions(points=5).points == 5
    assert StudyOptions("sample:ecg", steps=None, limit=32, seeds=3).limit == 32
