"""What learns a number from latents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from medfuncta.run import default_device
from medfuncta.tasks.heads.preparation import Preparation
from medfuncta.tasks.heads.training import HeadTraining, train_head
from medfuncta.tasks.regress.metrics import mean_absolute_error
from medfuncta.tasks.regress.targets import Column, Measured

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
    """A linear map of standardised latents with the penalty that does best on the validation
    split."""

    name: ClassVar[str] = "ridge"

    def fit(self, train: Measured, val: Measured) -> int:
        from sklearn import linear_model

        self._preparation = Preparation()
        inputs, held_out = self._preparation.fit(train.latents), self._preparation(val.latents)
        # By singular values: entries of latents are correlated, and the normal equations of few
        # signals ill-conditioned.
        models = [
            linear_model.Ridge(strength, solver="svd").fit(inputs, train.targets)
            for strength in reversed(STRENGTHS)
        ]
        self._model = min(
            models, key=lambda model: mean_absolute_error(val.targets, model.predict(held_out))
        )
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
                for rows in np.array_split(
                    generator.permutation(len(inputs)), -(-len(inputs) // self._settings.batch)
                ):
                    yield (self._head(inputs[rows])[:, 0] - targets[rows]).square().mean()

            train_head(
                self._head,
                losses,
                lambda: -mean_absolute_error(val.targets, self.predict(val.latents)),
                self._settings,
            )
        return sum(p.numel() for p in self._head.parameters())

    @torch.no_grad()
    def predict(self, latents: Float[ndarray, "signals latent"]) -> Column:
        outputs = self._head(torch.from_numpy(self._preparation(latents)).to(self._device))[:, 0]
        return outputs.double().cpu().numpy() * self._spread + self._mean

    def _build(self, inputs: int) -> nn.Module:
        half = self._hidden // 2
        first = [nn.Linear(inputs, self._hidden), nn.ReLU(), nn.Dropout(0.3)]
        return nn.Sequential(
            *first, nn.Linear(self._hidden, half), nn.ReLU(), nn.Dropout(0.3), nn.Linear(half, 1)
        )
