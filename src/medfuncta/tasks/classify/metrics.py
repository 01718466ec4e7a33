"""How good scores are, by scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn import metrics

from medfuncta.tasks.classify.labelling import Labelling

_ZERO: Any = 0.0
"""What a recall or F1 without any signal counts; scikit-learn takes a number, though its types name
only text."""

METRICS: Final[Mapping[str, str]] = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auc": "AUC",
    "class_error": "class error",
}
"""Name in results, and for a person. All lie in [0, 1] and grow with quality but the last, which
ordinal tasks have: the mean absolute difference of class numbers."""


def measure(
    labelling: Labelling,
    labels: Int[ndarray, "signals ..."],
    scores: Float[ndarray, "signals classes"],
) -> dict[str, float]:
    """The metrics of a task.

    One class out of several: balanced accuracy is the mean recall of the classes that occur, F1 the
        mean over classes that occur or
    are predicted, AUC the mean over classes of one against the rest. Multi-label: each is the mean
    over labels.

    Returns:
        By name of :data:`METRICS`; NaN where a metric is undefined, as the AUC is when only one
        class occurs.
    """
    predicted = labelling.predict(scores)
    auc = area_under_curve(labelling, labels, scores)
    if labelling.multi_label:
        pairs = list(zip(labels.T, predicted.T, strict=True))
        return {
            "accuracy": float(np.mean(labels == predicted)),
            "balanced_accuracy": float(np.mean([mean_recall(*pair) for pair in pairs])),
            "macro_f1": float(
                metrics.f1_score(labels, predicted, average="macro", zero_division=_ZERO)
            ),
            "auc": auc,
        }
    result = {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": mean_recall(labels, predicted),
        "macro_f1": float(
            metrics.f1_score(labels, predicted, average="macro", zero_division=_ZERO)
        ),
        "auc": auc,
    }
    if labelling.ordinal:
        result["class_error"] = float(metrics.mean_absolute_error(labels, predicted))
    return result


def mean_recall(labels: Int[ndarray, " signals"], predicted: Int[ndarray, " signals"]) -> float:
    """Balanced accuracy: the mean recall of the classes that occur (a class that is only predicted
    has none)."""
    return float(
        metrics.recall_score(
            labels, predicted, labels=np.unique(labels), average="macro", zero_division=_ZERO
        )
    )


def area_under_curve(
    labelling: Labelling,
    labels: Int[ndarray, "signals ..."],
    scores: Float[ndarray, "signals classes"],
) -> float:
    """The mean area under the ROC curve over the classes that some signals have and some have not;
    NaN when there is none."""
    membership = labelling.membership(labels)
    defined = membership.min(axis=0) != membership.max(axis=0)
    if not defined.any() or not np.isfinite(scores).all():
        return math.nan
    return float(metrics.roc_auc_score(membership[:, defined], scores[:, defined], average="macro"))


def selection_score(
    labelling: Labelling,
    labels: Int[ndarray, "signals ..."],
    scores: Float[ndarray, "signals classes"],
) -> float:
    """What weights and settings are chosen by on the validation split: balanced accuracy, which no
    common class dominates, or AUC for a multi-label task, which needs no threshold; -Inf where that
    is undefined."""
    score = (
        area_under_curve(labelling, labels, scores)
        if labelling.multi_label
        else mean_recall(labels, labelling.predict(scores))
    )
    return score if math.isfinite(score) else -math.inf


def confusion(
    labelling: Labelling,
    labels: Int[ndarray, "signals ..."],
    scores: Float[ndarray, "signals classes"],
) -> Int[ndarray, "*counts"]:
    """Counts by true (rows) and predicted class (columns), ``[classes, classes]``;
    ``[labels, 2, 2]`` for a multi-label task."""
    predicted = labelling.predict(scores)
    if labelling.multi_label:
        return np.asarray(metrics.multilabel_confusion_matrix(labels, predicted), np.int64)
    return np.asarray(
        metrics.confusion_matrix(labels, predicted, labels=np.arange(labelling.classes)), np.int64
    )
