"""Classifiers side by side: what each reached on the test split, how sure that is, and what it
cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from medfuncta._src.door.wording import counted
from medfuncta._src.result import Result
from medfuncta._src.status import doing
from medfuncta._src.tasks.classify.classifier import Maker
from medfuncta._src.tasks.classify.examples import LabelledData
from medfuncta._src.tasks.classify.labelling import Labelling
from medfuncta._src.tasks.classify.metrics import confusion, intervals, measure, selection_score
from medfuncta._src.tasks.heads.intervals import SeededInterval, finite
from medfuncta._src.tasks.heads.training import Epoch, Training


@dataclass(frozen=True, eq=False)
class ClassifierReport(Result):
    """What one classifier reached.

    Args:
        name: Of the classifier.
        inputs: ``"latents"``, ``"components"`` or ``"signals"``.
        val_score: Of the validation split, what a classifier is to be chosen by
            (:func:`~medfuncta._src.tasks.classify.metrics.selection_score`); mean over seeds, None
            where undefined.
        metrics: By name of :data:`~medfuncta._src.tasks.classify.metrics.METRICS`, on the test
            split, with intervals over groups of signals where they form any.
        confusion: Counts of all seeds together by true and predicted class ``[classes, classes]``,
            multi-label ``[labels, 2, 2]``.
        fit_seconds: Training time of one seed, on average.
        score_seconds: Time to score the whole test split.
        trainings: One a seed.
    """

    json_keys: ClassVar = (
        *("name", "inputs", "val_score", "metrics", "confusion", "fit_seconds", "score_seconds"),
        *("parameters", "cut_short", "curves"),
    )

    name: str
    inputs: str
    val_score: float | None
    metrics: Mapping[str, SeededInterval]
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

    @property
    def curves(self) -> list[tuple[Epoch, ...]]:
        """What each training went through."""
        return [training.curve for training in self.trainings]


@dataclass(frozen=True, eq=False)
class Comparison(Result):
    """Several classifiers on the same test signals.

    Args:
        labelling: What the labels mean.
        signals: How many each split has.
        left_out: How many were left out, by reason.
        classifiers: What each reached.
        groups: How many groups the test signals form, which intervals are over; None where signals
            are independent.
    """

    json_keys: ClassVar = (
        *("task", "classes", "signals", "groups", "left_out", "chosen", "classifiers"),
    )

    labelling: Labelling
    signals: Mapping[str, int]
    left_out: Mapping[str, int]
    classifiers: tuple[ClassifierReport, ...]
    groups: int | None = None

    @property
    def task(self) -> str:
        return self.labelling.task

    @property
    def classes(self) -> tuple[str, ...]:
        return self.labelling.names

    @property
    def best(self) -> ClassifierReport:
        """The first of those that are best on the validation split: what is best on the test split
        was found by looking at it."""
        best = self.classifiers[0]
        for report in self.classifiers[1:]:
            if _rank(report) > _rank(best):
                best = report
        return best

    @property
    def chosen(self) -> str:
        """The name of the best one, the one to take."""
        return self.best.name

    def joined(self, other: Comparison) -> Comparison:
        """Both in one; they must be about the same signals."""
        return replace(self, classifiers=self.classifiers + other.classifiers)


def _rank(report: ClassifierReport) -> float:
    return -math.inf if report.val_score is None else report.val_score


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
    reports = []
    for name, maker in makers.items():
        runs = []
        for seed in seeds:
            progress(f"{name}, seed {seed}: {counted(len(data.train), 'signal')} to learn from")
            with doing("training a classifier"):
                run = _trained(data, maker, seed)
            runs.append(run)
            if run.deterministic:
                break
        with doing("measuring it on resamples of the test split"):
            reports.append(_report(data, name, inputs, runs, resamples))
    groups = None
    if data.test.groups is not None:
        groups = len(np.unique(data.test.groups))
    return Comparison(data.labelling, data.sizes, data.left_out, tuple(reports), groups)


@dataclass(frozen=True, eq=False)
class _SeedRun:
    """One training of a classifier, and how it scores the signals of ``test``."""

    training: Training
    scores: ndarray
    val_score: float
    fit_seconds: float
    score_seconds: float
    deterministic: bool


def _trained(data: LabelledData, maker: Maker, seed: int) -> _SeedRun:
    classifier = maker(data.labelling, seed)
    started = time.perf_counter()
    training = classifier.fit(data.train, data.val)
    fitted = time.perf_counter()
    scores = classifier.scores(data.test.inputs)
    scored = time.perf_counter()
    val_scores = classifier.scores(data.val.inputs)
    return _SeedRun(
        training,
        scores,
        selection_score(data.labelling, data.val.labels, val_scores),
        fit_seconds=fitted - started,
        score_seconds=scored - fitted,
        deterministic=classifier.deterministic,
    )


def _report(
    data: LabelledData, name: str, inputs: str, runs: Sequence[_SeedRun], resamples: int
) -> ClassifierReport:
    labelling, test = data.labelling, data.test
    scores = [run.scores for run in runs]
    groups = None
    if test.groups is not None:
        groups = np.unique(test.groups, return_inverse=True)[1]
    ends = intervals(labelling, test.labels, scores, np.random.default_rng(0), resamples, groups)
    measured = [measure(labelling, test.labels, each) for each in scores]
    metrics = {}
    for metric in measured[0]:
        values = [one[metric] for one in measured]
        metrics[metric] = SeededInterval.of_seeds(values, ends[metric])
    counts = np.sum([confusion(labelling, test.labels, each) for each in scores], axis=0)
    val_score = float(np.mean([run.val_score for run in runs]))
    return ClassifierReport(
        name,
        inputs,
        finite(val_score),
        metrics,
        counts,
        fit_seconds=float(np.mean([run.fit_seconds for run in runs])),
        score_seconds=float(np.mean([run.score_seconds for run in runs])),
        trainings=tuple(run.training for run in runs),
    )
