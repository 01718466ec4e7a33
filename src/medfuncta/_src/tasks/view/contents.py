"""What a view tells of the signals of a latent set: where they lie on the map, which are near them,
which stand out, and what they can be filtered by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from medfuncta._src.errors import DataError
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import Metadata
from medfuncta._src.tasks.explore import (
    MAP_FILE,
    Map,
    Sample,
    StoredMap,
    chosen_rows,
    find_leaks,
    make_map,
    stored_map,
    take_sample,
)
from medfuncta._src.tasks.explore.map import MapMethod
from medfuncta._src.tasks.explore.stored_map import survey
from medfuncta._src.tasks.search.neighbours import Neighbours
from medfuncta._src.tasks.view.columns import (
    ViewColumn,
    class_texts,
    metadata_columns,
    number_column,
    text_column,
)

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


def contents_of(
    latents: LatentSet,
    limit: int,
    method: MapMethod | None,
    neighbours: int,
    tell: Callable[[str], object],
) -> ViewContents:
    """Lay out at most ``limit`` signals of a set.

    Args:
        latents: The set.
        limit: Signals, evenly spread over the set.
        method: How the map is made; as the one that is stored beside the latents when None.
        neighbours: Of each signal that are listed; by cosine, as ``medfuncta search`` does.
        tell: Called with a line when the map is made or taken.

    Raises:
        DataError: If there are fewer than 3 signals.
        LatentSetError: If a row, or the map beside the latents, is damaged.
        MedFunctaError: If UMAP is asked for and not installed.
    """
    sample = take_sample(latents, limit)
    if sample.left_out:
        raise DataError(
            f"{sample.left_out} latents are not finite; leave them out first: medfuncta latents "
            "filter"
        )
    found = _map_of(latents, sample, method, neighbours, tell)
    columns = [
        text_column("split", "split", sample.splits),
        text_column("label", "class", class_texts(sample.classes, latents.info.spec.label_names)),
        number_column("psnr", "PSNR", sample.psnr, "dB"),
    ]
    scores = found.distance_scores
    if scores is not None:
        columns.append(number_column("outlier", "distance from others (z)", scores))
    columns += metadata_columns(_metadata(latents, limit))
    known = [column for column in columns if column.values.null_count < len(sample.ids)]
    near = found.neighbours
    listed = Neighbours(near.rows[:, :neighbours], near.distances[:, :neighbours])
    return ViewContents(found.map, listed, known)


def _map_of(
    latents: LatentSet,
    sample: Sample,
    method: MapMethod | None,
    neighbours: int,
    tell: Callable[[str], object],
) -> StoredMap:
    """The map beside the latents where it is of these signals, made in this way and with as many
    neighbours; else a new one."""
    stored = stored_map(latents, sample)
    wanted = min(neighbours, len(sample.ids) - 1)
    if stored is not None and method in (None, stored.method):
        if stored.neighbours.rows.shape[1] >= wanted:
            tell(f"taking the map of {MAP_FILE}")
            return stored
    elif stored is None and (latents.folder / MAP_FILE).exists():
        tell(f"{MAP_FILE} is of other signals than are shown, and is not used")
    tell("laying out the map")
    method = method or "pca"
    return survey(make_map(sample, method), method, neighbours)


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
