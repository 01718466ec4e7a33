"""Rows of a latent set in memory, seen as arrays."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray

from medfuncta._src.door.limits import MAX_CLASSES, MAX_ID, MAX_LATENT
from medfuncta._src.door.wording import counted, printable, shown
from medfuncta._src.errors import LatentSetError, MedFunctaError
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.quantise import restore
from medfuncta._src.latents.schema import Metadata, header_of, metadata_of
from medfuncta._src.signals.signal import Label, SignalHeader
from medfuncta._src.types import ArrayLatents

NO_LABEL = -1
UNSOUND: Final = f"NaN, Inf or numbers beyond {MAX_LATENT:g}"
"""What no latent holds, in words."""
_LARGEST_INT8: Final = 127


@dataclass(frozen=True, eq=False)
class LatentRow:
    """One signal of a latent set.

    Args:
        id: Of the signal.
        split: Where it lies.
        latent: ``[latent]`` float32.
        label: Class number, several for multi-label data, or None.
        psnr: Of its reconstruction, in decibels; NaN where it is not known.
        header: The signal without its values, to decode into.
    """

    id: str
    split: str
    latent: Float[ndarray, " latent"]
    label: Label
    psnr: float
    header: SignalHeader

    def __repr__(self) -> str:
        label = "" if self.label is None else f", label {self.label}"
        quality = f", {self.psnr:.2f} dB" if np.isfinite(self.psnr) else ""
        return printable(
            f"LatentRow({self.id!r}, {self.split}, "
            f"{counted(len(self.latent), 'number')}{label}{quality})"
        )


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of one split.

    Args:
        table: Their columns, or those that were asked for.
        info: What holds for all rows of the set.
    """

    table: pa.Table
    info: SetInfo

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def ids(self) -> list[str]:
        return self.table["id"].to_pylist()

    @property
    def latents(self) -> ArrayLatents:
        """``[rows, latent]`` float32, 8-bit ones times their scale.

        Raises:
            LatentSetError: If one holds NaN, Inf or a number beyond any.
        """
        self.check_latents()
        return restore(self._stored, self._scales)

    def check_latents(self, split: str = "") -> None:
        """Raise unless all latents are sound.

        Args:
            split: The name of their split, for the message.

        Raises:
            LatentSetError: If one is not.
        """
        sound = self.sound
        if sound.all():
            return
        of_split = f" of '{split}'" if split else ""
        raise LatentSetError(
            f"{int((~sound).sum())} latents{of_split} hold {UNSOUND}; copy the latent set again or "
            "fit it anew"
        )

    @property
    def sound(self) -> Bool[ndarray, " rows"]:
        """Which latents hold neither NaN nor Inf nor a number beyond any, without a copy of
        them."""
        if self._scales is not None:
            return np.abs(self._scales) <= MAX_LATENT / _LARGEST_INT8
        stored = self._stored
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.einsum("rl,rl->r", stored, stored, dtype=np.float32)
        sound = squares <= MAX_LATENT**2  # which NaN is not
        doubtful = np.flatnonzero(~sound)  # many numbers may sum up to more than the largest
        sound[doubtful] = (np.abs(stored[doubtful]) <= np.float32(MAX_LATENT)).all(axis=1)
        return sound

    @property
    def _stored(self) -> Shaped[ndarray, "rows latent"]:
        """The numbers as they are stored; what Arrow holds, not to be written to."""
        flat = self.table["latent"].combine_chunks().flatten()
        return flat.to_numpy(zero_copy_only=False).reshape(len(self), self.info.latent_size)

    @property
    def _scales(self) -> Float[ndarray, " rows"] | None:
        if self.info.dtype != "int8":
            return None
        return self.table["latent_scale"].to_numpy()

    @property
    def labels(self) -> Int[ndarray, " rows"] | Int[ndarray, "rows classes"]:
        """Class numbers ``[rows]``, -1 where there is none; for multi-label data 0 or 1
        ``[rows, classes]``.

        Raises:
            LatentSetError: If one is of no class.
        """
        column = self.table["label"]
        problem = self.label_problem
        if problem:
            raise LatentSetError(f"{problem}; copy the latent set again or fit it anew")
        if not self.info.multi_label:
            return pc.fill_null(column, NO_LABEL).to_numpy()
        labels = column.to_pylist()
        classes = len(self.info.spec.label_names)
        if not classes:
            numbers = column.combine_chunks().flatten()
            classes = 1 + max(numbers.to_pylist(), default=-1)
        if classes > MAX_CLASSES:
            raise LatentSetError(
                f"a row has the label {classes - 1:,}; expected at most {MAX_CLASSES:,} classes; "
                "fit the set anew"
            )
        table = np.zeros((len(labels), classes), np.int64)
        for row, own in enumerate(labels):
            table[row, own or []] = 1
        return table

    @property
    def label_problem(self) -> str:
        """What is wrong with the labels; ``""`` where nothing is."""
        classes = len(self.info.spec.label_names)
        column = self.table["label"].combine_chunks()
        labels = column.flatten() if self.info.multi_label else column
        bounds = pc.min_max(labels).as_py()  # type: ignore[attr-defined]
        low, high = bounds["min"], bounds["max"]
        if low is None or (low >= 0 and (not classes or high < classes)):
            return ""
        if not classes:
            return f"labels from {low} to {high}; expected none below 0"
        return (
            f"labels from {low} to {high}; expected 0 to {classes - 1}, one for each of the "
            f"{classes} named classes"
        )

    @property
    def psnr(self) -> Float[ndarray, " rows"]:
        """Decibels; NaN where it is not known."""
        return self.table["psnr"].to_numpy()

    @property
    def metadata(self) -> list[Metadata]:
        """What the source said of each signal besides.

        Raises:
            LatentSetError: If it is damaged.
        """
        try:
            return [metadata_of(text) for text in self.table["metadata"].to_pylist()]
        except MedFunctaError as error:
            raise LatentSetError(
                f"a row is damaged ({error}); copy the latent set again"
            ) from error

    @property
    def headers(self) -> list[SignalHeader]:
        """The signals without their values.

        Raises:
            LatentSetError: If a row is damaged.
        """
        known = [name for name in self.table.column_names if name != "latent"]
        rows = self.table.select(known).to_pylist()
        return [header_of(row, self.info) for row in rows]

    def row(self, index: int, split: str) -> LatentRow:
        """One row."""
        one = Rows(self.table.slice(index, 1), self.info)
        header = one.headers[0]
        return LatentRow(
            id=header.id,
            split=split,
            latent=one.latents[0],
            label=header.label,
            psnr=float(one.psnr[0]),
            header=header,
        )


def nearest_id(id: str, few: Sequence[str], signals: int) -> str:
    """The end of an error line about an unknown id.

    Args:
        id: It.
        few: Some ids that there are; there may be a million.
        signals: How many there are.
    """
    near = difflib.get_close_matches(id, few, n=1, cutoff=0.5)
    known = f"has {counted(signals, 'signal')}, such as {', '.join(few[:3])}"
    if near:
        return f"did you mean '{near[0]}'? It {known}"
    return f"it {known}"


def check_ids(ids: pa.ChunkedArray, split: str) -> None:
    """Raise unless the ids of a split tell its signals apart.

    Raises:
        LatentSetError: If one is missing, there twice, or too long to be one.
    """
    if ids.null_count:
        raise LatentSetError(
            f"split '{split}' has {counted(ids.null_count, 'row')} without an id; fit it anew"
        )
    longest = pc.max(pc.utf8_length(ids)).as_py()  # type: ignore[attr-defined]
    if longest is not None and longest > MAX_ID:
        raise LatentSetError(
            f"split '{split}' has an id of {longest:,} characters; expected at most {MAX_ID:,}; "
            "fit it anew"
        )
    if pc.count_distinct(ids).as_py() < len(ids):  # type: ignore[attr-defined]
        counts = pc.value_counts(ids).flatten()  # type: ignore[attr-defined]
        doubled = counts[0].filter(pc.greater(counts[1], 1))  # type: ignore[attr-defined]
        raise LatentSetError(
            f"split '{split}' has {len(doubled)} ids more than once, such as "
            f"{shown(doubled[0].as_py())}; fit it anew or filter them out"
        )
