"""The mean of a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from medfuncta.errors import DataError, suggest
from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.rows import LatentRow
from medfuncta.tasks.explore.sample import Sample
from medfuncta.tasks.search.neighbours import nearest


@dataclass(frozen=True, eq=False)
class ClassMean:
    """The mean latent of a class.

    Args:
        name: Of the class.
        signals: How many it is the mean of.
        latent: ``[latent]``.
        typical: The signal of the class nearest to it.
    """

    name: str
    signals: int
    latent: Float[ndarray, " latent"]
    typical: LatentRow


def class_means(latents: LatentSet, sample: Sample, name: str | None = None) -> list[ClassMean]:
    """The means of all classes that occur, or of one.

    Raises:
        DataError: If no signal has a label, or none is of the class asked for.
    """
    occurring = sorted({number for classes in sample.classes for number in classes})
    names = latents.info.spec.label_names
    known = {
        (names[number] if number < len(names) else str(number)): number for number in occurring
    }
    if not known:
        raise DataError("no signal has a label; the mean of a class needs a latent set with labels")
    if name is not None and name not in known:
        raise DataError(f"no signal of a class '{name}'; {suggest(name, known)}")
    means = []
    for each, number in known.items():
        if name in (None, each):
            rows = np.array(
                [row for row, classes in enumerate(sample.classes) if number in classes]
            )
            mean = sample.latents[rows].mean(axis=0)
            best = rows[nearest(mean[None], [sample.latents[rows]], 1, "euclidean").rows[0, 0]]
            means.append(
                ClassMean(
                    each,
                    len(rows),
                    mean,
                    latents.row(sample.ids[int(best)], sample.splits[int(best)]),
                )
            )
    return means
