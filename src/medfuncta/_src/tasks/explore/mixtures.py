"""Signals that nobody recorded, decoded from mixtures of latents: on the way between two signals,
and the mean of a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Ways
from medfuncta._src.errors import DataError, suggest
from medfuncta._src.latents.decode import reconstruct
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.rows import LatentRow
from medfuncta._src.result import Result
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.tasks.drawing.sheet import contact_sheet
from medfuncta._src.tasks.explore.sample import Sample
from medfuncta._src.tasks.search.neighbours import nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_COLUMNS = 8


@dataclass(frozen=True, eq=False)
class Interpolation(Result):
    """The way between two signals.

    Args:
        first, second: Ids of the signals at its ends.
        euclidean_distance: Of their latents.
        signals: On the straight line between the latents, both ends included.
    """

    json_keys: ClassVar = ("view", "first", "second", "steps", "euclidean_distance")
    view: ClassVar = "interpolate"

    first: str
    second: str
    euclidean_distance: float
    signals: Sequence[Signal]

    @property
    def steps(self) -> int:
        return len(self.signals)


@expecting
def interpolate(
    latents: LatentSet, first: LatentRow, second: LatentRow, steps: Ways = 7
) -> Interpolation:
    """The signals that lie on the straight line between two latents, both ends included, on the
    first one's samples.

    Raises:
        ConfigError: If there are fewer than two steps, or more than 256.
    """
    start, end = first.header.range, second.header.range
    signals = []
    for t in np.linspace(0, 1, steps):
        latent = (1 - t) * first.latent + t * second.latent
        low = (1 - t) * start.low + t * end.low
        high = (1 - t) * start.high + t * end.high
        header = replace(first.header, range=ValueRange(float(low), float(high)))
        signals.append(reconstruct(latents.run, torch.tensor(latent, dtype=torch.float32), header))
    distance = float(np.linalg.norm(second.latent - first.latent))
    return Interpolation(first.id, second.id, distance, signals)


def interpolation_picture(interpolation: Interpolation) -> Figure:
    """The signals from one end of the line to the other."""
    shares = np.linspace(0, 1, interpolation.steps)
    between = [f"{share:.2f}" for share in shares[1:-1]]
    titles = [interpolation.first, *between, interpolation.second]
    return contact_sheet(
        interpolation.signals, titles, columns=min(interpolation.steps, _MOST_COLUMNS)
    )


@dataclass(frozen=True, eq=False)
class ClassMean(Result):
    """The mean latent of a class.

    Args:
        class_: Its name.
        signals: How many it is the mean of.
        latent: ``[latent]``.
        typical: The signal of the class nearest to it.
    """

    json_keys: ClassVar = ("class_", "signals", "nearest_signal", "its_split")

    class_: str
    signals: int
    latent: Float[ndarray, " latent"]
    typical: LatentRow

    @property
    def nearest_signal(self) -> str:
        return self.typical.id

    @property
    def its_split(self) -> str:
        return self.typical.split


@dataclass(frozen=True, eq=False)
class ClassMeans(Result):
    """The mean of every class, or of one.

    Args:
        signals: Among which the classes were looked for.
        left_out: Signals with a latent that is not finite.
        classes: Their means.
    """

    json_keys: ClassVar = ("view", "signals", "left_out", "classes")
    view: ClassVar = "mean"

    signals: int
    left_out: int
    classes: Sequence[ClassMean]


@expecting
def class_means(latents: LatentSet, sample: Sample, name: str | None = None) -> ClassMeans:
    """The means of all classes that occur, or of one.

    Raises:
        DataError: If no signal has a label, or none is of the class asked for.
    """
    rows_of = _rows_by_class(latents.info.spec.label_names, sample)
    if not rows_of:
        raise DataError("no signal has a label; the mean of a class needs a latent set with labels")
    if name is not None and name not in rows_of:
        raise DataError(f"no signal of a class '{name}'; {suggest(name, rows_of)}")
    means = []
    for each, rows in rows_of.items():
        if name in (None, each):
            members = sample.latents[rows]
            mean = members.mean(axis=0)
            best = int(rows[nearest(mean[None], [members], 1, "euclidean").rows[0, 0]])
            typical = latents.row(sample.ids[best], sample.splits[best])
            means.append(ClassMean(each, len(rows), mean, typical))
    return ClassMeans(len(sample.ids), sample.left_out, means)


def _rows_by_class(names: Sequence[str], sample: Sample) -> dict[str, list[int]]:
    """The rows of each class that occurs, by its name, or its number where it has none."""
    rows_of: dict[int, list[int]] = {}
    for row, classes in enumerate(sample.classes):
        for number in classes:
            rows_of.setdefault(number, []).append(row)
    named = {}
    for number in sorted(rows_of):
        name = names[number] if number < len(names) else str(number)
        named[name] = rows_of[number]
    return named


def means_picture(latents: LatentSet, means: ClassMeans) -> Figure:
    """The mean of each class as its latent decodes it, beside it the signal of the class that is
    nearest to the mean."""
    signals, titles = [], []
    for mean in means.classes:
        header = mean.typical.header
        signals.append(reconstruct(latents.run, torch.tensor(mean.latent), header))
        titles.append(f"{mean.class_}, mean of {mean.signals:,}")
        signals.append(reconstruct(latents.run, torch.tensor(mean.typical.latent), header))
        titles.append(f"nearest: {mean.nearest_signal}")
    return contact_sheet(signals, titles, columns=min(len(signals), _MOST_COLUMNS))
