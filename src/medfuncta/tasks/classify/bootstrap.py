"""Confidence intervals of the metrics by bootstrap.

scikit-learn takes some ten milliseconds a resample, thus minutes for an interval. Here a resample
is a row of counts, how often each signal was drawn, and every metric is a few matrix products over
all rows at once. A test holds these formulas to scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from medfuncta.tasks.classify.labelling import Labelling
from medfuncta.tasks.heads.intervals import LEVEL

_BLOCK: Final = 4_000_000
"""Counts held at a time."""


def intervals(
    labelling: Labelling,
    labels: Int[ndarray, "signals ..."],
    scores: Sequence[Float[ndarray, "signals classes"]],
    generator: np.random.Generator,
    resamples: int = 1000,
    groups: Int[ndarray, " signals"] | None = None,
) -> dict[str, tuple[float, float]]:
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
        Low and high end by metric; NaN where it is undefined.
    """
    signals = len(labels)
    drawn = np.arange(signals) if groups is None else groups
    alike = np.full(int(drawn.max()) + 1, 1 / (int(drawn.max()) + 1))
    shares = generator.multinomial(resamples, np.full(len(scores), 1 / len(scores)))
    draws: dict[str, list[ndarray]] = {}
    for seed, share in enumerate(shares):
        step = max(1, _BLOCK // signals)
        for start in range(0, int(share), step):
            counts = generator.multinomial(len(alike), alike, size=min(step, int(share) - start))[
                :, drawn
            ]
            for name, values in weighted_metrics(
                labelling, labels, scores[seed], counts.astype(np.float64)
            ).items():
                draws.setdefault(name, []).append(values)
    return {name: _percentiles(np.concatenate(values)) for name, values in draws.items()}


def _percentiles(values: Float[ndarray, " resamples"]) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if not defined.size:
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def weighted_metrics(
    labelling: Labelling,
    labels: Int[ndarray, "signals ..."],
    scores: Float[ndarray, "signals classes"],
    counts: Float[ndarray, "resamples signals"],
) -> dict[str, Float[ndarray, " resamples"]]:
    """The metrics of :func:`medfuncta.tasks.classify.metrics.measure` with each signal counted so
    many times."""
    predicted = labelling.predict(scores)
    truth, guess = labelling.membership(labels), labelling.membership(predicted)
    total = counts.sum(axis=1, keepdims=True)
    positive, hit, guessed = (
        counts @ truth,
        counts @ (truth * guess),
        counts @ guess,
    )  # [resamples, classes] each
    recall = _ratio(hit, positive)
    f1 = _ratio(2 * hit, positive + guessed)
    if labelling.multi_label:
        rejected = total - positive - guessed + hit
        accuracy = ((hit + rejected) / total).mean(axis=1)
        recall = _mean(np.stack([recall, _ratio(rejected, total - positive)]), axis=0)
        f1 = np.nan_to_num(f1)  # scikit-learn gives a label that never occurs an F1 of 0
    else:
        accuracy = hit.sum(axis=1) / total[:, 0]
    result = {
        "accuracy": accuracy,
        "balanced_accuracy": _mean(recall, axis=1),
        "macro_f1": _mean(f1, axis=1),
    }
    result["auc"] = _mean(
        np.stack(
            [_area(*column, counts) for column in zip(truth.T, scores.T, strict=True)], axis=1
        ),
        axis=1,
    )
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
