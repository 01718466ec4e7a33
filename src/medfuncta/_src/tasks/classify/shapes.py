"""The shapes of signals that are read as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy import ndarray

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal_set import SignalSet


def grid_shapes(signals: SignalSet) -> set[tuple[int, ...]]:
    """Of the grids that these signals lie on.

    Raises:
        DataError: If one lies on none.
    """
    shapes = set()
    for header in signals.headers:
        if not isinstance(header.domain, Grid):
            raise DataError(
                f"signal '{header.id}' is scattered; principal components need signals on grids"
            )
        shapes.add(header.domain.shape)
    return shapes


def of_one_shape(signals: SignalSet) -> Iterator[ndarray]:
    """Normalised values of one signal after the other, ``[1, *shape, channels]``; of all at once
    where they share one shape."""
    shapes = {header.shape for header in signals.headers}
    if len(shapes) == 1 and signals.shared_grid:
        values = [signals.normalised(index) for index in range(len(signals))]
        yield np.stack(values).reshape(len(signals), *shapes.pop())
        return
    for index, header in enumerate(signals.headers):
        yield signals.normalised(index).reshape(1, *header.shape)


def one_shape(splits: Iterable[SignalSet]) -> tuple[int, ...]:
    """The shape of all signals, ``(*grid, channels)``.

    Raises:
        DataError: If they have several.
    """
    shapes = set()
    for signals in splits:
        shapes.update(header.shape for header in signals.headers)
    if len(shapes) > 1:
        few = ", ".join("x".join(map(str, shape[:-1])) for shape in sorted(shapes)[:3])
        raise DataError(
            f"signals of different shapes ({few}, ...); a network on pixels needs one shape, so "
            "resample them to one"
        )
    return shapes.pop()
