from __future__ import annotations

import numpy as np
import pytest

from medfuncta._src.errors import DataError
from medfuncta._src.tasks.classify.labelling import Labelling

NAMES = ("none", "mild", "severe")


def test_class_numbers_become_one_column_a_class() -> None:
    labelling = Labelling(NAMES)
    labels = labelling.number([2, 0, None])
    assert labels.tolist() == [2, 0, -1]
    assert labelling.targets(labels[:2]).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_several_labels_become_zeros_and_ones() -> None:
    labelling = Labelling(NAMES, "multi-label")
    assert labelling.number([(0, 2), (), 1, None]).tolist() == [
        [1, 0, 1],
        [0, 0, 0],
        [0, 1, 0],
        [-1, -1, -1],
    ]
    assert labelling.predict(np.array([[0.9, 0.1, 0.5]])).tolist() == [[1, 0, 1]]


def test_ordinal_targets_ask_what_a_label_exceeds_and_scores_undo_it() -> None:
    labelling = Labelling(NAMES, "ordinal-regression")
    labels = np.array([0, 1, 2])
    targets = labelling.targets(labels)
    assert targets.tolist() == [[0, 0], [1, 0], [1, 1]]
    assert labelling.scores(targets.astype(float)).tolist() == np.eye(3).tolist()


def test_ordinal_scores_are_a_distribution_even_where_a_model_contradicts_itself() -> None:
    scores = Labelling(NAMES, "ordinal-regression").scores(np.array([[0.2, 0.7]]))
    assert scores.min() >= 0
    assert scores.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        ("multi-class", [0, 3], "label 3; expected class numbers from 0 to 2"),
        ("multi-class", [0, (1, 2)], "several labels for one signal"),
        ("multi-label", [(0, -2)], "label -2; expected"),
    ],
)
def test_labels_that_name_no_class_are_refused(task: str, labels: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Labelling(NAMES, task).number(labels)


def test_labels_of_the_wrong_form_are_refused() -> None:
    with pytest.raises(
        DataError,
        match=r"labels of shape \[4, 2\] for 3 classes of a 'multi-label' task; expected \[4, 3\]",
    ):
        Labelling(NAMES, "multi-label").check(np.zeros((4, 2), int))


def test_one_class_is_nothing_to_tell_apart() -> None:
    with pytest.raises(DataError, match="1 class; expected at least 2"):
        Labelling(("only",))
