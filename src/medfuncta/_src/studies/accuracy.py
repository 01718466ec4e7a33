"""What classifiers reached on the test split, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """What one classifier reached on the test split.

    Args:
        classifier: Its name.
        accuracy, low, high: With the ends of its interval.
        macro_f1: Mean over classes and seeds.
        seconds: To train.
        parameters: Of the classifier.
        chosen_by: What the validation split says of it; higher is better.
    """

    classifier: str
    accuracy: float | None
    low: float | None
    high: float | None
    macro_f1: float | None
    seconds: float
    parameters: int
    chosen_by: float | None


@dataclass(frozen=True)
class Scores:
    """What a cell measures.

    Args:
        scores: One a classifier.
        signals: By split.
        groups: Patients of the test split; None where the data do not name any.
        classes: How many.
    """

    scores: tuple[Score, ...]
    signals: dict[str, int]
    groups: int | None
    classes: int


Found = Mapping[tuple[str, ...], Scores]
"""By data set and what classifiers see of it."""


def chosen(found: Found, data: str, inputs: str) -> Score | None:
    """The classifier that the validation split chooses."""
    scores = found.get((data, inputs))
    if scores is None:
        return None
    return max(scores.scores, key=_rank)


def _rank(score: Score) -> float:
    return -math.inf if score.chosen_by is None else score.chosen_by


def percent(score: Score) -> str:
    if score.accuracy is None:
        return "–"
    text = f"{100 * score.accuracy:.1f}"
    if score.low is None or score.high is None:
        return text
    return f"{text} ({100 * score.low:.1f} to {100 * score.high:.1f})"


def clearly_better(one: Score, other: Score) -> bool:
    """Whether neither accuracy lies within the interval of the other."""
    ends = (one.accuracy, other.accuracy, one.low, other.high)
    if None in ends:
        return False
    above, below, low, high = (end or 0.0 for end in ends)
    return above > high and low > below
