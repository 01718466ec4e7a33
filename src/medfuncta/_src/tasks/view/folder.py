"""The folder of a view: a page that opens from disk or from any server of files, and asks no other
host for anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import torch

from medfuncta._src.disk.atomic import new_folder
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Some
from medfuncta._src.latents.decode import decode_at
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.onnx import export_onnx
from medfuncta._src.latents.rows import Rows
from medfuncta._src.result import Result
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.source import Source
from medfuncta._src.tasks.explore import check_groups, chosen_rows
from medfuncta._src.tasks.explore.map import MapMethod
from medfuncta._src.tasks.explore.stored_map import list_column
from medfuncta._src.tasks.view.contents import ViewContents, contents_of, leak_facts
from medfuncta._src.tasks.view.originals import (
    Detail,
    check_originals,
    original_rows,
    table_of_originals,
)
from medfuncta._src.tasks.view.parts import PAGE_FILE, PartWriter, part_name

_FORMAT: Final = 1
_POINTS_A_PART: Final = 25_000
_ROW_BYTES: Final = 2**19
"""Of latents in a part: what a hover may wait for."""
_MOST_ROWS: Final = 512
_CHECKED_POINTS: Final = 4096
"""Points of the signal that the page decodes first, to compare."""


@dataclass(frozen=True)
class View(Result):
    """A view that was written.

    Args:
        page: The file to open.
        signals: How many it shows.
        left_out: Signals of the set beyond the limit.
        originals: How many originals it holds.
        bytes: Of all its files.
    """

    json_keys: ClassVar = ("page", "signals", "left_out", "originals", "bytes")

    page: Path
    signals: int
    left_out: int
    originals: int
    bytes: int


@expecting
def write_view(
    latents: LatentSet,
    out: Path | str,
    *,
    limit: Some = 100_000,
    method: MapMethod | None = None,
    neighbours: Some = 8,
    data: Source | None = None,
    detail: Detail = "full",
    leaks_across: str | None = None,
    tell: Callable[[str], object] = lambda line: None,
) -> View:
    """Write a page that shows a latent set: its map, and each signal decoded in the browser.

    Args:
        latents: The set.
        out: A new folder.
        limit: Signals, evenly spread over the set.
        method: How the map is made: ``"pca"`` or ``"umap"``. When None, the one beside the latents
            is taken (:func:`~medfuncta._src.tasks.explore.store_map`), and ``"pca"`` where there is
            none of these signals.
        neighbours: Of each signal that are listed.
        data: The source that the set was made of, to show the originals beside; the page holds none
            without it.
        detail: How much of each original is kept: ``"full"`` or ``"small"``.
        leaks_across: List pairs of signals that are nearly the same: across ``"split"``, or an
            entry of the signals' metadata. None leaves them out, since the search takes a while.
        tell: Called with a line when a part of the work begins.

    Raises:
        ConfigError: If ``out`` holds something, or no signal has the entry of ``leaks_across``.
        DataError: If there are fewer than 3 signals, leaks have nothing to lie across, or ``data``
            is of another form.
        LatentSetError: If the set is damaged.
        MedFunctaError: If ``onnx``, or UMAP when asked for, is not installed, or the field cannot
            be written as ONNX.
    """
    out = Path(out)
    with new_folder(out) as folder:
        if data is not None:
            check_originals(latents, data)
        if leaks_across is not None:
            check_groups(latents, leaks_across, limit)
        contents = contents_of(latents, limit, method, neighbours, tell)
        parts = PartWriter(folder)
        tell("writing the field")
        parts.write("field", _field_bytes(latents))
        tell("writing the signals")
        row_parts = _write_rows(parts, latents, contents, limit)
        points = _write_points(parts, contents)
        shown_originals = 0
        if data is not None:
            tell("writing the originals")
            shown_originals = _write_originals(parts, latents, limit, data, row_parts, detail)
        if leaks_across is not None:
            tell("looking for copies")
        manifest = {
            "format": _FORMAT,
            **_set_facts(latents),
            "signals": len(contents.sample.ids),
            "left_out": len(latents) - len(contents.sample.ids),
            "points": points,
            "rows": row_parts.to_json(),
            "columns": [column.to_json() for column in contents.columns],
            "axes": {"horizontal": contents.map.horizontal, "vertical": contents.map.vertical},
            "neighbours": contents.neighbours.rows.shape[1],
            "originals": None if data is None else {"signals": shown_originals, "detail": detail},
            "leaks": leak_facts(latents, contents.sample, limit, leaks_across),
            "check": _write_check(parts, latents, limit),
        }
        parts.write_json("manifest", manifest)
        parts.write_page()
    return View(
        page=out / PAGE_FILE,
        signals=len(contents.sample.ids),
        left_out=len(latents) - len(contents.sample.ids),
        originals=shown_originals,
        bytes=parts.bytes,
    )


def _set_facts(latents: LatentSet) -> dict[str, Any]:
    """What holds for all signals."""
    info = latents.info
    return {
        "fingerprint": info.fingerprint,
        "latent_size": info.latent_size,
        "dim": info.spec.dim,
        "channels": info.spec.channels,
        "modality": info.spec.modality,
        "unit": info.spec.unit,
        "label_names": list(info.spec.label_names),
        "splits": {name: len(latents.split(name)) for name in latents.splits},
        "source": info.source.name,
        "licence": info.source.licence,
        "citation": info.source.citation,
        "field_kind": latents.run.config.field.kind,
    }


def _field_bytes(latents: LatentSet) -> bytes:
    """The field as ONNX."""
    with TemporaryDirectory(prefix="medfuncta-view-") as aside:
        path = Path(aside) / "field.onnx"
        export_onnx(latents.run, path)
        return path.read_bytes()


@dataclass(frozen=True)
class _RowParts:
    """How rows lie in parts.

    Args:
        rows: Of all parts together.
        each: Of a part.
    """

    rows: int
    each: int

    @property
    def starts(self) -> range:
        return range(0, self.rows, self.each)

    def to_json(self) -> dict[str, int]:
        """What the page is told."""
        return {"each": self.each, "parts": len(self.starts)}


def _write_points(parts: PartWriter, contents: ViewContents) -> list[str]:
    names = []
    for start in range(0, len(contents.sample.ids), _POINTS_A_PART):
        name = part_name("points", len(names))
        parts.write_table(name, contents.points(start, start + _POINTS_A_PART))
        names.append(name)
    return names


def _write_rows(
    parts: PartWriter, latents: LatentSet, contents: ViewContents, limit: int
) -> _RowParts:
    """Write all that decoding one signal takes, some rows a part."""
    each = max(1, min(_MOST_ROWS, _ROW_BYTES // (4 * latents.info.latent_size)))
    layout = _RowParts(len(contents.sample.ids), each)
    for number, table in enumerate(_in_pieces(_row_tables(latents, limit), each)):
        start = number * each
        found = contents.neighbours
        near = found.rows[start : start + len(table)].astype(np.int32)
        distances = found.distances[start : start + len(table)].astype(np.float32)
        table = table.append_column("neighbors", list_column(near))
        table = table.append_column("distances", list_column(distances))
        parts.write_table(part_name("rows", number), table)
    return layout


def _row_tables(latents: LatentSet, limit: int) -> Iterator[pa.Table]:
    """The chosen rows, block by block."""
    for chosen in chosen_rows(latents, limit):
        if len(chosen.rows):
            block = Rows(chosen.block.table.take(pa.array(chosen.rows)), latents.info)
            yield _row_table(block)


_SHOWN_COLUMNS: Final = (
    *("shape", "spacing", "spacing_unit", "affine", "value_low", "value_high", "unit", "metadata"),
)


def _row_table(block: Rows) -> pa.Table:
    """Rows with latents as bytes, which a browser reads a hundred times faster than lists."""
    _ = block.headers  # which tells a damaged row from a sound one
    stored = np.ascontiguousarray(block.latents.astype("<f4", copy=False))
    kind = pa.binary(4 * stored.shape[1])
    latent = pa.FixedSizeBinaryArray.from_buffers(kind, len(stored), [None, pa.py_buffer(stored)])
    columns: dict[str, Any] = {"latent": latent}
    for name in _SHOWN_COLUMNS:
        columns[name] = block.table[name].combine_chunks()
    return pa.table(columns)


def _in_pieces(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows, so many at a time."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += len(table)
        while count >= rows:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, rows).combine_chunks()
            waiting, count = [whole.slice(rows)], count - rows
    if count:
        yield pa.concat_tables(waiting).combine_chunks()


def _write_originals(
    parts: PartWriter,
    latents: LatentSet,
    limit: int,
    data: Source,
    layout: _RowParts,
    detail: Detail,
) -> int:
    """Write the originals of each part of rows as soon as all of them are there."""
    waiting: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    written: set[int] = set()
    count = 0
    for entry in original_rows(latents, data, limit, detail):
        number = entry["row"] // layout.each
        waiting[number].append(entry)
        count += 1
        if len(waiting[number]) == min(layout.each, layout.rows - number * layout.each):
            _write_original_part(parts, number, waiting.pop(number))
            written.add(number)
    for number in range(len(layout.starts)):
        if number not in written:
            _write_original_part(parts, number, waiting.get(number, []))
    return count


def _write_original_part(parts: PartWriter, number: int, rows: Sequence[dict[str, Any]]) -> None:
    parts.write_table(part_name("originals", number), table_of_originals(rows))


def _write_check(parts: PartWriter, latents: LatentSet, limit: int) -> dict[str, int]:
    """Write what the first signal decodes to, at some of its own samples: the page compares."""
    first = next(_row_tables(latents, limit)).slice(0, 1).to_pylist()[0]
    spacing = first["spacing"]
    grid = Grid(tuple(first["shape"]), None if spacing is None else tuple(spacing))
    latent = torch.frombuffer(bytearray(first["latent"]), dtype=torch.float32)
    step = -(-grid.points // _CHECKED_POINTS)
    where = grid.coordinates_of(np.arange(0, grid.points, step))
    values = decode_at(latents.run.network, latent[None], where)[0]
    parts.write("check", values.astype("<f4").tobytes())
    return {"row": 0, "step": step}
