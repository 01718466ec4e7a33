"""What a classifier is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from numpy import ndarray

from medfuncta.tasks.classify.examples import Examples
from medfuncta.tasks.classify.labelling import Labelling


@dataclass(frozen=True)
class Epoch:
    """One point of a learning curve.

    Args:
        epoch: Passes over the training split so far; a fraction when a pass was cut short.
        seconds: Since training began.
        train_loss, val_loss: Mean loss a signal.
        val_score: What the weights are chosen by: balanced accuracy, or AUC for a multi-label task.
    """

    epoch: float
    seconds: float
    train_loss: float
    val_loss: float
    val_score: float

    @property
    def rank(self) -> tuple[float, float]:
        """Larger for better weights: the higher score, of equal ones the lower loss; a loss that is
        not finite is the worst."""
        return self.val_score, -self.val_loss if math.isfinite(self.val_loss) else -math.inf


@dataclass(frozen=True)
class Training:
    """How the training of a classifier went.

    Args:
        parameters: Numbers that were learned.
        cut_short: Whether a limit of time or of iterations ended it before it was done.
        curve: What a network went through, epoch by epoch.
    """

    parameters: int
    cut_short: bool = False
    curve: tuple[Epoch, ...] = ()

    @property
    def kept(self) -> Epoch | None:
        """The first of the best epochs, whose weights were kept."""
        return max(self.curve, key=lambda epoch: epoch.rank, default=None)


class Classifier(ABC):
    """Learns from one split, chooses by a second one, and scores the classes of any signal.

    Args:
        labelling: What the labels mean.
    """

    deterministic: ClassVar[bool] = False
    """Whether another seed gives the same classifier."""

    def __init__(self, labelling: Labelling) -> None:
        self.labelling = labelling

    @abstractmethod
    def fit(self, train: Examples, val: Examples) -> Training:
        """Learn from ``train``; weights and settings are chosen on ``val``."""

    @abstractmethod
    def scores(self, inputs: Float[ndarray, "signals ..."]) -> Float[ndarray, "signals classes"]:
        """How likely each class is, in [0, 1]; the classes of one signal sum to 1 unless the task
        is multi-label."""
