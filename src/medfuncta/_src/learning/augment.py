"""Changes of training signals that leave them signals of their kind, drawn afresh at each
meta-step: what a field learns from few patients, files or volumes then holds for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import torch
from scipy.ndimage import map_coordinates

from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal_set import SignalSet

Draws: TypeAlias = np.random.Generator
Augmentation: TypeAlias = Callable[[np.ndarray, Grid, Draws], np.ndarray]
"""Values ``[*shape, channels]`` in [0, 1] on a grid to others of the same shape."""

_SCALE: Final = 0.1
"""Of lengths, at the most."""
_SHIFT: Final = 0.02
"""Of an axis, at the most."""
_BEND: Final = 0.0135
"""Of an axis: standard deviation of the slowest wave that it is bent by."""
_WAVES: Final = 3


def flipped(values: np.ndarray, grid: Grid, draws: Draws) -> np.ndarray:
    """Mirrored along each axis or not."""
    chosen = np.flatnonzero(draws.random(len(grid.shape)) < 0.5)
    return np.flip(values, tuple(chosen.tolist()))


def rotated(values: np.ndarray, grid: Grid, draws: Draws) -> np.ndarray:
    """Turned by a multiple of 90 degrees in the plane of two axes of the same length and
    spacing; unchanged where there are none."""
    planes = []
    for first in range(len(grid.shape)):
        for second in range(first + 1, len(grid.shape)):
            if _alike(grid, first, second):
                planes.append((first, second))
    if not planes:
        return values
    plane = planes[draws.integers(len(planes))]
    return np.rot90(values, int(draws.integers(4)), plane)


def bent(values: np.ndarray, grid: Grid, draws: Draws) -> np.ndarray:
    """Stretched, shifted and smoothly bent along each axis by a few samples in a hundred: a trace
    in time, an image or a volume elastically."""
    axes = [(np.arange(count) + 0.5) / count for count in grid.shape]
    places = np.meshgrid(*axes, indexing="ij")
    moved = []
    for axis, count in enumerate(grid.shape):
        scale = 1 + draws.uniform(-_SCALE, _SCALE)
        place = (places[axis] - 0.5) / scale + 0.5 + draws.uniform(-_SHIFT, _SHIFT)
        for wave in range(1, _WAVES + 1):
            across = places[draws.integers(len(places))]
            place = place + draws.normal() * _BEND / wave * np.sin(np.pi * wave * across)
        moved.append(place * count - 0.5)
    channels = [
        map_coordinates(values[..., channel], moved, order=3, mode="nearest")
        for channel in range(values.shape[-1])
    ]
    return np.stack(channels, axis=-1).clip(0, 1)


def _alike(grid: Grid, first: int, second: int) -> bool:
    spacing = grid.spacing or (1.0,) * len(grid.shape)
    same_count = grid.shape[first] == grid.shape[second]
    return same_count and bool(np.isclose(spacing[first], spacing[second]))


AUGMENTATIONS: Final[Mapping[str, Augmentation]] = {
    "flip": flipped,
    "rotate90": rotated,
    "elastic": bent,
}
"""By the names that ``train.augment`` takes."""


def check_augmentations(names: Sequence[str]) -> None:
    """Raise where one is not known.

    Raises:
        ConfigError: With the nearest known name.
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise ConfigError(
                f"unknown augmentation '{name}' in setting 'train.augment'; "
                f"{suggest(name, AUGMENTATIONS)}"
            )


def augmented_points(
    signals: SignalSet,
    indices: Sequence[int],
    names: Sequence[str],
    step: int,
    seed: int,
    first: int = 0,
) -> Points:
    """Points of training signals after augmentations, one after the other.

    The draws are a function of the step and the seed, so that a resumed run sees what an
    undisturbed one would. Signals that are scattered, or have points that were not observed, are
    left as they are.

    Args:
        signals: The training signals.
        indices: Those of a batch.
        names: Rows of :data:`AUGMENTATIONS`.
        step: The meta-step, from 0.
        seed: ``train.seed``.
        first: How many signals of the batch stand before these.
    """
    points = signals.points(indices)
    if not names:
        return points
    changed = points.values.clone()
    for row, index in enumerate(indices):
        domain = signals.headers[index].domain
        observed = points.weights[row, : domain.points] > 0
        if not isinstance(domain, Grid) or not bool(observed.all()):
            continue
        draws = np.random.default_rng((seed, step, first + row))
        values = points.values[row, : domain.points].numpy().reshape(*domain.shape, -1)
        for name in names:
            values = AUGMENTATIONS[name](values, domain, draws)
        flat = np.ascontiguousarray(values, np.float32).reshape(domain.points, -1)
        changed[row, : domain.points] = torch.from_numpy(flat)
    return Points(points.coordinates, changed, points.weights)
