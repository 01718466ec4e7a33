"""Classification: what the labels mean, the classifiers, and their comparison on the test split."""

from medfuncta.tasks.classify.classifier import Classifier, Training
from medfuncta.tasks.classify.examples import (
    GROUP,
    Examples,
    LabelledData,
    examples_of_latents,
    examples_of_signals,
)
from medfuncta.tasks.classify.labelling import Labelling
from medfuncta.tasks.classify.metrics import METRICS
from medfuncta.tasks.classify.picture import comparison_picture
from medfuncta.tasks.classify.pixels import SIGNAL_CLASSIFIERS
from medfuncta.tasks.classify.report import Comparison, compare
from medfuncta.tasks.classify.table import LATENT_CLASSIFIERS, ClassifierOptions, choose

__all__ = [
    "GROUP",
    "LATENT_CLASSIFIERS",
    "METRICS",
    "SIGNAL_CLASSIFIERS",
    "Classifier",
    "ClassifierOptions",
    "Comparison",
    "Examples",
    "LabelledData",
    "Labelling",
    "Training",
    "choose",
    "compare",
    "comparison_picture",
    "examples_of_latents",
    "examples_of_signals",
]
