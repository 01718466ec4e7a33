"""Shards: Parquet files of rows, each with a note in its footer that ties it to its field and to
its place in the source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.disk.places import file_name
from medfuncta._src.door.declared import Fault, convert
from medfuncta._src.door.files import Origin, check_regular, decode_json, is_utf8, reason
from medfuncta._src.door.limits import MAX_SET_BYTES, Count, Fingerprint
from medfuncta._src.door.wording import counted, shortened
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.columns import Columns, check_footer
from medfuncta._src.signals.mark import Sum
from medfuncta._src.sources.source import Skipped

DATA_FOLDER = "data"
_NAME: Final = re.compile(r"(?P<split>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.parquet")
_NOTE_KEY: Final = b"medfuncta"
_MARK_KEY: Final = b"medfuncta.mark"
_MARK_BYTES: Final = 64
_GROUP_BYTES: Final = 16 * 2**20
"""Latents of a row group: what a reader holds at a time, and what reading one row costs."""
_DISTINCT: Final = ("id", "psnr", "latent_scale", "positions", "preview")
"""Columns whose values hardly repeat, so that a dictionary of them is of no use."""


@dataclass(frozen=True)
class Note:
    """What a shard says of itself.

    Args:
        fingerprint: Of the field that decodes its latents.
        consumed: Signals of the source that it accounts for: its rows and what was left out.
        left_out: Signals without a row.
        last_id: The last signal that it accounts for.
        next_piece: The first piece (see ``writer``) that it does not hold.
        fitted_psnr: Sum over rows of the PSNR before latents were stored in fewer bits, in
            decibels; None when not known.
        mark: What the signals add to the mark of their split
            (see :mod:`medfuncta._src.signals.mark`); None when not known. It has an entry of its
            own in the footer, which older programs pass over.
    """

    fingerprint: Fingerprint
    consumed: Count
    left_out: tuple[Skipped, ...] = ()
    last_id: str = ""
    next_piece: Count = 0
    fitted_psnr: Annotated[float, Meta(ge=-1e15, le=1e15)] | None = None
    mark: Sum | None = None

    @classmethod
    def join(cls, notes: Sequence[Note]) -> Note:
        """The note of several pieces, one after the other."""
        return cls(
            notes[0].fingerprint,
            sum(note.consumed for note in notes),
            tuple(entry for note in notes for entry in note.left_out),
            notes[-1].last_id,
            notes[-1].next_piece,
            sum_of([note.fitted_psnr for note in notes]),
            sum_of([note.mark for note in notes]),
        )

    def footer(self) -> dict[bytes, str]:
        """The entries of a footer that hold it."""
        entries = asdict(self)
        mark = entries.pop("mark")
        footer = {_NOTE_KEY: json.dumps(entries)}
        if mark is not None:
            footer[_MARK_KEY] = json.dumps(mark)
        return footer


def sum_of(numbers: Sequence[float | None]) -> float | None:
    """Their sum; None where one is not known."""
    total = 0.0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def quality_text(shards: Sequence[Shard]) -> str:
    """The mean PSNR of the rows as their notes have it, for the end of a line; nothing where they
    do not."""
    rows = sum(shard.rows for shard in shards)
    notes = [shard.note for shard in shards]
    if not rows:
        return ""
    fitted = Note.join(notes).fitted_psnr
    if fitted is None:
        return ""
    return f", {fitted / rows:.2f} dB on average"


def shard_name(split: str, index: int, count: int) -> str:
    """``train-00000-of-00002.parquet``, as Hugging Face names them."""
    return f"{file_name(split)}-{index:05d}-of-{count:05d}.parquet"


def write_shard(path: Path, table: pa.Table, note: Note) -> None:
    """Write rows and their note atomically. Latents hardly compress and are stored plain;
    everything else is compressed.

    Pages carry checksums, which readers of Parquet may check and ours do: latents look alike
        whether they are right or not.
    """
    write_batches(path, table.schema, [table], note)


def write_batches(path: Path, schema: pa.Schema, tables: Iterable[pa.Table], note: Note) -> None:
    """As :func:`write_shard`, of rows that come some at a time.

    Args:
        path: The file.
        schema: The columns of each table.
        tables: The rows.
        note: Of all of them.
    """
    described = schema.with_metadata({**(schema.metadata or {}), **note.footer()})
    group = _group_rows(schema)

    def write(temporary: Path) -> None:
        with (
            temporary.open("wb") as file,  # Arrow opens no file whose path is not UTF-8
            pq.ParquetWriter(file, described, **_options(schema)) as writer,
        ):
            for table in tables:
                writer.write_table(table.replace_schema_metadata(described.metadata), group)

    write_atomically(path, write)


def _group_rows(schema: pa.Schema) -> int:
    """Rows of a row group."""
    latent = schema.field("latent").type
    return max(1, _GROUP_BYTES // (latent.list_size * latent.value_type.bit_width // 8))


def joined(parts: Sequence[Shard], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of parts, one after the other, a row group at a time: all that is in memory of
    them.

    Raises:
        LatentSetError: If one is damaged.
    """
    most = _group_rows(schema)
    held: list[pa.Table] = []
    for part in parts:
        held.append(part.read())
        while sum(table.num_rows for table in held) >= most:
            table = pa.concat_tables(held)
            yield table.slice(0, most)
            held = [table.slice(most)]
    if held:
        yield pa.concat_tables(held)


def _options(schema: pa.Schema) -> dict[str, Any]:
    """How the columns are stored."""
    small = [name for name in schema.names if name != "latent"]
    repeating = [name for name in small if name not in _DISTINCT]
    return {
        "compression": {
            **dict.fromkeys(_leaf_paths(schema, small), "zstd"),
            "latent.list.element": "none",
        },
        "use_dictionary": _leaf_paths(schema, repeating),
        "write_statistics": _leaf_paths(schema, small),
        "write_page_checksum": True,
    }


def _leaf_paths(schema: pa.Schema, names: Sequence[str]) -> list[str]:
    """Columns as Parquet names them: a list's numbers lie at ``name.list.element``, the parts of a
    picture below its name."""
    paths = []
    for name in names:
        kind = schema.field(name).type
        if pa.types.is_struct(kind):
            paths += [f"{name}.{kind.field(part).name}" for part in range(kind.num_fields)]
        elif pa.types.is_list(kind):
            paths.append(f"{name}.list.element")
        else:
            paths.append(name)
    return paths


@dataclass(frozen=True, eq=False)
class Shard:
    """One Parquet file, opened lazily.

    Args:
        path: The file.
        rows: How many it holds.
        note: What it says of itself.
        columns: Those that are read; all when None.
    """

    path: Path
    rows: int
    note: Note
    columns: tuple[str, ...] | None = None

    @classmethod
    def open(cls, path: Path, schema: pa.Schema, within: Path | None = None) -> Shard:
        """Read the footer.

        Args:
            path: The file.
            schema: The columns that it must have.
            within: The folder of the set, which no link may lead out of.

        Raises:
            LatentSetError: If the file is missing, cut, no shard of a latent set, or one of another
                set.
        """
        size = check_regular(path, _origin(path), within)
        with reading(path), _open(path) as file:
            footer, found = file.metadata, file.schema_arrow
            rows = footer.num_rows
        with _origin(path).blamed():
            check_footer(path, footer)
            note = _note_of(found.metadata or {})
            _check_columns(found, schema)
            latent = schema.field("latent").type
            least = rows * latent.list_size * latent.value_type.bit_width // 8
            if not 0 <= least <= size:
                raise Fault(
                    "", f"claims {counted(rows, 'latent')}, which have more bytes than it has"
                )
        return cls(path, rows, note, tuple(schema.names))

    def read(self) -> pa.Table:
        """All rows.

        Raises:
            LatentSetError: If the file is damaged.
        """
        with self._opened() as file:
            return file.read(self.columns)

    def batches(self, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows in order, at most ``rows`` at a time.

        Raises:
            LatentSetError: If the file is damaged.
        """
        with self._opened() as file:
            yield from file.batches(columns or self.columns, rows)

    def row(self, row: int) -> pa.Table:
        """One row.

        Raises:
            LatentSetError: If the file is damaged.
        """
        with self._opened() as file:
            return file.row(row, self.columns)

    @contextmanager
    def _opened(self) -> Iterator[Columns]:
        """The file; what is wrong with it is said of it."""
        with reading(self.path), _origin(self.path).blamed(), Columns(self.path) as file:
            yield file


def _origin(path: Path) -> Origin:
    return Origin(
        name=path.name,
        error=LatentSetError,
        remedy="copy it again or fit this split anew",
        missing=f"no {path.name} in the latent set; copy the whole folder again",
    )


def _check_columns(found: pa.Schema, expected: pa.Schema) -> None:
    """Raise unless all columns of a set are there, once; others do no harm.

    Raises:
        Fault: At the first that is not.
    """
    for field in expected:
        count = found.names.count(field.name)
        if count != 1:
            raise Fault(f"the column '{field.name}'", f"is there {count} times; expected once")
        kind = found.field(field.name).type
        if not _alike(kind, field.type):
            held = shortened(str(kind), 80)
            expected = f"expected {field.type}, as latent_set.json says"
            raise Fault(f"the column '{field.name}'", f"holds {held}; {expected}")


def _alike(found: pa.DataType, expected: pa.DataType) -> bool:
    """Whether a type is the one that we write; how a list calls its entries does not matter, but
    latents have none missing."""
    if not pa.types.is_list(expected):
        return found == expected
    return pa.types.is_list(found) and found.value_type == expected.value_type


def _note_of(metadata: Mapping[bytes, bytes]) -> Note:
    """The note in a footer.

    Raises:
        Fault: If there is none, or it is damaged.
    """
    text = metadata.get(_NOTE_KEY)
    if text is None:
        raise Fault("", "is not a shard of a latent set: its footer has no note")
    if len(text) > MAX_SET_BYTES:
        raise Fault("its note", f"has {len(text):,} bytes")
    note = decode_json(text)
    if _MARK_KEY in metadata and isinstance(note, dict):
        if len(metadata[_MARK_KEY]) > _MARK_BYTES:
            raise Fault("its mark", f"has {len(metadata[_MARK_KEY]):,} bytes")
        note = {**note, "mark": decode_json(metadata[_MARK_KEY])}
    return convert(note, Note, "its note")


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    """The file, by its path where Arrow takes it, which reads faster; a whole path, since Arrow
    takes one that begins as ``a:b`` for the address of a store."""
    if is_utf8(path):
        with pq.ParquetFile(path.absolute()) as file:
            yield file
    else:
        with path.open("rb") as raw, pq.ParquetFile(raw) as file:
            yield file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what Arrow says about a broken file into one line."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        origin = _origin(path)
        line = f"{path.name} is cut or damaged ({shortened(reason(error))}); {origin.remedy}"
        raise origin.error(line) from error


def find_shards(folder: Path, split: str, schema: pa.Schema) -> list[Shard]:
    """The shards of a finished split, in order.

    Args:
        folder: Of the set.
        split: Its name.
        schema: The columns of the set.

    Raises:
        LatentSetError: If one is missing, damaged, or they are not of one fit.
    """
    found = [
        m
        for path in sorted((folder / DATA_FOLDER).glob("*.parquet"))
        if (m := _NAME.fullmatch(path.name)) and m["split"] == split
    ]
    if not found:
        raise LatentSetError(
            f"no shard of split '{split}' in '{folder.name}'; copy the whole folder again"
        )
    count = int(found[-1]["count"])
    names = [shard_name(split, index, count) for index in range(count)]
    missing = [name for name in names if not (folder / DATA_FOLDER / name).is_file()]
    if missing or len(found) != count:
        odd = missing[0] if missing else f"{len(found) - count} shards too many"
        raise LatentSetError(
            f"split '{split}' in '{folder.name}' is not whole ({odd}); copy the whole folder again"
        )
    return [Shard.open(folder / DATA_FOLDER / name, schema, folder) for name in names]
