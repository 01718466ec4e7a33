"""Regression: a number of each signal, learned from its latent."""

from medfuncta._src.tasks.regress.regression import Regression, regress, regression_picture
from medfuncta._src.tasks.regress.regressors import Mlp, Ridge, TrainingMean
from medfuncta._src.tasks.regress.targets import metadata_targets, volume_targets

__all__ = [
    "Mlp",
    "Regression",
    "Ridge",
    "TrainingMean",
    "metadata_targets",
    "regress",
    "regression_picture",
    "volume_targets",
]
