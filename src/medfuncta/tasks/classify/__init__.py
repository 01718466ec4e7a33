"""Classification: what the labels mean, the classifiers, and their comparison on the test split."""

from medfuncta.tasks.classify.classifier import Classifier, ClassifierOptions, choose
from medfuncta.tasks.classify.comparison import Comparison, compare
from medfuncta.tasks.classify.comparison_picture import comparison_picture
from medfuncta.tasks.classify.examples import (
    GROUP,
    Examples,
    LabelledData,
    examples_of_components,
    examples_of_latents,
    examples_of_signals,
)
from medfuncta.tasks.classify.labelling import Labelling
from medfuncta.tasks.classify.latent_classifiers import LATENT_CLASSIFIERS
from medfuncta.tasks.classify.metrics import METRICS
from medfuncta.tasks.classify.signal_classifiers import SIGNAL_CLASSIFIERS

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
    "choose",
    "compare",
    "comparison_picture",
    "examples_of_components",
    "examples_of_latents",
    "examples_of_signals",
]
