from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as reference

from medfuncta._src.tasks.classify.labelling import Labelling
from medfuncta._src.tasks.classify.metrics import (
    confusion,
    intervals,
    measure,
    selection_score,
    weighted_metrics,
)

TASKS = ("multi-class", "binary-class", "multi-label", "ordinal-regression")


def guesses(
    task: str, signals: int = 80, seed: int = 0
) -> tuple[Labelling, np.ndarray, np.ndarray]:
    """Labels and scores that are somewhat right, with many equal scores."""
    generator = np.random.default_rng(seed)
    labelling = Labelling(("a", "b") if task == "binary-class" else ("a", "b", "c", "d"), task)
    shape = (signals, labelling.classes) if labelling.multi_label else signals
    labels = generator.integers(0, 2 if labelling.multi_label else labelling.classes, shape)
    scores = np.round(
        labelling.membership(labels) * 0.3 + generator.random((signals, labelling.classes)), 1
    )
    return (
        labelling,
        labels,
        scores / (1.3 if labelling.multi_label else scores.sum(axis=1, keepdims=True)),
    )


def test_metrics_are_those_of_scikit_learn() -> None:
    labelling, labels, scores = guesses("multi-class")
    measured = measure(labelling, labels, scores)
    assert measured["accuracy"] == reference.accuracy_score(labels, scores.argmax(1))
    assert measured["balanced_accuracy"] == pytest.approx(
        reference.balanced_accuracy_score(labels, scores.argmax(1))
    )
    assert measured["auc"] == pytest.approx(
        reference.roc_auc_score(labels, scores, multi_class="ovr")
    )


@pytest.mark.parametrize("task", TASKS)
def test_bootstrap_formulas_are_those_of_the_metrics_for_any_resample(task: str) -> None:
    labelling, labels, scores = guesses(task)
    generator = np.random.default_rng(1)
    counts = generator.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=5)
    fast = weighted_metrics(labelling, labels, scores, counts.astype(float))
    for row, count in enumerate(counts):
        drawn = np.repeat(np.arange(len(labels)), count)
        expected = measure(labelling, labels[drawn], scores[drawn])
        assert fast.keys() == expected.keys()
        for name, value in expected.items():
            assert fast[name][row] == pytest.approx(value, abs=1e-12), name


def test_the_area_is_undefined_when_one_class_occurs_and_means_the_others_else() -> None:
    labelling, labels, scores = guesses("multi-class")
    assert math.isnan(measure(labelling, np.zeros_like(labels), scores)["auc"])
    without = labels[labels != 3]
    expected = np.mean(
        [reference.roc_auc_score(without == c, scores[labels != 3][:, c]) for c in range(3)]
    )
    assert measure(labelling, without, scores[labels != 3])["auc"] == pytest.approx(expected)


def test_a_class_that_is_only_predicted_does_not_enter_balanced_accuracy() -> None:
    labelling = Labelling(("a", "b", "c"))
    measured = measure(labelling, np.array([0, 0, 1]), np.eye(3)[[0, 2, 1]])
    assert measured["balanced_accuracy"] == pytest.approx((0.5 + 1) / 2)


def test_intervals_hold_the_true_accuracy_as_often_as_they_say() -> None:
    labelling, hits = Labelling(("a", "b")), 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 2, 100)
        right = generator.random(100) < 0.8
        low, high = intervals(
            labelling, labels, [np.eye(2)[np.where(right, labels, 1 - labels)]], generator, 200
        )["accuracy"]
        hits += low <= 0.8 <= high
    assert 0.88 < hits / 200 < 0.99


@pytest.mark.parametrize("by_group", [True, False])
def test_intervals_over_groups_hold_the_truth_where_those_over_signals_do_not(
    by_group: bool,
) -> None:
    """Of each of 20 patients all 10 signals are right or all are wrong."""
    labelling, hits, patients = Labelling(("a", "b")), 0, np.repeat(np.arange(20), 10)
    for seed in range(200):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 2, len(patients))
        right = (generator.random(20) < 0.8)[patients]
        scores = np.eye(2)[np.where(right, labels, 1 - labels)]
        low, high = intervals(
            labelling, labels, [scores], generator, 200, patients if by_group else None
        )["accuracy"]
        hits += low <= 0.8 <= high
    assert (hits / 200 > 0.85) if by_group else (hits / 200 < 0.6)


def test_intervals_hold_the_luck_of_seeds_too() -> None:
    labelling = Labelling(("a", "b"))
    labels = np.arange(400) % 2
    lucky, unlucky = (
        np.eye(2)[labels],
        np.eye(2)[np.where(np.arange(400) < 200, labels, 1 - labels)],
    )
    low, high = intervals(labelling, labels, [lucky, unlucky], np.random.default_rng(0))["accuracy"]
    assert low < 0.55
    assert high == 1


def test_confusion_counts_every_signal_once() -> None:
    labelling, labels, scores = guesses("multi-class")
    table = confusion(labelling, labels, scores)
    assert table.sum() == len(labels)
    assert table.sum(axis=1).tolist() == np.bincount(labels, minlength=4).tolist()
    labelling, labels, scores = guesses("multi-label")
    assert confusion(labelling, labels, scores).shape == (4, 2, 2)


def test_scores_that_are_not_finite_are_never_selected() -> None:
    labelling, labels, scores = guesses("multi-label")
    assert selection_score(labelling, labels, np.full_like(scores, np.nan)) == -math.inf
