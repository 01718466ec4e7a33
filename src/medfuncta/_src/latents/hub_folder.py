"""A latent set as a folder that is ready to push to a hub: with a description that search engines
for data sets read, and, if asked for, small pictures of its signals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from medfuncta._src.disk.atomic import new_folder, write_atomically, write_json, write_text
from medfuncta._src.disk.places import place
from medfuncta._src.door.files import Origin, open_regular, read_bytes, reason
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.croissant import CROISSANT_FILE, croissant
from medfuncta._src.latents.info import CARD_FILE, FIELD_FOLDER
from medfuncta._src.latents.previews import preview_column, with_previews
from medfuncta._src.latents.rows import Rows
from medfuncta._src.latents.shards import DATA_FOLDER, Shard, write_batches
from medfuncta._src.latents.split import SplitSet
from medfuncta._src.latents.validate import validate

_LARGE_FILES: Final = ("*.parquet", "*.safetensors")
_GIT_ATTRIBUTES: Final = "".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in _LARGE_FILES
)


_ROWS: Final = 256
"""Rows that get their pictures at a time."""


def export_hub(latent_set: SplitSet, out: Path, *, previews: bool = False) -> None:
    """A checked copy of the set alone, with ``croissant.json`` and what git needs to store large
    files, ready to push to a hub as it lies.

    Args:
        latent_set: What to copy.
        out: A new folder.
        previews: Whether rows get a column ``preview``, a small PNG of what they decode to.

    Raises:
        LatentSetError: If the set is not sound.
        ConfigError: If the folder holds something.
    """
    validate(latent_set)
    with new_folder(out) as folder:
        for name in latent_set.splits:
            for shard in latent_set.split(name).shards:
                target = place(folder, DATA_FOLDER, shard.path.name)
                if previews:
                    _write_with_previews(target, shard, latent_set)
                else:
                    _copy_shard(target, shard, latent_set)
        latent_set.field().save(place(folder, FIELD_FOLDER))
        latent_set.info.save(folder)
        write_text(folder / CARD_FILE, _card_of(latent_set.folder))
        write_text(folder / ".gitattributes", _GIT_ATTRIBUTES)
        write_json(folder / CROISSANT_FILE, croissant(folder, latent_set.info, previews))


def _copy_shard(target: Path, shard: Shard, latent_set: SplitSet) -> None:
    write_atomically(target, lambda temporary: copy_file(shard.path, latent_set.folder, temporary))


def _write_with_previews(target: Path, shard: Shard, latent_set: SplitSet) -> None:
    """A shard with one more column, some rows at a time."""
    field = latent_set.field()

    def batches(schema: pa.Schema) -> Iterator[pa.Table]:
        for batch in shard.batches(None, _ROWS):
            table = pa.Table.from_batches([batch])
            column = preview_column(Rows(table, latent_set.info), field)
            yield table.append_column(schema.field(schema.names[-1]), column).cast(schema)

    schema = with_previews(latent_set.info)
    write_batches(target, schema, batches(schema), shard.note)


def copy_file(source: Path, folder: Path, temporary: Path) -> None:
    """Copy a file of the set as it lies; a link must not lead to another one."""
    with temporary.open("wb") as copy:
        for part in _parts(source, folder):
            copy.write(part)


def _parts(source: Path, folder: Path) -> Iterator[bytes]:
    """What a file holds, a mebibyte at a time; that it cannot be read is told apart from that its
    copy cannot be written."""
    origin = Origin(source.name, LatentSetError, "copy the whole folder again")
    with open_regular(source, origin, within=folder) as file:
        while part := file.read(2**20):
            yield part


def _card_of(folder: Path) -> str:
    """The card beside the latents, which goes out as it is: a link must not lead to another file.

    Raises:
        LatentSetError: If it is missing, something else, or lies elsewhere.
    """
    remedy = "copy the whole folder again"
    origin = Origin(f"{CARD_FILE} in '{folder.name}'", LatentSetError, remedy)
    try:
        return read_bytes(folder / CARD_FILE, origin, within=folder).decode("utf-8")
    except UnicodeDecodeError as error:
        raise origin.fault(reason(error)) from error
