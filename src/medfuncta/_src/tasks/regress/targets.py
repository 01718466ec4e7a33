"""Numbers of signals to learn from latents: metadata, labels, and sizes of structures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from medfuncta._src.errors import DataError, suggest
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.rows import NO_LABEL
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.source import SPLITS, Source
from medfuncta._src.tasks.drawing.figure import with_unit
from medfuncta._src.tasks.heads.left_out import LeftOut
from medfuncta._src.tasks.heads.masks import masked_splits, with_masks

_LABEL: Final = "label"
"""The target that is the signals' own label, as a number."""
Column = Float[ndarray, " signals"]


@dataclass(frozen=True, eq=False)
class Measured:
    """Signals of one split with the number to predict.

    Args:
        ids: Of the signals.
        latents: ``[signals, latent]``.
        targets: In the target's unit.
        quantity: What they are, for a person, with the unit where it is known:
            ``"volume of ball (mm³)"``.
    """

    ids: Sequence[str]
    latents: Float[ndarray, "signals latent"]
    targets: Column
    quantity: str = ""


def metadata_targets(
    latents: LatentSet, name: str, left_out: LeftOut | None = None
) -> dict[str, Measured]:
    """Signals by split with a number from the set itself; those without it, or with a latent or
    number that is not finite, are left out.

    Args:
        latents: With the splits train, val and test.
        name: A key of the signals' metadata, or ``"label"`` for single labels as numbers.
        left_out: Counts them, or refuses.

    Raises:
        DataError: If no signal of a split has this number, or one may not be left out.
        LatentSetError: If a split is missing.
    """
    if name == _LABEL and latents.info.multi_label:
        raise DataError(
            "signals have several labels each; regression on labels expects one, such as a grade"
        )
    found: dict[str, Measured] = {}
    known: set[str] = set()
    for split in SPLITS:
        ids: list[str] = []
        rows: list[ndarray] = []
        targets: list[float] = []
        for block in latents.split(split).batches():
            ids += block.ids
            rows.append(block.latents)
            if name == _LABEL:
                targets += np.where(block.labels == NO_LABEL, np.nan, block.labels).tolist()
            for entry in block.metadata:
                known.update(entry)
                if name != _LABEL:
                    targets.append(_number(entry.get(name)))
        found[split] = _sound(ids, np.concatenate(rows), targets, name.replace("_", " "))
    for split, measured in found.items():
        if not measured.ids:
            raise DataError(
                f"no signal of split '{split}' has a number '{name}'; "
                f"{suggest(name, [*known, _LABEL])}"
            )
    _count(found, latents, f"without a finite number '{name}'", left_out or LeftOut())
    return found


def _count(
    found: Mapping[str, Measured], latents: LatentSet, reason: str, left_out: LeftOut
) -> None:
    """Note the signals of a set that are not among those found."""
    for split, measured in found.items():
        total = len(latents.split(split))
        left_out.note(split, reason, total - len(measured.ids), total)


def volume_targets(
    latents: LatentSet, source: Source, structure: str, left_out: LeftOut | None = None
) -> dict[str, Measured]:
    """Signals by split with the size of a structure of their label map: millimetres to the power of
    the dimension, or samples.

    Args:
        latents: With the splits train, val and test.
        source: What they were fitted from, with label maps.
        structure: Its name, or its number.
        left_out: Counts signals without a label map, or refuses them.

    Raises:
        DataError: If there are no label maps, no such structure, a split without any, or a signal
            that may not be left out.
        LatentSetError: If a split is missing.
    """
    masked = with_masks(source)
    number = _number_of(masked, structure)
    found = {}
    for split, rows in masked_splits(latents, masked, left_out or LeftOut()).items():
        sizes = []
        for entry in rows:
            sample = math.prod(entry.grid.spacing or (1.0,))
            sizes.append(np.count_nonzero(entry.mask == number) * sample)
        ids = [entry.row.id for entry in rows]
        found_latents = np.stack([entry.row.latent for entry in rows])
        quantity = _size_of(masked.mask_names.get(number, f"structure {number}"), rows[0].grid)
        found[split] = _sound(ids, found_latents, sizes, quantity)
    return found


def _number_of(masked: Source, structure: str) -> int:
    """The class number of a structure that is given by its name or its number."""
    numbers = {str(number): number for number in masked.mask_names}
    for number, name in masked.mask_names.items():
        numbers[name] = number
    if structure in numbers:
        return numbers[structure]
    if structure.isdigit():
        return int(structure)
    raise DataError(
        f"no structure '{structure}' in {masked.info.name}; {suggest(structure, numbers)}"
    )


def _size_of(structure: str, grid: Grid) -> str:
    """What a structure's size is called, with its unit where that is known."""
    size = {1: "length", 2: "area", 3: "volume"}[grid.dim]
    if grid.spacing is None:
        unit = {1: "samples", 2: "pixels", 3: "voxels"}[grid.dim]
    else:
        unit = grid.unit
        if unit:
            unit += {1: "", 2: "²", 3: "³"}[grid.dim]
    return with_unit(f"{size} of {structure}", unit)


def _number(value: object) -> float:
    """A number of metadata, which may be written as text; NaN where it is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _sound(
    ids: Sequence[str], latents: ndarray, targets: Sequence[float], quantity: str
) -> Measured:
    """The signals whose latent and target are finite."""
    numbers = np.array(targets, np.float64)
    rows = np.flatnonzero(np.isfinite(numbers) & np.isfinite(latents).all(axis=1))
    return Measured([ids[int(row)] for row in rows], latents[rows], numbers[rows], quantity)
