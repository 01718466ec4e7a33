"""Logistic regression on latents."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from medfuncta.tasks.classify.classifier import Classifier, Training
from medfuncta.tasks.classify.examples import Examples
from medfuncta.tasks.classify.labelling import Labelling
from medfuncta.tasks.classify.metrics import selection_score
from medfuncta.tasks.heads.preparation import Preparation

STRENGTHS: Final = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""scikit-learn's C, the inverse of the regularisation, tried on the validation split."""
_ITERATIONS: Final = 500


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
        self._balanced = balanced
        self._preparation = Preparation(whiten=whiten)

    def fit(self, train: Examples, val: Examples) -> Training:
        inputs, held_out = self._preparation.fit(train.inputs), self._preparation(val.inputs)
        best = -np.inf
        for strength in STRENGTHS:
            models = self._fit_models(inputs, train.labels, strength)
            score = selection_score(self.labelling, val.labels, self._score(models, held_out))
            if score > best:  # of equal ones the more regularised
                best, self._models = score, models
        learned = [model for model in self._models if not isinstance(model, float)]
        parameters = sum(model.coef_.size + model.intercept_.size for model in learned)
        return Training(
            int(parameters), cut_short=any(model.n_iter_.max() >= _ITERATIONS for model in learned)
        )

    def scores(self, inputs: Float[ndarray, "signals latent"]) -> Float[ndarray, "signals classes"]:
        return self._score(self._models, self._preparation(inputs))

    def _fit_models(
        self, inputs: ndarray, labels: Int[ndarray, "signals ..."], strength: float
    ) -> list[Any]:
        """One model of all classes where they exclude each other, else one a target; a target that
        never varies is its own model."""
        columns = [labels] if self.labelling.exclusive else list(self.labelling.targets(labels).T)
        weight = "balanced" if self._balanced else None
        models: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # reported as cut short
            for column in columns:
                if column.min() == column.max():
                    models.append(float(column[0]))
                    continue
                model = linear_model.LogisticRegression(
                    C=strength, class_weight=weight, max_iter=_ITERATIONS
                )
                models.append(model.fit(inputs, column))
        return models

    def _score(self, models: list[Any], inputs: ndarray) -> Float[ndarray, "signals classes"]:
        if self.labelling.exclusive:
            scores = np.zeros((len(inputs), self.labelling.classes))
            scores[:, models[0].classes_] = models[0].predict_proba(inputs)
            return scores
        columns = [
            np.full(len(inputs), m) if isinstance(m, float) else m.predict_proba(inputs)[:, 1]
            for m in models
        ]
        return self.labelling.scores(np.stack(columns, axis=1))
