"""What a view tells of the signals of a latent set: where they lie on the map, which are near them,
which stand out, and what they can be filtered by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from medfuncta._src.errors import DataError
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import Metadata
from medfuncta._src.tasks.explore import (
    Map,
    Sample,
    chosen_rows,
    find_leaks,
    find_outliers,
    make_map,
    take_sample,
)
from medfuncta._src.tasks.explore.map import MapMethod
from medfuncta._src.tasks.search.neighbours import Neighbours, neighbours_of_all
from medfuncta._src.tasks.view.columns import (
    ViewColumn,
    class_texts,
    metadata_columns,
    number_column,
    text_column,
)

_FEWEST_FOR_OUTLIERS: Final = 20
_MOST_LEAKS: Final = 500


@dataclass(frozen=True, eq=False)
class ViewContents:
    """What is known of all signals at once.

    Args:
        map: The signals in a plane.
        neighbours: The nearest others of each, ``[rows, k]``, by their rows in the map's sample.
        columns: What the page colours and filters by.
    """

    map: Map
    neighbours: Neighbours
    columns: Sequence[ViewColumn]

    @property
    def sample(self) -> Sample:
        return self.map.sample

    def points(self, start: int, stop: int) -> pa.Table:
        """What the page needs of some rows before any of them is decoded."""
        places = self.map.places[start:stop].astype(np.float32)
        columns: dict[str, pa.Array] = {
            "id": pa.array(self.sample.ids[start:stop], pa.string()),
            "x": pa.array(places[:, 0]),
            "y": pa.array(places[:, 1]),
        }
        for column in self.columns:
            columns[column.name] = column.values[start:stop]
        return pa.table(columns)


def contents_of(latents: LatentSet, limit: int, method: MapMethod, neighbours: int) -> ViewContents:
    """Lay out at most ``limit`` signals of a set.

    Args:
        latents: The set.
        limit: Signals, evenly spread over the set.
        method: How the map is made.
        neighbours: Of each signal that are listed; by cosine, as ``medfuncta search`` does.

    Raises:
        DataError: If there are fewer than 3 signals.
        LatentSetError: If a row is damaged.
        MedFunctaError: If UMAP is asked for and not installed.
    """
    sample = take_sample(latents, limit)
    if sample.left_out:
        raise DataError(
            f"{sample.left_out} latents are not finite; leave them out first: medfuncta latents "
            "filter"
        )
    map = make_map(sample, method)
    columns = [
        text_column("split", "split", sample.splits),
        text_column("label", "class", class_texts(sample.classes, latents.info.spec.label_names)),
        number_column("psnr", "PSNR", sample.psnr, "dB"),
    ]
    if len(sample.ids) >= _FEWEST_FOR_OUTLIERS:
        found = find_outliers(sample)
        columns.append(number_column("outlier", "distance from others (z)", found.distance_scores))
    columns += metadata_columns(_metadata(latents, limit))
    known = [column for column in columns if column.values.null_count < len(sample.ids)]
    return ViewContents(map, neighbours_of_all(sample.latents, neighbours), known)


def _metadata(latents: LatentSet, limit: int) -> list[Metadata]:
    """What the source said of each signal."""
    metadata: list[Metadata] = []
    for chosen in chosen_rows(latents, limit):
        own = chosen.block.metadata
        metadata += [own[row] for row in chosen.rows]
    return metadata


def leak_facts(
    latents: LatentSet, sample: Sample, limit: int, across: str | None
) -> dict[str, Any] | None:
    """The suspected pairs as the page lists them, by their rows in the sample; None where they are
    not looked for.

    Raises:
        ConfigError, DataError: As :func:`~medfuncta._src.tasks.explore.find_leaks`.
    """
    if across is None:
        return None
    found = find_leaks(latents, between=across, limit=limit, listed=_MOST_LEAKS)
    signals = zip(sample.splits, sample.ids, strict=True)
    rows = {signal: row for row, signal in enumerate(signals)}
    pairs = []
    for pair in found.pairs:
        if pair.suspected:
            entry = {
                "first": rows[pair.first_split, pair.first],
                "second": rows[pair.second_split, pair.second],
                "difference": pair.difference,
            }
            pairs.append(entry)
    return {"between": across, "pairs": pairs}
