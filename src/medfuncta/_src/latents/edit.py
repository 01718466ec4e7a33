"""New latent sets from finished ones: some of the rows, or several sets in one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from medfuncta._src.disk.lock import writing
from medfuncta._src.door.callers import expecting
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.rows import UNSOUND, Rows
from medfuncta._src.latents.schema import schema_of
from medfuncta._src.latents.split import Split
from medfuncta._src.latents.where import parse_where
from medfuncta._src.latents.writer import LatentSetWriter
from medfuncta._src.sources.source import Skipped, SourceInfo


@expecting
def filter_latent_set(
    latent_set: LatentSet, where: pc.Expression | str, out: Path | str
) -> LatentSet:
    """The rows for which ``where`` holds, as a new set. A split that keeps none is not in it.

    Args:
        latent_set: Read in constant memory.
        where: On any column: words such as ``"psnr > 30 and label == 'normal'"`` (see
            :func:`~medfuncta._src.latents.where.parse_where`), or an expression of
            ``pyarrow.compute`` such as ``field("psnr") > 30``.
        out: A new folder.

    Raises:
        LatentSetError: If no row is left, or ``where`` does not fit the columns.
    """
    schema = schema_of(latent_set.info)
    if isinstance(where, str):
        where = parse_where(where, schema.names, latent_set.info.spec.label_names)
    try:
        schema.empty_table().filter(where)  # before anything is written
    except pa.ArrowException as error:
        columns = ", ".join(schema.names)
        raise LatentSetError(f"cannot filter by '{where}': {error}; columns: {columns}") from error
    names = [name for name in latent_set.splits if _keeps_some(latent_set.split(name), where)]
    if not names:
        raise LatentSetError(
            f"'{latent_set.folder.name}' has no signal that the filter keeps; widen it"
        )
    details = {**latent_set.info.source.details, "filter": str(where)}
    info = replace(
        latent_set.info, source=replace(latent_set.info.source, details=details), splits={}
    )
    with writing(Path(out)):
        writer = LatentSetWriter(out, latent_set.run, info)
        for name in names:
            _copy(writer, name, [latent_set.split(name)], where)
        return writer.finish()


@expecting
def merge_latent_sets(latent_sets: Sequence[LatentSet], out: Path | str) -> LatentSet:
    """All rows of several sets of one field, split by split, as a new set.

    Raises:
        LatentSetError: If there is none, they are of different fields or forms, or an id would be
            there twice in a split.
    """
    if not latent_sets:
        raise LatentSetError("no latent sets to merge; give at least one")
    first = latent_sets[0].info
    for other in latent_sets[1:]:
        first.check_continues(replace(other.info, source=first.source, fit=first.fit, splits={}))
    joined = replace(first, source=_joined_source([s.info for s in latent_sets]), splits={})
    names = dict.fromkeys(name for latent_set in latent_sets for name in latent_set.splits)
    with writing(Path(out)):
        writer = LatentSetWriter(out, latent_sets[0].run, joined)
        for name in names:
            having = [latent_set for latent_set in latent_sets if name in latent_set.splits]
            _copy(writer, name, [latent_set.split(name) for latent_set in having])
        return writer.finish()


def _keeps_some(split: Split, where: pc.Expression) -> bool:
    """Whether a filter keeps a row of a split."""
    return any(rows.table.filter(where).num_rows for rows in split.unchecked())


def _copy(
    writer: LatentSetWriter, name: str, splits: Sequence[Split], where: pc.Expression | None = None
) -> None:
    """Append the rows of one split, those left out that an attempt which was stopped has written
    already.

    Raises:
        LatentSetError: If it has written others.
    """
    target = writer.split(name)
    if target is None:
        return
    written = target.consumed
    seen: set[str] = set()
    for split in splits:
        for rows in split.unchecked():  # what is wrong may be what the filter leaves out
            kept = rows.table if where is None else rows.table.filter(where)
            table = _sound(Rows(kept, rows.info), name)
            ids = table["id"].to_pylist()
            before = len(seen)
            for id in ids:
                if id in seen:
                    raise LatentSetError(
                        f"'{id}' would be twice in split '{name}'; filter it out of one of the sets"
                    )
                seen.add(id)
                if len(seen) == written and id != target.last_id:
                    raise LatentSetError(
                        f"'{writer.folder.name}' holds another part of split '{name}', of an "
                        "attempt that was stopped; remove it first"
                    )
            fresh = table.slice(max(0, written - before))
            if fresh.num_rows:
                target.append(fresh, last_id=ids[-1])
    if not seen:
        raise LatentSetError(f"split '{name}' has no signal")
    writer.finish_split(target, _left_out(splits))


def _sound(rows: Rows, name: str) -> pa.Table:
    """The columns of rows, all of whose latents are sound."""
    if not rows.sound.all():
        raise LatentSetError(
            f"split '{name}' holds latents with {UNSOUND}; filter them out, copy the set again "
            "or fit it anew"
        )
    return rows.table


def _left_out(splits: Iterable[Split]) -> list[Skipped]:
    return [entry for split in splits for entry in split.info.splits[split.name].left_out]


def _joined_source(infos: Sequence[SetInfo]) -> SourceInfo:
    """What the sources say, each thing once; the licences of all of them hold."""
    sources = [info.source for info in infos]

    def every(name: str, separator: str) -> str:
        return separator.join(
            dict.fromkeys(value for source in sources if (value := getattr(source, name)))
        )

    return SourceInfo(
        name=every("name", " + "),
        licence=every("licence", " and "),
        citation=every("citation", "; "),
        split_by=every("split_by", " / "),
        details=_joined_details(sources),
    )


def _joined_details(sources: Sequence[SourceInfo]) -> dict[str, Any]:
    """What holds for all sources under its own name, else under that of the source before it."""
    joined = {}
    for source in sources:
        for key, value in source.details.items():
            shared = all(key in other.details and other.details[key] == value for other in sources)
            joined[key if shared else f"{source.name} {key}"] = value
    return joined
