"""What the labels of a data set mean: how they become targets, and how scores become labels
again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.latents.rows import NO_LABEL
from medfuncta._src.signals.signal import Label

MULTI_LABEL: Final = "multi-label"
_ORDINAL: Final = "ordinal-regression"


@dataclass(frozen=True)
class Labelling:
    """The classes of a data set and the kind of question they answer.

    Labels are class numbers ``[signals]``, or one 0 or 1 a class ``[signals, classes]`` for a
    multi-label task; -1 stands for none. A model may learn them through *targets*, columns of 0 and
    1: membership in each class or, for an ordinal task, whether the label exceeds each class but
    the last (Frank and Hall 2001), which tells a model that neighbouring classes are alike.

    Args:
        names: Names of the classes by number, at least two (one is enough for a multi-label task).
        task: One of MedMNIST's words; anything but multi-label and ordinal is one class out of
            several.

    Raises:
        DataError: If there are too few classes to tell apart.
    """

    names: tuple[str, ...]
    task: str = "multi-class"

    def __post_init__(self) -> None:
        fewest = 1 if self.multi_label else 2
        if len(self.names) < fewest:
            raise DataError(
                f"{counted(len(self.names), 'class', 'classes')}; expected at least {fewest} to "
                "classify"
            )

    @property
    def classes(self) -> int:
        return len(self.names)

    @property
    def multi_label(self) -> bool:
        return self.task == MULTI_LABEL

    @property
    def ordinal(self) -> bool:
        return self.task == _ORDINAL

    @property
    def exclusive(self) -> bool:
        """Whether targets are alternatives (one is 1), as a softmax models them, and not questions
        of their own."""
        return not (self.multi_label or self.ordinal)

    @property
    def columns(self) -> int:
        """How many targets a signal has."""
        return self.classes - 1 if self.ordinal else self.classes

    def number(self, labels: Sequence[Label]) -> Int[ndarray, "signals ..."]:
        """The labels of signals as an array of the form above.

        Raises:
            DataError: If a label is not the number of a class, or there are several for one signal
                of another task.
        """
        rows: list[int] = []
        classes: list[int] = []
        unlabelled: list[int] = []
        for row, label in enumerate(labels):
            if label is None:
                unlabelled.append(row)
                continue
            several = np.atleast_1d(label).tolist()
            if len(several) > 1 and not self.multi_label:
                raise DataError(
                    f"several labels for one signal of a '{self.task}' task; expected one each, or "
                    f"the task '{MULTI_LABEL}'"
                )
            rows += [row] * len(several)
            classes += several
        numbers = np.array(classes, np.int64)
        self._check_range(numbers)
        if not self.multi_label:
            result = np.full(len(labels), NO_LABEL)
            result[rows] = numbers
            return result
        result = np.zeros((len(labels), self.classes), np.int64)
        result[unlabelled] = NO_LABEL
        result[rows, numbers] = 1
        return result

    def check(self, labels: Int[ndarray, "signals ..."]) -> None:
        """Raise unless labels have the form above.

        Raises:
            DataError: If they have another shape or are not numbers of classes.
        """
        expected = (len(labels), self.classes) if self.multi_label else (len(labels),)
        if labels.shape != expected:
            raise DataError(
                f"labels of shape {list(labels.shape)} for "
                f"{counted(self.classes, 'class', 'classes')} of a "
                f"'{self.task}' task; expected {list(expected)}"
            )
        if not self.multi_label:
            self._check_range(labels[labels != NO_LABEL])

    def _check_range(self, numbers: Int[ndarray, " numbers"]) -> None:
        outside = numbers[(numbers < 0) | (numbers >= self.classes)]
        if outside.size:
            raise DataError(
                f"the label {outside[0]}; expected class numbers from 0 to {self.classes - 1}, one "
                "for each class name"
            )

    def membership(self, labels: Int[ndarray, "signals ..."]) -> Int[ndarray, "signals classes"]:
        """1 where a signal belongs to a class, else 0."""
        if self.multi_label:
            return labels
        return np.eye(self.classes, dtype=np.int64)[labels]

    def targets(self, labels: Int[ndarray, "signals ..."]) -> Int[ndarray, "signals columns"]:
        """The columns that a model learns."""
        if self.ordinal:
            return (labels[:, None] > np.arange(self.columns)).astype(np.int64)
        return self.membership(labels)

    def scores(
        self, probabilities: Float[ndarray, "signals columns"]
    ) -> Float[ndarray, "signals classes"]:
        """Scores of the classes from the probabilities of the targets.

        For an ordinal task P(label = c) = P(label > c - 1) - P(label > c), kept from falling below
        0 where a model contradicts itself.
        """
        if not self.ordinal:
            return probabilities
        ends = np.ones((len(probabilities), 1), probabilities.dtype)
        exceeds = np.hstack([ends, np.minimum.accumulate(probabilities, axis=1), 0 * ends])
        return exceeds[:, :-1] - exceeds[:, 1:]

    def predict(self, scores: Float[ndarray, "signals classes"]) -> Int[ndarray, "signals ..."]:
        """Labels: the class of the highest score, or every class of at least one half for a
        multi-label task."""
        if self.multi_label:
            return (scores >= 0.5).astype(np.int64)
        return scores.argmax(axis=1)
