"""The k nearest neighbours in latent space."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sklearn.neighbors import KNeighborsRegressor

from medfuncta.errors import ConfigError
from medfuncta.tasks.classify.classifier import Classifier, Training
from medfuncta.tasks.classify.examples import Examples
from medfuncta.tasks.classify.labelling import Labelling
from medfuncta.tasks.heads.preparation import Preparation
from medfuncta.tasks.search.neighbours import Metric


class NearestNeighbours(Classifier):
    """The score of a class is its share among the k nearest training latents, the paper's k-NN for
    k = 1.

    Args:
        labelling: What the labels mean.
        k: Neighbours that vote.
        metric: What near means.
        whiten: Principal components to whiten first, 0 for the latents as they are.
    """

    deterministic: ClassVar[bool] = True

    def __init__(
        self, labelling: Labelling, k: int = 1, metric: Metric = "cosine", whiten: int = 0
    ) -> None:
        super().__init__(labelling)
        self.k = k
        self.metric = metric
        self._preparation = Preparation(standardise=False, whiten=whiten)

    def fit(self, train: Examples, val: Examples) -> Training:
        """Keep the training latents.

        Raises:
            ConfigError: If there are fewer of them than k.
        """
        if not 1 <= self.k <= len(train):
            raise ConfigError(
                f"{self.k} neighbours among {len(train)} training signals; expected between 1 and "
                f"{len(train)}"
            )
        # The mean of the neighbours' membership columns is the share of each class: a vote for one
        # class and for many alike.
        self._regressor = KNeighborsRegressor(self.k, metric=self.metric, algorithm="brute")
        membership = self.labelling.membership(train.labels).astype(np.float32)
        self._regressor.fit(self._preparation.fit(train.inputs), membership)
        return Training(parameters=0)

    def scores(self, inputs: Float[ndarray, "signals latent"]) -> Float[ndarray, "signals classes"]:
        return self._regressor.predict(self._preparation(inputs)).reshape(len(inputs), -1)
