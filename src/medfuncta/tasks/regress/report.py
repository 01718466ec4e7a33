"""Regressors side by side: a number of each signal learned from its latent, and measured on the
test split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from medfuncta.errors import DataError
from medfuncta.sources.source import SPLITS
from medfuncta.tasks.heads.intervals import Interval
from medfuncta.tasks.regress.metrics import mean_absolute_error, r_squared
from medfuncta.tasks.regress.regressors import Mlp, Regressor, Ridge, TrainingMean
from medfuncta.tasks.regress.targets import Column, Measured


@dataclass(frozen=True, eq=False)
class RegressorReport:
    """What one regressor reached on the test split.

    Args:
        name: Of the regressor.
        predicted: In the target's unit.
        r2, mae: With 95 % bootstrap intervals over signals, which count as independent.
        parameters: Numbers that were learned.
        fit_seconds: Training time.
    """

    name: str
    predicted: Column
    r2: Interval
    mae: Interval
    parameters: int
    fit_seconds: float


@dataclass(frozen=True, eq=False)
class Regression:
    """Regressors on the same test signals.

    Args:
        target: What was predicted.
        split_by: What keeps the splits apart, such as ``"patient"``.
        signals: How many each split has.
        test: The test signals.
        reports: One a regressor.
    """

    target: str
    split_by: str
    signals: Mapping[str, int]
    test: Measured
    reports: tuple[RegressorReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for strict JSON."""
        reports = [
            {**asdict(report), "predicted": report.predicted.tolist()} for report in self.reports
        ]
        truth = {"ids": list(self.test.ids), "true": self.test.targets.tolist()}
        return {
            "target": self.target,
            "split_by": self.split_by,
            "signals": dict(self.signals),
            "test": truth,
            "regressors": reports,
        }


def regress(
    data: Mapping[str, Measured],
    target: str,
    split_by: str,
    regressors: Sequence[Regressor] | None = None,
    *,
    progress: Callable[[str], None] = lambda line: None,
) -> Regression:
    """Train on ``train``, choose settings on ``val``, measure on ``test``.

    Args:
        data: The three splits.
        target, split_by: For the report.
        regressors: The training mean, ridge regression and an MLP by default.
        progress: Told a line before each training.

    Raises:
        DataError: If the training targets do not vary.
    """
    train, val, test = (data[split] for split in SPLITS)
    if np.ptp(train.targets) == 0:
        raise DataError(
            f"'{target}' is {train.targets[0]:g} for every training signal; expected a number that "
            "varies"
        )
    reports = []
    for regressor in regressors or (TrainingMean(), Ridge(), Mlp()):
        progress(f"{regressor.name}: {len(train.ids):,} signals to learn from")
        started = perf_counter()
        parameters = regressor.fit(train, val)
        seconds = perf_counter() - started
        predicted = regressor.predict(test.latents)
        r2, mae = (
            Interval.of(score, test.targets, predicted)
            for score in (r_squared, mean_absolute_error)
        )
        reports.append(RegressorReport(regressor.name, predicted, r2, mae, parameters, seconds))
    return Regression(
        target, split_by, {split: len(data[split].ids) for split in SPLITS}, test, tuple(reports)
    )
