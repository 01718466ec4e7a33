"""Regressors side by side: a number of each signal learned from its latent, measured on the test
split, and drawn against the true one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.result import Result
from medfuncta._src.sources.source import SPLITS
from medfuncta._src.tasks.drawing.figure import ACCENT, MUTED, SECOND, new_figure
from medfuncta._src.tasks.heads.intervals import Interval
from medfuncta._src.tasks.heads.left_out import LeftOut
from medfuncta._src.tasks.regress.regressors import (
    Mlp,
    Regressor,
    Ridge,
    TrainingMean,
    mean_absolute_error,
    r_squared,
)
from medfuncta._src.tasks.regress.targets import Column, Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class RegressorReport(Result):
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
class TrueNumbers(Result):
    """The test signals.

    Args:
        ids: Of the signals.
        true: Their numbers in the target's unit.
    """

    ids: Sequence[str]
    true: Column


@dataclass(frozen=True, eq=False)
class Regression(Result):
    """Regressors on the same test signals.

    Args:
        target: What was predicted.
        quantity: The same for a person, with its unit where that is known.
        split_by: What keeps the splits apart, such as ``"patient"``.
        signals: How many each split has.
        test: The test signals.
        regressors: What each reached.
        left_out: How many signals were left out, by reason.
    """

    json_keys: ClassVar = ("target", "split_by", "signals", "left_out", "test", "regressors")

    target: str
    quantity: str
    split_by: str
    signals: Mapping[str, int]
    test: TrueNumbers
    regressors: tuple[RegressorReport, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


def regress(
    data: Mapping[str, Measured],
    target: str,
    split_by: str,
    regressors: Sequence[Regressor] | None = None,
    *,
    left_out: LeftOut | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Regression:
    """Train on ``train``, choose settings on ``val``, measure on ``test``.

    Args:
        data: The three splits.
        target: What the targets are called.
        split_by: What keeps the splits apart.
        regressors: The training mean, ridge regression and an MLP by default.
        left_out: What counted the signals that are not in ``data``.
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
        progress(f"{regressor.name}: {counted(len(train.ids), 'signal')} to learn from")
        started = perf_counter()
        parameters = regressor.fit(train, val)
        seconds = perf_counter() - started
        predicted = regressor.predict(test.latents)
        report = RegressorReport(
            regressor.name,
            predicted,
            r2=Interval.of(r_squared, test.targets, predicted),
            mae=Interval.of(mean_absolute_error, test.targets, predicted),
            parameters=parameters,
            fit_seconds=seconds,
        )
        reports.append(report)
    return Regression(
        target,
        quantity=test.quantity or target,
        split_by=split_by,
        signals={split: len(data[split].ids) for split in SPLITS},
        test=TrueNumbers(test.ids, test.targets),
        regressors=tuple(reports),
        left_out={} if left_out is None else left_out.counts,
    )


def regression_picture(regression: Regression) -> Figure:
    """One square a regressor; on the diagonal a prediction is exact."""
    truth, quantity = regression.test.true, regression.quantity
    reports = regression.regressors
    every = np.concatenate([truth, *(report.predicted for report in reports)])
    margin = 0.05 * float(np.ptp(every)) or 1.0
    limits = (float(every.min()) - margin, float(every.max()) + margin)
    size = float(np.clip(3000 / len(truth), 4, 24))
    with new_figure(3.2 * len(reports), 3.5) as figure:
        squares = figure.subplots(1, len(reports), sharey=True, squeeze=False)[0]
        for axes, report in zip(squares, reports, strict=True):
            axes.plot(limits, limits, color=ACCENT, linewidth=1)
            axes.scatter(truth, report.predicted, s=size, color=SECOND, alpha=0.7, linewidths=0)
            axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel=f"true {quantity}")
            r2 = "undefined" if report.r2.value is None else f"{report.r2.value:.2f}"
            axes.set_title(f"{report.name}   R² {r2}", loc="left", color=MUTED)
        squares[0].set_ylabel(f"predicted {quantity}")
    return figure
