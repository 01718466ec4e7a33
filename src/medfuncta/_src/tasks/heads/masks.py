"""Fitted signals together with their label maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Int
from numpy import ndarray

from medfuncta._src.errors import DataError
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.rows import LatentRow
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.label_maps import on_grid
from medfuncta._src.sources.source import SPLITS, Source
from medfuncta._src.tasks.heads.left_out import LeftOut


@dataclass(frozen=True, eq=False)
class MaskedRow:
    """One fitted signal and its label map.

    Args:
        row: Of the latent set.
        mask: Class numbers on the signal's grid, 0 for background.
    """

    row: LatentRow
    mask: Int[ndarray, "*shape"]

    @property
    def grid(self) -> Grid:
        """Where the mask lies."""
        domain = self.row.header.domain
        assert isinstance(domain, Grid)
        return domain


def with_masks(source: Source) -> Source:
    """The source itself, when its signals have label maps.

    Raises:
        DataError: If its format knows none.
    """
    if not source.has_label_maps:
        raise DataError(
            f"{source.info.name} has no label maps; give a source that has them, such as nifti "
            "with labelsTr beside imagesTr"
        )
    return source


def masked_splits(
    latents: LatentSet, source: Source, left_out: LeftOut
) -> dict[str, list[MaskedRow]]:
    """The signals of the splits train, val and test that have a label map; the others are left out.

    Raises:
        DataError: If a split has none, or as :func:`masked_rows`.
        LatentSetError: If a split is missing.
    """
    masked = {}
    for split in SPLITS:
        masked[split] = list(masked_rows(latents, split, source))
        if not masked[split]:
            raise DataError(
                f"no signal of split '{split}' has a label map; this needs some in "
                f"{', '.join(SPLITS)}"
            )
        total = len(latents.split(split))
        left_out.note(split, "without a label map", total - len(masked[split]), total)
    return masked


def masked_rows(latents: LatentSet, split: str, source: Source) -> Iterator[MaskedRow]:
    """The signals of a split that have a label map.

    Raises:
        DataError: If the source lacks a signal, or a label map does not meet the signal in
            the world or has a negative number in it.
        LatentSetError: If there is no such split.
    """
    for block in latents.split(split).batches():
        for index in range(len(block)):
            row = block.row(index, split)
            label_map = source.label_map_of(row.id)
            if label_map is None:
                continue
            domain = row.header.domain
            if not isinstance(domain, Grid) or label_map.values.shape != domain.shape:
                raise DataError(
                    f"the label map of '{row.id}' has a shape of {label_map.values.shape}; give "
                    "the source with the options it was fitted with"
                )
            mask = on_grid(label_map, domain, f"the label map of '{row.id}'")
            if mask.min() < 0:
                raise DataError(
                    f"the label map of '{row.id}' holds {mask.min()}; expected class numbers from "
                    "0, the background"
                )
            yield MaskedRow(row, mask)
