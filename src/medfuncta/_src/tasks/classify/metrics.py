"""How good scores are, by scikit-learn, and how sure that is, by bootstrap.

scikit-learn takes some ten milliseconds a resample, thus minutes for an interval. There a resample
is a row of counts, how often each signal was drawn, and every metric is a few matrix products over
all rows at once. A test holds these formulas to scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn import metrics

from medfuncta._src.tasks.classify.labelling import Labelling
from medfuncta._src.tasks.heads.intervals import percentiles

_ZERO: Any = 0.0
"""What a recall or F1 without any signal counts; scikit-learn takes a number, though its types name
only text."""
_BLOCK: Final = 4_000_000
"""Counts held at a time."""

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
    mean over classes that occur or are predicted, AUC the mean over classes of one against the
    rest. Multi-label: each is the mean over labels.

    Returns:
        By name of :data:`METRICS`; NaN where a metric is undefined, as the AUC is when only one
        class occurs.
    """
    predicted = labelling.predict(scores)
    macro_f1 = metrics.f1_score(labels, predicted, average="macro", zero_division=_ZERO)
    auc = _area_under_curve(labelling, labels, scores)
    if labelling.multi_label:
        recalls = [_mean_recall(*pair) for pair in zip(labels.T, predicted.T, strict=True)]
        return {
            "accuracy": float(np.mean(labels == predicted)),
            "balanced_accuracy": float(np.mean(recalls)),
            "macro_f1": float(macro_f1),
            "auc": auc,
        }
    result = {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": _mean_recall(labels, predicted),
        "macro_f1": float(macro_f1),
        "auc": auc,
    }
    if labelling.ordinal:
        result["class_error"] = float(metrics.mean_absolute_error(labels, predicted))
    return result


def selection_score(
    labelling: Labelling,
    labels: Int[ndarray, "signals ..."],
    scores: Float[ndarray, "signals classes"],
) -> float:
    """What weights and settings are chosen by on the validation split: balanced accuracy, which no
    common class dominates, or AUC for a multi-label task, which needs no threshold; -Inf where that
    is undefined."""
    if labelling.multi_label:
        score = _area_under_curve(labelling, labels, scores)
    else:
        score = _mean_recall(labels, labelling.predict(scores))
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
    classes = np.arange(labelling.classes)
    return np.asarray(metrics.confusion_matrix(labels, predicted, labels=classes), np.int64)


def _mean_recall(labels: Int[ndarray, " signals"], predicted: Int[ndarray, " signals"]) -> float:
    """Balanced accuracy: the mean recall of the classes that occur (a class that is only predicted
    has none)."""
    occurring = np.unique(labels)
    return float(
        metrics.recall_score(
            labels, predicted, labels=occurring, average="macro", zero_division=_ZERO
        )
    )


def _area_under_curve(
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


def intervals(
    labelling: Labelling,
    labels: Int[ndarray, "signals ..."],
    scores: Sequence[Float[ndarray, "signals classes"]],
    generator: np.random.Generator,
    resamples: int = 1000,
    groups: Int[ndarray, " signals"] | None = None,
) -> dict[str, tuple[float, float] | tuple[None, None]]:
    """Percentile intervals of what one training reaches on other signals of this kind.

    A resample draws one of the seeds and then groups of signals, or single ones, with replacement,
    so that the interval holds the luck of training as well as that of testing. Signals that share a
    patient, drawn one by one, would make it look far surer than it is.

    Args:
        labelling: What the labels mean.
        labels: Of the test signals.
        scores: Of the test signals, once a seed.
        generator: Where resamples are drawn from.
        resamples: How many.
        groups: Which group each test signal belongs to, numbered from 0; every signal is its own
            when None.

    Returns:
        Low and high end by metric; None where it is undefined.
    """
    signals = len(labels)
    group_of = np.arange(signals) if groups is None else groups
    drawable = int(group_of.max()) + 1
    alike = np.full(drawable, 1 / drawable)
    shares = generator.multinomial(resamples, np.full(len(scores), 1 / len(scores)))
    step = max(1, _BLOCK // signals)
    draws: dict[str, list[ndarray]] = {}
    for seed_scores, share in zip(scores, shares.tolist(), strict=True):
        for start in range(0, share, step):
            drawn = generator.multinomial(drawable, alike, size=min(step, share - start))
            counts = drawn[:, group_of].astype(np.float64)
            values = weighted_metrics(labelling, labels, seed_scores, counts)
            for name, column in values.items():
                draws.setdefault(name, []).append(column)
    return {name: percentiles(np.concatenate(columns)) for name, columns in draws.items()}


def weighted_metrics(
    labelling: Labelling,
    labels: Int[ndarray, "signals ..."],
    scores: Float[ndarray, "signals classes"],
    counts: Float[ndarray, "resamples signals"],
) -> dict[str, Float[ndarray, " resamples"]]:
    """The metrics of :func:`measure` with each signal counted so many times; NaN where
    undefined."""
    predicted = labelling.predict(scores)
    truth, guess = labelling.membership(labels), labelling.membership(predicted)
    total = counts.sum(axis=1, keepdims=True)
    positive, hit, guessed = counts @ truth, counts @ (truth * guess), counts @ guess
    recall = _ratio(hit, positive)  # [resamples, classes], as the three above
    f1 = _ratio(2 * hit, positive + guessed)
    if labelling.multi_label:
        rejected = total - positive - guessed + hit
        accuracy = ((hit + rejected) / total).mean(axis=1)
        recall = _mean(np.stack([recall, _ratio(rejected, total - positive)]), axis=0)
        f1 = np.nan_to_num(f1)  # scikit-learn gives a label that never occurs an F1 of 0
    else:
        accuracy = hit.sum(axis=1) / total[:, 0]
    areas = []
    for members, column in zip(truth.T, scores.T, strict=True):
        areas.append(_area(members, column, counts))
    result = {
        "accuracy": accuracy,
        "balanced_accuracy": _mean(recall, axis=1),
        "macro_f1": _mean(f1, axis=1),
        "auc": _mean(np.stack(areas, axis=1), axis=1),
    }
    if labelling.ordinal:
        result["class_error"] = counts @ np.abs(labels - predicted) / total[:, 0]
    return result


def _area(
    truth: Int[ndarray, " signals"],
    scores: Float[ndarray, " signals"],
    counts: Float[ndarray, "resamples signals"],
) -> Float[ndarray, " resamples"]:
    """Area under the ROC curve: the share of pairs of a positive and a negative in right order,
    equal scores counting half."""
    order = np.argsort(scores)
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # of the runs of equal scores
    ordered = counts[:, order]
    positives = np.add.reduceat(ordered * truth[order], starts, axis=1)
    negatives = np.add.reduceat(ordered * (1 - truth[order]), starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return _ratio((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))


def _ratio(part: ndarray, whole: ndarray) -> ndarray:
    """``part / whole``, NaN where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _mean(values: ndarray, axis: int) -> ndarray:
    """The mean of the defined values along an axis, NaN where there is none."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=axis), defined.sum(axis=axis))
