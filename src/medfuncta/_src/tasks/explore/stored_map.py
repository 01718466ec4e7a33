"""A map that is kept beside the latents it was made of, so that it is made once.

The file ``map.parquet`` in the folder of a latent set has a row for each signal that was laid out:
``id``, ``split``, ``x``, ``y``, ``neighbors`` (the nearest others by cosine, as rows of this file),
``distances`` (1 - cosine similarity) and ``distance_z`` (as in ``explore outliers``; null where
there are too few signals). Shards, the field and what is pushed to a hub know nothing of it, so
that a published set stays what it is. A digest in its footer ties it to the latents: a map of
others is as good as none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float
from msgspec import Meta
from numpy import ndarray

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.disk.lock import writing
from medfuncta._src.disk.places import place
from medfuncta._src.door.declared import Fault, convert
from medfuncta._src.door.files import Origin, decode_json, open_regular, reason
from medfuncta._src.door.limits import Name
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.columns import check_footer
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.tasks.explore.map import Map, MapMethod
from medfuncta._src.tasks.explore.outliers import FEWEST, find_outliers
from medfuncta._src.tasks.explore.sample import Sample
from medfuncta._src.tasks.search.neighbours import Neighbours, neighbours_of_all

MAP_FILE: Final = "map.parquet"
STORED_NEIGHBOURS: Final = 16
_NOTE_KEY: Final = b"medfuncta.map"
_NOTE_BYTES: Final = 4096
_SCHEMA: Final = pa.schema(
    {
        "id": pa.string(),
        "split": pa.string(),
        "x": pa.float32(),
        "y": pa.float32(),
        "neighbors": pa.list_(pa.int32()),
        "distances": pa.list_(pa.float32()),
        "distance_z": pa.float32(),
    }
)
_NUMBERS: Final = ["x", "y", "neighbors", "distances", "distance_z"]
"""What is read of it; ids come from the set."""


@dataclass(frozen=True)
class _Note:
    """What the file says of itself.

    Args:
        method: How the map was made.
        horizontal, vertical: What its axes are called.
        latents: The digest of the latents.
    """

    method: MapMethod
    horizontal: Name
    vertical: Name
    latents: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, eq=False)
class StoredMap:
    """A map with what else was found on its way.

    Args:
        map: The signals in a plane.
        method: How it was made.
        neighbours: The nearest others of each by cosine, by their rows in the map's sample.
        distance_scores: Robust z-scores of the distance from the others, ``[rows]``; None where
            there are too few signals to tell.
    """

    map: Map
    method: MapMethod
    neighbours: Neighbours
    distance_scores: Float[ndarray, " rows"] | None


def survey(map: Map, method: MapMethod, neighbours: int) -> StoredMap:
    """Find what a map does not hold itself: neighbours and distances.

    Args:
        map: The map.
        method: How it was made.
        neighbours: Of each signal; fewer when there are not so many.
    """
    near = neighbours_of_all(map.sample.latents, neighbours)
    scores = None
    if len(map.sample.ids) >= FEWEST:
        scores = find_outliers(map.sample).distance_scores
    return StoredMap(map, method, near, scores)


def store_map(latents: LatentSet, map: Map, method: MapMethod) -> Path:
    """Keep a map beside the latents, in the place of one that is there; returns its file.

    Args:
        latents: The set that the map was made of.
        map: The map.
        method: How it was made.

    Raises:
        MedFunctaError: If the folder cannot be written, or another process writes into it.
    """
    found = survey(map, method, STORED_NEIGHBOURS)
    note = _Note(method, map.horizontal, map.vertical, _digest(map.sample))
    table = _table(found).replace_schema_metadata({_NOTE_KEY: json.dumps(asdict(note))})

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # Arrow opens no file whose path is not UTF-8
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)

    with writing(latents.folder):
        path = place(latents.folder, MAP_FILE)
        write_atomically(path, write)
    return path


def _table(found: StoredMap) -> pa.Table:
    sample = found.map.sample
    places = found.map.places.astype(np.float32)
    near = found.neighbours
    scores = found.distance_scores
    columns = {
        "id": pa.array(sample.ids, pa.string()),
        "split": pa.array(sample.splits, pa.string()),
        "x": pa.array(places[:, 0]),
        "y": pa.array(places[:, 1]),
        "neighbors": list_column(near.rows.astype(np.int32)),
        "distances": list_column(near.distances),
        "distance_z": pa.nulls(len(sample.ids), pa.float32()),
    }
    if scores is not None:
        columns["distance_z"] = pa.array(scores.astype(np.float32))
    return pa.Table.from_arrays([columns[name] for name in _SCHEMA.names], schema=_SCHEMA)


def list_column(values: ndarray) -> pa.ListArray:
    """Rows of numbers, as many each, as lists."""
    rows, width = values.shape
    starts = pa.array(np.arange(rows + 1, dtype=np.int32) * width)
    return pa.ListArray.from_arrays(starts, pa.array(values.reshape(-1)))


def stored_map(latents: LatentSet, sample: Sample) -> StoredMap | None:
    """The map beside the latents; None where there is none, or one of other latents.

    Args:
        latents: The set.
        sample: The signals that it is wanted for.

    Raises:
        LatentSetError: If the file is damaged.
    """
    path = latents.folder / MAP_FILE
    if not path.exists() and not path.is_symlink():
        return None
    origin = Origin(
        f"{MAP_FILE} in '{latents.folder.name}'",
        LatentSetError,
        "remove it, or run 'medfuncta explore LATENTS map --store' again",
    )
    with (
        open_regular(path, origin, latents.folder) as raw,
        origin.blamed(),
        _reading(),
        pq.ParquetFile(raw, page_checksum_verification=True) as file,
    ):
        footer = file.metadata
        check_footer(path, footer)
        _check_columns(file.schema_arrow)
        note = _note_of(footer.metadata or {})
        if footer.num_rows != len(sample.ids) or note.latents != _digest(sample):
            return None
        return _from_table(file.read(_NUMBERS), note, sample)


@contextmanager
def _reading() -> Iterator[None]:
    """Turn what Arrow says about a broken file into one line."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Fault("", f"is cut or broken: {reason(error)}") from error


def _check_columns(found: pa.Schema) -> None:
    for field in _SCHEMA:
        if found.names.count(field.name) != 1:
            raise Fault(f"the column '{field.name}'", "is not there once")
        kind = found.field(field.name).type
        if kind != field.type:
            raise Fault(f"the column '{field.name}'", f"is not of type {field.type}")


def _note_of(metadata: dict[bytes, bytes]) -> _Note:
    text = metadata.get(_NOTE_KEY, b"")
    if len(text) > _NOTE_BYTES:
        raise Fault("its note", f"has {len(text):,} bytes")
    return convert(decode_json(text), _Note, "its note")


def _from_table(table: pa.Table, note: _Note, sample: Sample) -> StoredMap:
    """The map that the columns hold.

    Raises:
        Fault: If they hold what no map does.
    """
    count = len(sample.ids)
    places = np.stack([_floats(table, "x", count), _floats(table, "y", count)], axis=1)
    if not np.isfinite(places).all():
        raise Fault("a place", "is not known")
    width = min(STORED_NEIGHBOURS, count - 1)
    rows = _rectangle(table, "neighbors", (count, width)).astype(np.int64)
    distances = _rectangle(table, "distances", (count, width))
    if rows.size and (rows.min() < 0 or rows.max() >= count):
        raise Fault("a neighbour", "is no row of it")
    if not np.isfinite(distances).all():
        raise Fault("a distance", "is not finite")
    scores = None
    if table["distance_z"].null_count < count:
        scores = _floats(table, "distance_z", count)
    found = Map(sample, places, note.horizontal, note.vertical)
    return StoredMap(found, note.method, Neighbours(rows, distances), scores)


def _floats(table: pa.Table, name: str, count: int) -> Float[ndarray, " rows"]:
    values = table[name].to_numpy()
    if len(values) != count:
        raise Fault(f"the column '{name}'", f"has {len(values):,} rows; expected {count:,}")
    return values


def _rectangle(table: pa.Table, name: str, shape: tuple[int, int]) -> ndarray:
    """A column of lists that are all as long.

    Raises:
        Fault: If one is not, or a number is missing.
    """
    column = table[name].combine_chunks()
    lengths = column.value_lengths()
    flat = column.flatten()
    even = lengths.null_count == 0 and (lengths.to_numpy() == shape[1]).all()
    if not even or flat.null_count or len(lengths) != shape[0]:
        raise Fault(f"the column '{name}'", f"has not {shape[1]} numbers in every row")
    return flat.to_numpy().reshape(shape)


def _digest(sample: Sample) -> str:
    """Of the latents, in their order."""
    stored = np.ascontiguousarray(sample.latents, "<f4")
    return hashlib.sha256(stored.tobytes()).hexdigest()
