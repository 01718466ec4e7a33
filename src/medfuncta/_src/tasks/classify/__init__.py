"""Classification: what the labels mean, the classifiers, and their comparison on the test split."""

from medfuncta._src.tasks.classify.classifier import Classifier, ClassifierOptions, choose
from medfuncta._src.tasks.classify.comparison import Comparison, compare
from medfuncta._src.tasks.classify.comparison_picture import comparison_picture
from medfuncta._src.tasks.classify.examples import (
    GROUP,
    Examples,
    LabelledData,
    examples_of_components,
    examples_of_latents,
    examples_of_signals,
)
from medfuncta._src.tasks.classify.labelling import Labelling
from medfuncta._src.tasks.classify.latent_classifiers import LATENT_CLASSIFIERS
from medfuncta._src.tasks.classify.metrics import METRICS
from medfuncta._src.tasks.classify.signal_classifiers import SIGNAL_CLASSIFIERS

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
