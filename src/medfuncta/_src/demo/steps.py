"""Train, fit, evaluate and classify on the heartbeats that ship with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.learning.callbacks import StepReport
from medfuncta._src.learning.train import Training
from medfuncta._src.result import Result
from medfuncta._src.sources.source import SourceInfo
from medfuncta._src.sources.table import open_source
from medfuncta._src.tasks.classify import (
    LATENT_CLASSIFIERS,
    ClassifierOptions,
    Comparison,
    choose,
    compare,
    examples_of_latents,
)
from medfuncta._src.tasks.evaluate import Evaluation, evaluate
from medfuncta._src.workflow import train

SOURCE: Final = "sample:ecg"
_PRESET: Final = "components-1d"
SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "train": {"steps": 150, "validate_every": 30, "validate_signals": 24}
}
"""What differs from the preset, so that the whole demo ends within three minutes on two cores."""

RUN_FOLDER: Final = "run"
LATENTS_FOLDER: Final = "latents"
REPORT_FOLDER: Final = "report"


@dataclass(frozen=True)
class TrainingFigures(Result):
    """How the shared network was learned.

    Args:
        steps: Meta-steps.
        seconds: How long they took.
        psnr: The best on the validation split, in decibels.
    """

    steps: int
    seconds: float
    psnr: float | None


@dataclass(frozen=True, eq=False)
class Demonstration(Result):
    """What came out.

    Args:
        info: The data.
        training: The shared network and how it was learned.
        latents: One row for every signal of every split.
        evaluation: How the test split comes back.
        comparison: How nearest neighbours and logistic regression on latents tell its classes
            apart.
        seconds: Wall time of all of it.
    """

    info: SourceInfo
    training: Training
    latents: LatentSet
    evaluation: Evaluation
    comparison: Comparison
    seconds: float

    @property
    def train(self) -> TrainingFigures:
        """The training in figures."""
        progress = self.training.progress
        return TrainingFigures(progress.step, round(progress.seconds, 1), progress.best_psnr)

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        return {
            "source": SOURCE,
            "train": self.train.to_json(),
            "latents": {"signals": len(self.latents), "latent_size": self.latents.info.latent_size},
            "reconstruction": self.evaluation.summary.to_json(),
            "classification": self.comparison.to_json(),
            "seconds": round(self.seconds, 1),
        }


def demonstrate(
    folder: Path,
    settings: Mapping[str, Mapping[str, Any]],
    *,
    listener: Callable[[StepReport], None] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Demonstration:
    """Train, fit, evaluate and classify, and write the run, the latents and the report below
    ``folder``.

    Args:
        folder: A new or empty one.
        settings: What differs from the preset.
        listener: Called after each meta-step.
        tell: Told a line before each step of the way.
    """
    began = perf_counter()
    source = open_source(SOURCE)
    tell(f"training a shared network on the heartbeats of {SOURCE}")
    training = train(source, folder / RUN_FOLDER, _PRESET, settings=settings, listener=listener)
    tell("fitting a latent to every heartbeat")
    latents = create_latent_set(training.run, source, folder / LATENTS_FOLDER)
    tell("reconstructing the heartbeats of the test split")
    evaluation = evaluate(training.run, source, out=folder / REPORT_FOLDER)
    tell("classifying them by their latents")
    classifiers = choose(LATENT_CLASSIFIERS, ["knn", "logistic"], ClassifierOptions(k=(1,)))
    comparison = compare(examples_of_latents(latents), classifiers)
    return Demonstration(
        source.info, training, latents, evaluation, comparison, perf_counter() - began
    )
