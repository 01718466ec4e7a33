"""Whether a latent set is sound, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medfuncta._src.door.wording import counted, shown
from medfuncta._src.errors import LatentSetError, RunError
from medfuncta._src.latents.rows import UNSOUND, Rows
from medfuncta._src.latents.split import Split, SplitSet


def problems(latent_set: SplitSet) -> Iterator[str]:
    """Everything that is wrong, a line each: the field, then every split read once in constant
    memory (but for its ids)."""
    try:
        latent_set.field()
    except (RunError, LatentSetError) as error:
        yield str(error)
    for name in latent_set.splits:
        split = latent_set.split(name)
        try:
            yield from _split_problems(split)
        except LatentSetError as error:  # a shard that cannot be read to its end
            yield str(error)


def validate(latent_set: SplitSet) -> None:
    """Raise unless everything is sound.

    Raises:
        LatentSetError: With the first problem and the number of others.
    """
    found = list(problems(latent_set))
    if found:
        more = f" (and {len(found) - 1} more problems)" if len(found) > 1 else ""
        raise LatentSetError(f"{found[0]}{more}")


def _split_problems(split: Split) -> Iterator[str]:
    expected = split.info.splits[split.name].signals
    if len(split) != expected:
        yield (
            f"split '{split.name}' has {counted(len(split), 'row')}; expected {expected}; copy the "
            "whole "
            "folder again"
        )
    for rows in split.unchecked(columns=[*split.latent_columns, "id", "label"]):
        yield from _row_problems(split, rows)
    _ = split.id_column


def _row_problems(split: Split, rows: Rows) -> Iterator[str]:
    broken = np.flatnonzero(~rows.sound)
    if len(broken):
        example = rows.ids[broken[0]]
        yield (
            f"split '{split.name}' has {counted(len(broken), 'latent')} with {UNSOUND}, such as "
            f"{shown(example)}; fit it anew or filter them out"
        )
    if rows.label_problem:
        yield f"split '{split.name}' has {rows.label_problem}"
