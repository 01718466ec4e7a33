"""Regression: a number of each signal learned from its latent, and measured on the test split."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, ClassVar, Final

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from medfuncta.errors import DataError
from medfuncta.field.run import default_device
from medfuncta.sources.source import SPLITS
from medfuncta.tasks.classify.preparation import Preparation
from medfuncta.tasks.intervals import Interval
from medfuncta.tasks.regression_targets import Column, Measured
from medfuncta.tasks.training import HeadTraining, train_head

STRENGTHS: Final = tuple(10.0**exponent for exponent in range(-2, 7))
"""Ridge penalties tried on the validation split."""


class Regressor(ABC):
    """Learns a number from latents; settings are chosen by the validation split."""

    name: ClassVar[str]

    @abstractmethod
    def fit(self, train: Measured, val: Measured) -> int:
        """Learn, and give the count of numbers that were learned."""

    @abstractmethod
    def predict(self, latents: Float[ndarray, "signals latent"]) -> Column:
        """In the target's unit."""


class TrainingMean(Regressor):
    """The mean of the training split whatever the latent is: what any regressor has to beat."""

    name: ClassVar[str] = "training mean"

    def fit(self, train: Measured, val: Measured) -> int:
        self._mean = float(train.targets.mean())
        return 1

    def predict(self, latents: Float[ndarray, "signals latent"]) -> Column:
        return np.full(len(latents), self._mean)


class Ridge(Regressor):
    """A linear map of standardised latents with the penalty that does best on the validation split."""

    name: ClassVar[str] = "ridge"

    def fit(self, train: Measured, val: Measured) -> int:
        from sklearn import linear_model

        self._preparation = Preparation()
        inputs, held_out = self._preparation.fit(train.latents), self._preparation(val.latents)
        # By singular values: entries of latents are correlated, and the normal equations of few signals ill-conditioned.
        models = [linear_model.Ridge(strength, solver="svd").fit(inputs, train.targets) for strength in reversed(STRENGTHS)]
        self._model = min(models, key=lambda model: mean_absolute_error(val.targets, model.predict(held_out)))
        return self._model.coef_.size + 1

    def predict(self, latents: Float[ndarray, "signals latent"]) -> Column:
        return self._model.predict(self._preparation(latents)).astype(np.float64)


class Mlp(Regressor):
    """Two hidden layers with dropout, trained on the squared error of standardised targets.

    Args:
        settings: Of its training.
        hidden: Units of the first layer; the second has half of them.
    """

    name: ClassVar[str] = "mlp"

    def __init__(self, settings: HeadTraining | None = None, hidden: int = 256) -> None:
        self._settings, self._hidden = settings or HeadTraining(batch=64), hidden
        self._device = default_device()

    def fit(self, train: Measured, val: Measured) -> int:
        self._preparation = Preparation()
        self._mean, self._spread = float(train.targets.mean()), float(train.targets.std()) or 1.0
        inputs = torch.from_numpy(self._preparation.fit(train.latents)).to(self._device)
        targets = torch.from_numpy((train.targets - self._mean) / self._spread).to(inputs)
        generator = np.random.default_rng(self._settings.seed)
        with torch.random.fork_rng():  # modules draw weights and dropout from the global generator
            torch.manual_seed(self._settings.seed)
            self._head = self._build(inputs.shape[1]).to(self._device)

            def losses() -> Iterator[Tensor]:
                for rows in np.array_split(generator.permutation(len(inputs)), -(-len(inputs) // self._settings.batch)):
                    yield (self._head(inputs[rows])[:, 0] - targets[rows]).square().mean()

            train_head(self._head, losses, lambda: -mean_absolute_error(val.targets, self.predict(val.latents)), self._settings)
        return sum(p.numel() for p in self._head.parameters())

    @torch.no_grad()
    def predict(self, latents: Float[ndarray, "signals latent"]) -> Column:
        outputs = self._head(torch.from_numpy(self._preparation(latents)).to(self._device))[:, 0]
        return outputs.double().cpu().numpy() * self._spread + self._mean

    def _build(self, inputs: int) -> nn.Module:
        half = self._hidden // 2
        first = [nn.Linear(inputs, self._hidden), nn.ReLU(), nn.Dropout(0.3)]
        return nn.Sequential(*first, nn.Linear(self._hidden, half), nn.ReLU(), nn.Dropout(0.3), nn.Linear(half, 1))


def mean_absolute_error(truth: ndarray, guess: ndarray) -> float:
    """In the target's unit."""
    return float(np.abs(truth - guess).mean())


def r_squared(truth: ndarray, guess: ndarray) -> float:
    """1 minus the squared error over that of the truth's own mean; NaN where the truth does not vary."""
    spread = np.square(truth - truth.mean()).sum()
    return float(1 - np.square(truth - guess).sum() / spread) if spread else math.nan


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
        reports = [{**asdict(report), "predicted": report.predicted.tolist()} for report in self.reports]
        truth = {"ids": list(self.test.ids), "true": self.test.targets.tolist()}
        return {"target": self.target, "split_by": self.split_by, "signals": dict(self.signals), "test": truth, "regressors": reports}


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
        raise DataError(f"'{target}' is {train.targets[0]:g} for every training signal; expected a number that varies")
    reports = []
    for regressor in regressors or (TrainingMean(), Ridge(), Mlp()):
        progress(f"{regressor.name}: {len(train.ids):,} signals to learn from")
        started = perf_counter()
        parameters = regressor.fit(train, val)
        seconds = perf_counter() - started
        predicted = regressor.predict(test.latents)
        r2, mae = (Interval.of(score, test.targets, predicted) for score in (r_squared, mean_absolute_error))
        reports.append(RegressorReport(regressor.name, predicted, r2, mae, parameters, seconds))
    return Regression(target, split_by, {split: len(data[split].ids) for split in SPLITS}, test, tuple(reports))
