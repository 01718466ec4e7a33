"""What learns a number from latents, and how far its numbers are from the true ones."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from medfuncta._src.field.device import default_device
from medfuncta._src.tasks.heads.preparation import Preparation
from medfuncta._src.tasks.heads.training import Recipe, Validation, seeded, train_network
from medfuncta._src.tasks.regress.targets import Column, Measured

_STRENGTHS: Final = tuple(10.0**exponent for exponent in range(-2, 7))
"""Ridge penalties tried on the validation split."""


def mean_absolute_error(truth: ndarray, guess: ndarray) -> float:
    """In the target's unit."""
    return float(np.abs(truth - guess).mean())


def r_squared(truth: ndarray, guess: ndarray) -> float:
    """1 minus the squared error over that of the truth's own mean; NaN where the truth does not
    vary."""
    spread = np.square(truth - truth.mean()).sum()
    if spread == 0:
        return math.nan
    return float(1 - np.square(truth - guess).sum() / spread)


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
    """A linear map of standardised latents with the penalty that does best on the validation
    split."""

    name: ClassVar[str] = "ridge"

    def fit(self, train: Measured, val: Measured) -> int:
        from sklearn import linear_model

        self._preparation = Preparation()
        inputs = self._preparation.fit(train.latents)
        held_out = self._preparation(val.latents)
        least = math.inf
        for strength in reversed(_STRENGTHS):
            # By singular values: entries of latents are correlated, and the normal equations of few
            # signals ill-conditioned.
            model = linear_model.Ridge(strength, solver="svd").fit(inputs, train.targets)
            error = mean_absolute_error(val.targets, model.predict(held_out))
            if error < least:  # of equal ones the more regularised
                least, self._model = error, model
        return self._model.coef_.size + 1

    def predict(self, latents: Float[ndarray, "signals latent"]) -> Column:
        return self._model.predict(self._preparation(latents)).astype(np.float64)


class Mlp(Regressor):
    """Two hidden layers with dropout, trained on the squared error of standardised targets.

    Args:
        recipe: How it is trained.
        hidden: Units of the first layer; the second has half of them.
        seed: Of initial weights, dropout and the order of signals.
    """

    name: ClassVar[str] = "mlp"

    def __init__(
        self,
        recipe: Recipe = Recipe(epochs=100, batch=64, patience=20),  # noqa: B008
        hidden: int = 256,
        seed: int = 0,
    ) -> None:
        self._recipe = recipe
        self._hidden = hidden
        self._seed = seed
        self._device = default_device()

    def fit(self, train: Measured, val: Measured) -> int:
        self._preparation = Preparation()
        self._mean = float(train.targets.mean())
        self._spread = float(train.targets.std()) or 1.0
        inputs = torch.from_numpy(self._preparation.fit(train.latents)).to(self._device)
        targets = torch.from_numpy((train.targets - self._mean) / self._spread).to(inputs)

        def loss(rows: ndarray) -> Tensor:
            return (self._head(inputs[rows])[:, 0] - targets[rows]).square().mean()

        def validate() -> Validation:
            return Validation(-mean_absolute_error(val.targets, self.predict(val.latents)))

        with seeded(self._seed):
            self._head = self._build(inputs.shape[1]).to(self._device)
            generator = np.random.default_rng(self._seed)
            training = train_network(
                self._head, self._recipe, len(inputs), loss, validate, generator
            )
        return training.parameters

    @torch.no_grad()
    def predict(self, latents: Float[ndarray, "signals latent"]) -> Column:
        outputs = self._head(torch.from_numpy(self._preparation(latents)).to(self._device))[:, 0]
        return outputs.double().cpu().numpy() * self._spread + self._mean

    def _build(self, inputs: int) -> nn.Module:
        half = self._hidden // 2
        return nn.Sequential(
            *(nn.Linear(inputs, self._hidden), nn.ReLU(), nn.Dropout(0.3)),
            *(nn.Linear(self._hidden, half), nn.ReLU(), nn.Dropout(0.3)),
            nn.Linear(half, 1),
        )
