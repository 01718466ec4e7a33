"""The classifiers on latents by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from medfuncta.errors import ConfigError, suggest
from medfuncta.tasks.classify.logistic import LogisticRegression
from medfuncta.tasks.classify.mlp import MLP
from medfuncta.tasks.classify.neighbours import NearestNeighbours
from medfuncta.tasks.classify.network import Recipe
from medfuncta.tasks.classify.report import Maker
from medfuncta.tasks.search.neighbours import Metric


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
    """

    k: tuple[int, ...] = (1, 3)
    metric: Metric = "cosine"
    balanced: bool = True
    whiten: tuple[int, ...] = (0,)
    seconds: float | None = None
    epochs: int | None = None

    def recipe(self, base: Recipe) -> Recipe:
        """A network's recipe with what the user chose."""
        return replace(
            base, balanced=self.balanced, seconds=self.seconds, epochs=self.epochs or base.epochs
        )


Kind = Callable[[ClassifierOptions], Mapping[str, Maker]]
"""Makes the classifiers of one kind that the options ask for, by the names that the report gives
them."""


def _neighbours(options: ClassifierOptions) -> Mapping[str, Maker]:
    def maker(k: int, whiten: int) -> Maker:
        return lambda labelling, seed: NearestNeighbours(labelling, k, options.metric, whiten)

    return {
        _name(f"knn-{k}", whiten): maker(k, whiten) for whiten in options.whiten for k in options.k
    }


def _logistic(options: ClassifierOptions) -> Mapping[str, Maker]:
    def maker(whiten: int) -> Maker:
        return lambda labelling, seed: LogisticRegression(
            labelling, balanced=options.balanced, whiten=whiten
        )

    return {_name("logistic", whiten): maker(whiten) for whiten in options.whiten}


def _mlp(options: ClassifierOptions) -> Mapping[str, Maker]:
    def maker(whiten: int) -> Maker:
        return lambda labelling, seed: MLP(labelling, options.recipe(Recipe()), seed, whiten=whiten)

    return {_name("mlp", whiten): maker(whiten) for whiten in options.whiten}


def _name(kind: str, whiten: int) -> str:
    return f"{kind}-pca{whiten}" if whiten else kind


LATENT_CLASSIFIERS: Final[Mapping[str, Kind]] = {
    "knn": _neighbours,
    "logistic": _logistic,
    "mlp": _mlp,
}
"""The kinds that learn from latents, by their name on the command line."""


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
