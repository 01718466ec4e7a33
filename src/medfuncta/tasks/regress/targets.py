"""Numbers of signals to learn from latents: metadata, labels, and sizes of structures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from medfuncta.errors import DataError, suggest
from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.rows import NO_LABEL
from medfuncta.signals.domain import Grid
from medfuncta.sources.source import SPLITS, Source
from medfuncta.tasks.heads.masks import masked_rows, with_masks

LABEL: Final = "label"
"""The target that is the signals' own label, as a number."""
_SIZES: Final = {
    1: ("length", "samples", ""),
    2: ("area", "pixels", "²"),
    3: ("volume", "voxels", "³"),
}
"""By dimension: what a structure's size is called, what it is counted in without a spacing, and the
power of the spacing's unit."""
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


def metadata_targets(latents: LatentSet, name: str) -> dict[str, Measured]:
    """Signals by split with a number from the set itself; those without it, or with a latent or
    number that is not finite, are left out.

    Args:
        latents: With the splits train, val and test.
        name: A key of the signals' metadata, or ``"label"`` for single labels as numbers.

    Raises:
        DataError: If no signal of a split has this number.
        LatentSetError: If a split is missing.
    """
    if name == LABEL and latents.info.multi_label:
        raise DataError(
            "signals have several labels each; regression on labels expects one, such as a grade"
        )
    found, known = {}, set[str]()
    for split in SPLITS:
        ids, rows, targets = [], [], []
        for block in latents.split(split).batches():
            entries = [json.loads(text) for text in block.table["metadata"].to_pylist()]
            known.update(*entries)
            ids += block.ids
            rows.append(block.latents)
            targets += (
                _labels(block.labels)
                if name == LABEL
                else [_number(entry.get(name)) for entry in entries]
            )
        found[split] = _sound(
            ids, np.concatenate(rows), np.array(targets, np.float64), name.replace("_", " ")
        )
    for split, measured in found.items():
        if not measured.ids:
            raise DataError(
                f"no signal of split '{split}' has a number '{name}'; "
                f"{suggest(name, [*known, LABEL])}"
            )
    return found


def volume_targets(latents: LatentSet, source: Source, structure: str) -> dict[str, Measured]:
    """Signals by split with the size of a structure of their label map: millimetres to the power of
    the dimension, or samples.

    Args:
        latents: With the splits train, val and test.
        source: What they were fitted from, with label maps.
        structure: Its name, or its number.

    Raises:
        DataError: If there are no label maps, no such structure, or a split without any.
        LatentSetError: If a split is missing.
    """
    masked = with_masks(source)
    names = {str(number): number for number in masked.mask_names} | {
        name: number for number, name in masked.mask_names.items()
    }
    if structure not in names and not structure.isdigit():
        raise DataError(
            f"no structure '{structure}' in {source.info.name}; {suggest(structure, names)}"
        )
    number = names[structure] if structure in names else int(structure)
    found = {}
    for split in SPLITS:
        rows = list(masked_rows(latents, split, masked))
        if not rows:
            raise DataError(
                f"no signal of split '{split}' has a label map; regression needs some in "
                f"{', '.join(SPLITS)}"
            )
        quantity = _size_of(masked.mask_names.get(number, f"structure {number}"), rows[0].grid)
        sizes = [
            np.count_nonzero(entry.mask == number) * math.prod(entry.grid.spacing or (1.0,))
            for entry in rows
        ]
        latent = np.stack([entry.row.latent for entry in rows])
        found[split] = _sound(
            [entry.row.id for entry in rows], latent, np.array(sizes, np.float64), quantity
        )
    return found


def _size_of(structure: str, grid: Grid) -> str:
    size, samples, power = _SIZES[grid.dim]
    unit = samples if grid.spacing is None else grid.unit and grid.unit + power
    return f"{size} of {structure}" + (f" ({unit})" if unit else "")


def _labels(labels: ndarray) -> list[float]:
    return np.where(labels == NO_LABEL, np.nan, labels).tolist()


def _number(value: object) -> float:
    """A number of metadata, which may be written as text; NaN where it is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _sound(ids: Sequence[str], latents: ndarray, targets: ndarray, quantity: str) -> Measured:
    rows = np.flatnonzero(np.isfinite(targets) & np.isfinite(latents).all(axis=1))
    return Measured([ids[int(row)] for row in rows], latents[rows], targets[rows], quantity)
