"""Classifiers side by side: what each reached on the test split, how sure that is, and what it
cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from medfuncta.tasks.classify.bootstrap import intervals
from medfuncta.tasks.classify.classifier import Classifier, Training
from medfuncta.tasks.classify.examples import LabelledData
from medfuncta.tasks.classify.labelling import Labelling
from medfuncta.tasks.classify.metrics import confusion, measure, selection_score

Maker = Callable[[Labelling, int], Classifier]
"""Makes a classifier for a labelling and a seed."""


@dataclass(frozen=True)
class Estimate:
    """One metric on the test split.

    Args:
        value: Mean over seeds; None where the metric is undefined.
        low, high: 95 % bootstrap interval of a single training, over groups of signals where they
            form any; None where undefined. It has no width where no test signal is wrong, since no
            resample can hold an error that the test split does not.
        seeds: The value of each seed.
    """

    value: float | None
    low: float | None
    high: float | None
    seeds: tuple[float | None, ...]

    @classmethod
    def of(cls, seeds: Sequence[float], interval: tuple[float, float]) -> Estimate:
        """From numbers in which NaN means undefined."""
        low, high = map(_defined, interval)
        return cls(_defined(float(np.mean(seeds))), low, high, tuple(map(_defined, seeds)))


@dataclass(frozen=True, eq=False)
class ClassifierReport:
    """What one classifier reached.

    Args:
        name: Of the classifier.
        inputs: ``"latents"`` or ``"signals"``.
        val_score: Of the validation split, what a classifier is to be chosen by
            (:func:`medfuncta.tasks.classify.metrics.selection_score`); mean over seeds, None where
            undefined.
        metrics: By name of :data:`medfuncta.tasks.classify.metrics.METRICS`, on the test split.
        confusion: Counts of all seeds together by true and predicted class ``[classes, classes]``,
            multi-label ``[labels, 2, 2]``.
        fit_seconds: Training time of one seed, on average.
        score_seconds: Time to score the whole test split.
        trainings: One a seed.
    """

    name: str
    inputs: str
    val_score: float | None
    metrics: Mapping[str, Estimate]
    confusion: Int[ndarray, "*counts"]
    fit_seconds: float
    score_seconds: float
    trainings: tuple[Training, ...]

    @property
    def parameters(self) -> int:
        return self.trainings[0].parameters

    @property
    def cut_short(self) -> bool:
        return any(training.cut_short for training in self.trainings)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for strict JSON."""
        return {
            "name": self.name,
            "inputs": self.inputs,
            "val_score": self.val_score,
            "metrics": {name: asdict(estimate) for name, estimate in self.metrics.items()},
            "confusion": self.confusion.tolist(),
            "fit_seconds": self.fit_seconds,
            "score_seconds": self.score_seconds,
            "parameters": self.parameters,
            "cut_short": self.cut_short,
            "curves": [[_point(epoch) for epoch in training.curve] for training in self.trainings],
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several classifiers on the same test signals.

    Args:
        labelling: What the labels mean.
        signals: How many each split has.
        left_out: How many were left out, by reason.
        reports: One a classifier.
        groups: How many groups the test signals form, which intervals are over; None where signals
            are independent.
    """

    labelling: Labelling
    signals: Mapping[str, int]
    left_out: Mapping[str, int]
    reports: tuple[ClassifierReport, ...]
    groups: int | None = None

    @property
    def chosen(self) -> ClassifierReport:
        """The first of those that are best on the validation split: what is best on the test split
        was found by looking at it."""
        return max(
            self.reports,
            key=lambda report: -math.inf if report.val_score is None else report.val_score,
        )

    def joined(self, other: Comparison) -> Comparison:
        """Both in one; they must be about the same signals."""
        return replace(self, reports=self.reports + other.reports)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for strict JSON."""
        return {
            "task": self.labelling.task,
            "classes": list(self.labelling.names),
            "signals": dict(self.signals),
            "groups": self.groups,
            "left_out": dict(self.left_out),
            "chosen": self.chosen.name,
            "classifiers": [report.to_dict() for report in self.reports],
        }


def compare(
    data: LabelledData,
    makers: Mapping[str, Maker],
    seeds: Sequence[int] = (0,),
    *,
    inputs: str = "latents",
    resamples: int = 1000,
    progress: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Train every classifier on ``train``, choosing on ``val``, and measure it on ``test``.

    Args:
        data: Labelled signals.
        makers: The classifiers by name.
        seeds: Each classifier is trained once a seed; a deterministic one only once.
        inputs: What the inputs of ``data`` are, for the report.
        resamples: Of the bootstrap.
        progress: Told a line before each training.
    """
    reports = [
        _report(data, name, maker, seeds, inputs, resamples, progress)
        for name, maker in makers.items()
    ]
    groups = None if data.test.groups is None else len(np.unique(data.test.groups))
    return Comparison(data.labelling, data.sizes, data.left_out, tuple(reports), groups)


def _report(
    data: LabelledData,
    name: str,
    maker: Maker,
    seeds: Sequence[int],
    inputs: str,
    resamples: int,
    progress: Callable[[str], None],
) -> ClassifierReport:
    labelling, test = data.labelling, data.test
    scores, val_scores, trainings, fit_seconds, score_seconds = [], [], [], 0.0, 0.0
    for seed in seeds:
        progress(f"{name}, seed {seed}: {len(data.train):,} signals to learn from")
        classifier = maker(labelling, seed)
        started = time.perf_counter()
        trainings.append(classifier.fit(data.train, data.val))
        fitted = time.perf_counter()
        scores.append(classifier.scores(test.inputs))
        fit_seconds, score_seconds = (
            fit_seconds + fitted - started,
            score_seconds + time.perf_counter() - fitted,
        )
        val_scores.append(
            selection_score(labelling, data.val.labels, classifier.scores(data.val.inputs))
        )
        if classifier.deterministic:
            break
    measured = [measure(labelling, test.labels, each) for each in scores]
    groups = None if test.groups is None else np.unique(test.groups, return_inverse=True)[1]
    ranges = intervals(labelling, test.labels, scores, np.random.default_rng(0), resamples, groups)
    metrics = {key: Estimate.of([one[key] for one in measured], ranges[key]) for key in measured[0]}
    counts = np.sum([confusion(labelling, test.labels, each) for each in scores], axis=0)
    runs = len(scores)
    val_score = _defined(float(np.mean(val_scores)))
    return ClassifierReport(
        name,
        inputs,
        val_score,
        metrics,
        counts,
        fit_seconds / runs,
        score_seconds / runs,
        tuple(trainings),
    )


def _point(epoch: Any) -> dict[str, float | None]:
    return {key: _defined(value) for key, value in asdict(epoch).items()}


def _defined(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
