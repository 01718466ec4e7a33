"""One split of a latent set, read lazily, and what a set is to those who check it or write it
elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Dataset

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Chunk
from medfuncta._src.door.wording import counted
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.rows import LatentRow, Rows, check_ids
from medfuncta._src.latents.schema import schema_of
from medfuncta._src.latents.shards import Shard, quality_text
from medfuncta._src.latents.views import as_datasets, data_frame, item_of
from medfuncta._src.run import Run
from medfuncta._src.signals.signal import SignalHeader
from medfuncta._src.status import counted_on_line
from medfuncta._src.types import ArrayLatents

if TYPE_CHECKING:
    import datasets
    import pandas

_BATCH: Final = 4096


@dataclass(frozen=True, eq=False)
class Split(Dataset[tuple[Tensor, Tensor]]):
    """One split, which is a ``Dataset`` of PyTorch too: an item is a latent ``[latent]`` and its
    label, -1 where it is not known. Arrays are read when first asked for and kept; :meth:`batches`
    keeps nothing.

    Args:
        name: ``train``, ``val`` or ``test``.
        shards: Its files.
        info: What holds for all rows of the set.
    """

    name: str
    shards: Sequence[Shard]
    info: SetInfo

    def __repr__(self) -> str:
        return (
            f"Split({self.name!r}, {counted(len(self), 'latent')} of {self.info.latent_size} "
            f"numbers{quality_text(self.shards)})"
        )

    def __len__(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @expecting
    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return item_of(self.latents[index], self.labels[index])

    def numpy(self) -> tuple[ArrayLatents, ndarray]:
        """Latents ``[rows, latent]`` float32 and labels ``[rows]``, -1 where one is not known, or
        ``[rows, classes]`` of 0 and 1; copies, as ``fit(X, y)`` takes them."""
        return self.latents.copy(), self.labels.copy()

    def pandas(self) -> pandas.DataFrame:
        """A data frame with ``split``, ``id``, ``label`` (by name), ``psnr`` and a column for each
        number of the latents.

        Raises:
            MedFunctaError: If pandas is not installed.
        """
        return data_frame({self.name: self.rows})

    def datasets(self) -> datasets.Dataset:
        """A ``Dataset`` of Hugging Face with ``id``, ``latent``, ``label`` and ``psnr``.

        Raises:
            MedFunctaError: If ``datasets`` is not installed.
        """
        return as_datasets(self.rows)

    @property
    def rows(self) -> Rows:
        """The rows with the columns that other libraries are told."""
        columns = ["id", "label", "psnr", *self.latent_columns]
        tables = [rows.table for rows in self.batches(columns=columns)]
        schema = schema_of(self.info)
        none = pa.schema([schema.field(name) for name in columns]).empty_table()
        return Rows(pa.concat_tables([none, *tables]), self.info)

    @property
    def latent_columns(self) -> list[str]:
        """The columns that :attr:`Rows.latents` needs."""
        if self.info.dtype == "int8":
            return ["latent", "latent_scale"]
        return ["latent"]

    @expecting
    def batches(self, rows: Chunk = _BATCH, columns: Sequence[str] | None = None) -> Iterator[Rows]:
        """All rows in order, at most ``rows`` at a time, with only these columns.

        This and :meth:`row` are the ways to a latent: none is handed out of a split whose ids do
        not tell its signals apart, and none that holds what no latent can.

        Raises:
            LatentSetError: If a shard is damaged, or as :attr:`id_column` and :attr:`Rows.latents`.
        """
        with_latents = columns is None or "latent" in columns
        if with_latents:
            _ = self.id_column
        for batch in self.unchecked(rows, columns):
            if with_latents:
                batch.check_latents(self.name)
            yield batch

    @expecting
    def unchecked(
        self, rows: Chunk = _BATCH, columns: Sequence[str] | None = None
    ) -> Iterator[Rows]:
        """As :meth:`batches`, for who says what is wrong or leaves it out.

        Raises:
            LatentSetError: If a shard is damaged.
        """
        for shard in self.shards:
            batches = shard.batches(columns, rows)
            for batch in counted_on_line(batches, "reading blocks of latents"):
                yield Rows(pa.Table.from_batches([batch]), self.info)

    def _column(self, name: str) -> Rows:
        tables = [rows.table for rows in self.batches(columns=[name])]
        none = pa.schema([schema_of(self.info).field(name)]).empty_table()  # of a split of no rows
        return Rows(pa.concat_tables([none, *tables]), self.info)

    @cached_property
    def id_column(self) -> pa.ChunkedArray:
        """The ids as Arrow holds them, a tenth of what a list of Python strings takes.

        Raises:
            LatentSetError: If one is missing, there twice, or too long to be one.
        """
        ids = self._column("id").table["id"]
        check_ids(ids, self.name)
        return ids

    @cached_property
    def ids(self) -> list[str]:
        """The names of the signals, in their order."""
        return self.id_column.to_pylist()

    @cached_property
    def labels(self) -> Int[ndarray, " rows"] | Int[ndarray, "rows classes"]:
        """As in :attr:`Rows.labels`."""
        return self._column("label").labels

    @property
    def metadata(self) -> list[dict[str, Any]]:
        """As in :attr:`Rows.metadata`."""
        return self._column("metadata").metadata

    @cached_property
    def psnr(self) -> Float[ndarray, " rows"]:
        """Decibels; NaN where it is not known."""
        return self._column("psnr").psnr

    @cached_property
    def latents(self) -> ArrayLatents:
        """All latents, ``[rows, latent]`` float32."""
        latents = np.empty((len(self), self.info.latent_size), np.float32)
        start = 0
        for rows in self.batches(columns=self.latent_columns):
            latents[start : start + len(rows)] = rows.latents
            start += len(rows)
        return latents

    def row(self, index: int) -> LatentRow:
        """One row, read from its row group.

        Raises:
            IndexError: If there is no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        starts = np.cumsum([0, *(shard.rows for shard in self.shards)])
        shard = int(np.searchsorted(starts, index, side="right")) - 1
        index_in_shard = index - int(starts[shard])
        rows = Rows(self.shards[shard].row(index_in_shard), self.info)
        rows.check_latents(self.name)
        return rows.row(0, self.name)

    def header(self, index: int) -> SignalHeader:
        """The signal of one row without its values."""
        return self.row(index).header

    def find(self, id: str) -> int | None:
        """The row of this id, or None.

        Raises:
            LatentSetError: As :attr:`id_column`.
        """
        index = pc.index(self.id_column, id).as_py()  # type: ignore[attr-defined]
        if index < 0:
            return None
        return index


class SplitSet(ABC):
    """Splits with the field that decodes them.

    Args:
        folder: Where they lie.
        info: What holds for all rows.
    """

    def __init__(self, folder: Path, info: SetInfo) -> None:
        self.folder = folder
        self.info = info

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names of the finished splits."""

    @abstractmethod
    def split(self, name: str) -> Split:
        """One split.

        Raises:
            LatentSetError: If there is none of that name.
        """

    @abstractmethod
    def field(self) -> Run:
        """The field that decodes the latents.

        Raises:
            RunError: If it is missing or damaged.
            LatentSetError: If it is not the one that the latents were fitted with.
        """
