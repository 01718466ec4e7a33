"""What a classifier is, and which ones a user may ask for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float
from numpy import ndarray

from medfuncta._src.door.declared import settle
from medfuncta._src.door.limits import Components, Epochs, Seconds, Some
from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.tasks.classify.examples import Examples
from medfuncta._src.tasks.classify.labelling import Labelling
from medfuncta._src.tasks.heads.training import Recipe, Training
from medfuncta._src.tasks.search.neighbours import Metric


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


Maker = Callable[[Labelling, int], Classifier]
"""Makes a classifier for a labelling and a seed."""


@dataclass(frozen=True)
class ClassifierOptions:
    """What a user may choose; a classifier takes what concerns it.

    Args:
        k: Neighbours that vote, one k-NN for each number.
        metric: What near means to them.
        balanced: Weigh every class alike, however rare it is.
        whiten: Principal components of the latents to whiten first, 0 for none; one classifier of
            each kind for each number.
        seconds: Time budget of training one network; None for no limit.
        epochs: Passes over the training split; None for the network's own number.

    Raises:
        ConfigError: If one is out of its bounds.
    """

    k: tuple[Some, ...] = (1, 3)
    metric: Metric = "cosine"
    balanced: bool = True
    whiten: tuple[Components, ...] = (0,)
    seconds: Seconds | None = None
    epochs: Epochs | None = None

    def __post_init__(self) -> None:
        settle(self, noun="option")

    def recipe(self, base: Recipe) -> Recipe:
        """A network's recipe with what the user chose."""
        return replace(base, seconds=self.seconds, epochs=self.epochs or base.epochs)


Kind = Callable[[ClassifierOptions], Mapping[str, Maker]]
"""Makes the classifiers of one kind that the options ask for, by the names that the report gives
them."""


def choose(
    known: Mapping[str, Kind], names: Sequence[str], options: ClassifierOptions
) -> dict[str, Maker]:
    """Makers of the classifiers of these kinds.

    Raises:
        ConfigError: If a name is not known.
    """
    makers: dict[str, Maker] = {}
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown classifier '{name}'; {suggest(name, known)}")
        makers |= known[name](options)
    return makers
