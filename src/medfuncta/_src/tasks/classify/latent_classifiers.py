"""The classifiers on latents: nearest neighbours, logistic regression and the paper's MLP."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsRegressor
from torch import Tensor, nn

from medfuncta._src.errors import ConfigError
from medfuncta._src.tasks.classify.classifier import Classifier, ClassifierOptions, Kind, Maker
from medfuncta._src.tasks.classify.examples import Examples
from medfuncta._src.tasks.classify.labelling import Labelling
from medfuncta._src.tasks.classify.metrics import selection_score
from medfuncta._src.tasks.classify.network import NetworkClassifier
from medfuncta._src.tasks.heads.preparation import Preparation
from medfuncta._src.tasks.heads.training import Recipe, Training
from medfuncta._src.tasks.search.neighbours import Metric

_STRENGTHS: Final = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""scikit-learn's C, the inverse of the regularisation, tried on the validation split."""
_ITERATIONS: Final = 500


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


class LogisticRegression(Classifier):
    """One linear layer with an L2 penalty that the validation split chooses.

    Args:
        labelling: What the labels mean.
        balanced: Weigh every class alike, however rare it is.
        whiten: Principal components to whiten first, 0 for none.
    """

    deterministic: ClassVar[bool] = True

    def __init__(self, labelling: Labelling, *, balanced: bool = False, whiten: int = 0) -> None:
        super().__init__(labelling)
        self._weights = "balanced" if balanced else None
        self._preparation = Preparation(whiten=whiten)

    def fit(self, train: Examples, val: Examples) -> Training:
        inputs = self._preparation.fit(train.inputs)
        held_out = self._preparation(val.inputs)
        best = -np.inf
        for strength in _STRENGTHS:
            models = self._fit_models(inputs, train.labels, strength)
            score = selection_score(self.labelling, val.labels, self._score(models, held_out))
            if score > best:  # of equal ones the more regularised
                best, self._models = score, models
        parameters, cut_short = 0, False
        for model in self._models:
            if not isinstance(model, float):
                parameters += model.coef_.size + model.intercept_.size
                cut_short |= bool(model.n_iter_.max() >= _ITERATIONS)
        return Training(int(parameters), cut_short)

    def scores(self, inputs: Float[ndarray, "signals latent"]) -> Float[ndarray, "signals classes"]:
        return self._score(self._models, self._preparation(inputs))

    def _fit_models(
        self, inputs: ndarray, labels: Int[ndarray, "signals ..."], strength: float
    ) -> list[Any]:
        """One model of all classes where they exclude each other, else one a target; a target that
        never varies is its own model."""
        columns = [labels] if self.labelling.exclusive else list(self.labelling.targets(labels).T)
        models: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # reported as cut short
            for column in columns:
                if column.min() == column.max():
                    models.append(float(column[0]))
                    continue
                model = linear_model.LogisticRegression(
                    C=strength, class_weight=self._weights, max_iter=_ITERATIONS
                )
                models.append(model.fit(inputs, column))
        return models

    def _score(self, models: list[Any], inputs: ndarray) -> Float[ndarray, "signals classes"]:
        if self.labelling.exclusive:
            scores = np.zeros((len(inputs), self.labelling.classes))
            scores[:, models[0].classes_] = models[0].predict_proba(inputs)
            return scores
        columns = []
        for model in models:
            if isinstance(model, float):
                columns.append(np.full(len(inputs), model))
            else:
                columns.append(model.predict_proba(inputs)[:, 1])
        return self.labelling.scores(np.stack(columns, axis=1))


class MLP(NetworkClassifier):
    """Three linear layers with ReLU and dropout (paper, section 4.2; 1.2 million parameters for
    latents of 2,048 and 2 classes).

    Args:
        labelling: What the labels mean.
        recipe: How it is trained; the default is the paper's AdamW at 1e-3 for 50 epochs.
        seed: Of initial weights, order of signals and dropout.
        balanced: Weigh every class alike in the loss, however rare it is.
        hidden: Units of the first and the second layer.
        dropout: Share of units that a training step leaves out.
        whiten: Principal components to whiten first, 0 to standardise every entry only.
    """

    def __init__(
        self,
        labelling: Labelling,
        recipe: Recipe | None = None,
        seed: int = 0,
        *,
        balanced: bool = False,
        hidden: Sequence[int] = (512, 256),
        dropout: float = 0.3,
        whiten: int = 0,
    ) -> None:
        super().__init__(labelling, recipe or Recipe(), seed, balanced=balanced)
        self._hidden = hidden
        self._dropout = dropout
        self._preparation = Preparation(whiten=whiten)

    def build(self, train: Examples) -> nn.Module:
        layers: list[nn.Module] = []
        inputs = self._preparation.fit(train.inputs).shape[1]
        for units in self._hidden:
            layers += [nn.Linear(inputs, units), nn.ReLU(), nn.Dropout(self._dropout)]
            inputs = units
        return nn.Sequential(*layers, nn.Linear(inputs, self.labelling.columns))

    def tensor(self, inputs: Float[ndarray, "batch latent"]) -> Tensor:
        return torch.from_numpy(self._preparation(inputs))


def _neighbours(options: ClassifierOptions) -> Mapping[str, Maker]:
    def maker(k: int, whiten: int) -> Maker:
        return lambda labelling, seed: NearestNeighbours(labelling, k, options.metric, whiten)

    makers = {}
    for whiten in options.whiten:
        for k in options.k:
            makers[_name(f"knn-{k}", whiten)] = maker(k, whiten)
    return makers


def _logistic(options: ClassifierOptions) -> Mapping[str, Maker]:
    def maker(whiten: int) -> Maker:
        return lambda labelling, seed: LogisticRegression(
            labelling, balanced=options.balanced, whiten=whiten
        )

    return {_name("logistic", whiten): maker(whiten) for whiten in options.whiten}


def _mlp(options: ClassifierOptions) -> Mapping[str, Maker]:
    recipe = options.recipe(Recipe())

    def maker(whiten: int) -> Maker:
        return lambda labelling, seed: MLP(
            labelling, recipe, seed, balanced=options.balanced, whiten=whiten
        )

    return {_name("mlp", whiten): maker(whiten) for whiten in options.whiten}


def _name(kind: str, whiten: int) -> str:
    return f"{kind}-pca{whiten}" if whiten else kind


LATENT_CLASSIFIERS: Final[Mapping[str, Kind]] = {
    "knn": _neighbours,
    "logistic": _logistic,
    "mlp": _mlp,
}
"""The kinds that learn from latents, by their name on the command line."""
