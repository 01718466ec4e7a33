"""Writing a latent set block by block, so that a killed fit continues where it was.

While a split is being fitted, ``.fitting/<split>/`` holds *pieces* (one block of signals each) and
*shards* (many pieces, merged once they are large enough). A block is kept whole or not at all, and
its note says how many signals of the source it accounts for, so the next signal to fit is always
known. When the source is exhausted ``complete.json`` is written; from then on only renames are left
to do, and each of them can be repeated:

    piece-00000001.parquet ... ─merge▶ shard-00000.parquet ─complete.json▶
    data/train-00000-of-00002.parquet ─▶ latent_set.json
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pyarrow as pa
from msgspec import Meta

from medfuncta._src.disk.atomic import remove_leftovers, write_json, write_text
from medfuncta._src.disk.lock import check_held
from medfuncta._src.disk.places import (
    file_name,
    make_folder,
    move,
    place,
    remove_empty,
    remove_file,
    remove_folder,
)
from medfuncta._src.disk.refusals import disk_told
from medfuncta._src.door.declared import convert
from medfuncta._src.door.files import Origin, read_json
from medfuncta._src.door.limits import MAX_SET_BYTES, Count
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.card import card
from medfuncta._src.latents.info import CARD_FILE, FIELD_FOLDER, INFO_FILE, SetInfo, SplitInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import schema_of
from medfuncta._src.latents.shards import (
    DATA_FOLDER,
    Note,
    Shard,
    joined,
    shard_name,
    sum_of,
    write_batches,
    write_shard,
)
from medfuncta._src.run import Run
from medfuncta._src.sources.source import Skipped

_SHARD_BYTES: Final = 256 * 2**20
_FITTING = ".fitting"
_COMPLETE = "complete.json"


class LatentSetWriter:
    """Begins a latent set, or goes on with one that was begun with the same settings.

    Args:
        folder: Where; it is made when missing.
        run: The field that the latents are fitted with; its two files are copied.
        info: What holds for all rows.
        shard_bytes: About the size of a shard.

    Raises:
        LatentSetError: If the folder holds something else, or a set that was begun with other
            settings.
    """

    def __init__(
        self, folder: Path | str, run: Run, info: SetInfo, *, shard_bytes: int = _SHARD_BYTES
    ) -> None:
        self.folder = Path(folder)
        if (self.folder / INFO_FILE).exists():
            self.info = SetInfo.load(self.folder)
            self.info.check_continues(info)
        else:
            _check_free(self.folder)
            run.save(place(self.folder, FIELD_FOLDER))
            self.info = info
            info.save(self.folder)
        with disk_told(self.folder.name):
            remove_leftovers(self.folder)
        row_bytes = info.latent_size * np.dtype(info.dtype).itemsize
        self._shard_rows = max(1, shard_bytes // row_bytes)

    def split(self, name: str) -> SplitWriter | None:
        """Where to append the rows of a split, or None when it is finished already."""
        folder = self._fitting(name)
        if (folder / _COMPLETE).exists():
            self._publish(name)
        if name in self.info.splits:
            remove_folder(self.folder, _FITTING, file_name(name))  # a kill may have left it
            return None
        return SplitWriter(folder, self.info, self._shard_rows)

    def _fitting(self, name: str) -> Path:
        """Where a split lies while it is fitted."""
        return place(self.folder, _FITTING, file_name(name))

    def finish_split(self, writer: SplitWriter, skipped: Sequence[Skipped] = ()) -> None:
        """Give the shards their final names.

        Args:
            writer: Has all rows of the split.
            skipped: Files of the split that the source left out.

        Raises:
            LatentSetError: If the split has no row.
        """
        writer.close(skipped)
        self._publish(writer.name)

    def _publish(self, name: str) -> None:
        check_held(self.folder)
        with disk_told(self.folder.name):
            self._rename(name)

    def _rename(self, name: str) -> None:
        folder = self._fitting(name)
        complete = _Complete.load(folder)
        data = make_folder(self.folder, DATA_FOLDER)
        for index in range(complete.shards):
            part = place(folder, _shard_part(index))
            final = shard_name(name, index, complete.shards)
            if part.exists():
                move(part, data, final)
            elif not (data / final).exists():
                raise LatentSetError(
                    f"shard {index} of split '{name}' is missing; remove the folder "
                    f"'{_FITTING}/{name}' and fit the split anew"
                )
        self.info = self.info.with_split(name, SplitInfo(complete.signals, complete.left_out))
        self.info.save(self.folder)
        remove_folder(self.folder, _FITTING, file_name(name))

    def finish(self) -> LatentSet:
        """Write the card and open the set.

        Raises:
            LatentSetError: If no split is finished.
        """
        latent_set = LatentSet.open(self.folder)
        write_text(self.folder / CARD_FILE, card(latent_set))
        remove_empty(self.folder, _FITTING)
        return latent_set


@dataclass(frozen=True)
class _Complete:
    """``complete.json``: a split of which only renames are left to do.

    Args:
        signals, left_out: As in :class:`SplitInfo`.
        shards: How many there are.
    """

    signals: Count
    left_out: tuple[Skipped, ...]
    shards: Annotated[int, Meta(ge=1, le=99_999)]

    @classmethod
    def load(cls, folder: Path) -> _Complete:
        """Read it.

        Raises:
            LatentSetError: If it is damaged.
        """
        remedy = f"remove the folder '{_FITTING}/{folder.name}' and fit the split anew"
        origin = Origin(f"{_COMPLETE} of split '{folder.name}'", LatentSetError, remedy)
        data = read_json(folder / _COMPLETE, origin, limit=MAX_SET_BYTES, within=folder)
        with origin.blamed():
            return convert(data, cls)


class SplitWriter:
    """Appends the rows of one split, block by block; made by :meth:`LatentSetWriter.split`."""

    def __init__(self, folder: Path, info: SetInfo, shard_rows: int) -> None:
        self._folder = folder
        self._info = info
        self._shard_rows = shard_rows
        self._shards = [self._opened(path) for path in sorted(folder.glob("shard-*.parquet"))]
        self._next = self._shards[-1].note.next_piece if self._shards else 0
        self._pieces: list[Shard] = []
        for path in sorted(folder.glob("piece-*.parquet")):
            piece = self._opened(path)
            if piece.note.next_piece <= self._next:
                remove_file(folder, path.name)  # a kill came before it was removed
            else:
                self._pieces.append(piece)
                self._next = piece.note.next_piece
        self._merge_when_full()

    def _opened(self, path: Path) -> Shard:
        """A piece or a shard of an earlier attempt."""
        part = Shard.open(path, schema_of(self._info), self._folder)
        remedy = f"remove the folder '{_FITTING}/{self.name}' and fit the split anew"
        if part.note.fingerprint != self._info.fingerprint:
            raise LatentSetError(f"{path.name} was fitted with another field; {remedy}")
        held = part.rows + len(part.note.left_out)
        if part.note.consumed != held:
            raise LatentSetError(
                f"{path.name} says that it accounts for {counted(part.note.consumed, 'signal')} "
                "(consumed), "
                f"but for {held:,} it does; {remedy}"
            )
        return part

    @property
    def name(self) -> str:
        return self._folder.name

    @property
    def consumed(self) -> int:
        """Signals of the source that need not be fitted again."""
        return sum(part.note.consumed for part in self._parts)

    @property
    def last_id(self) -> str:
        """The last of them; ``""`` at the beginning."""
        return self._parts[-1].note.last_id if self._parts else ""

    @property
    def mark(self) -> float | None:
        """What was noted of their values, see :class:`Note`; None where nothing was."""
        return sum_of([part.note.mark for part in self._parts])

    @property
    def _parts(self) -> list[Shard]:
        return [*self._shards, *self._pieces]

    def append(
        self,
        table: pa.Table,
        *,
        last_id: str,
        left_out: Sequence[Skipped] = (),
        fitted_psnr: float | None = None,
        mark: float | None = None,
    ) -> None:
        """Add one block of signals, wholly or not at all.

        Args:
            table: Its rows, from ``table_of``.
            last_id: The last signal of the block, kept or left out.
            left_out: Signals of the block without a row.
            fitted_psnr: As in :class:`Note`.
            mark: As in :class:`Note`, of this block alone.
        """
        self._next += 1
        consumed = table.num_rows + len(left_out)
        note = Note(
            self._info.fingerprint,
            consumed,
            tuple(left_out),
            last_id,
            self._next,
            fitted_psnr,
            mark,
        )
        if not self._pieces and table.num_rows >= self._shard_rows:
            self._add_shard([table], table.num_rows, note)
            return
        path = place(self._folder, f"piece-{self._next:08d}.parquet")
        write_shard(path, table, note)
        self._pieces.append(Shard(path, table.num_rows, note))
        self._merge_when_full()

    def close(self, skipped: Sequence[Skipped]) -> None:
        """Merge what is left and note that nothing more will come.

        Raises:
            LatentSetError: If there is no row at all.
        """
        if self._pieces:
            self._merge()
        rows = sum(shard.rows for shard in self._shards)
        if not rows:
            raise LatentSetError(
                f"split '{self.name}' has no signal that could be fitted; leave it out with "
                "--splits or mend its data"
            )
        left_out = tuple(entry for shard in self._shards for entry in shard.note.left_out)
        complete = _Complete(rows, (*skipped, *left_out), len(self._shards))
        write_json(place(self._folder, _COMPLETE), asdict(complete))

    def _merge_when_full(self) -> None:
        if sum(piece.rows for piece in self._pieces) >= self._shard_rows:
            self._merge()

    def _merge(self) -> None:
        schema = schema_of(self._info)
        note = Note.join([piece.note for piece in self._pieces])
        rows = sum(piece.rows for piece in self._pieces)
        self._add_shard(joined(self._pieces, schema), rows, note)
        with disk_told(DATA_FOLDER):
            for piece in self._pieces:
                remove_file(self._folder, piece.path.name)
        self._pieces = []

    def _add_shard(self, tables: Iterable[pa.Table], rows: int, note: Note) -> None:
        path = place(self._folder, _shard_part(len(self._shards)))
        write_batches(path, schema_of(self._info), tables, note)
        self._shards.append(Shard(path, rows, note))


def _shard_part(index: int) -> str:
    return f"shard-{index:05d}.parquet"


def _check_free(folder: Path) -> None:
    """A folder that is missing, empty, or holds what a kill left before the set was begun."""
    if folder.is_dir() and any(
        path.name != FIELD_FOLDER and not path.name.startswith(".") for path in folder.iterdir()
    ):
        raise LatentSetError(f"'{folder.name}' exists and is not a latent set; give a new folder")
