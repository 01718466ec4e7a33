"""Two ways in which signals lie in a CSV file: a row each, or a row a sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medfuncta.errors import DataError
from medfuncta.sources.csv_table import column_names, read_columns

Refuse = Callable[[str, DataError], None]


@dataclass(frozen=True, eq=False)
class Record:
    """One signal of a file.

    Args:
        key: The number of its row, or its identifier.
        name: What an error calls it: the file and the row where it begins.
        values: ``[samples, channels]``, NaN where a cell is empty.
        positions: ``[samples, dim]``, or None when samples are equally spaced.
        label: Its class as text, or ``""``.
    """

    key: str
    name: str
    values: np.ndarray
    positions: np.ndarray | None
    label: str


class Layout(ABC):
    """How a file is read as records."""

    @abstractmethod
    def records(self, path: Path, refuse: Refuse) -> Iterator[Record]:
        """The records of a file in their order; ``refuse`` gets what is wrong with one of them, to
        raise or to note.

        Raises:
            DataError: If the file as a whole cannot be read.
        """


@dataclass(frozen=True)
class RowLayout(Layout):
    """A row is a signal: its samples, then its label (the layout of the Kaggle heartbeat set)."""

    labelled: bool = True

    def records(self, path: Path, refuse: Refuse) -> Iterator[Record]:
        names, _ = column_names(path)
        samples = names[:-1] if self.labelled else names
        if not samples:
            raise DataError(
                f"{path.name} has {len(names)} columns; expected samples, then a label, or set "
                "label=none"
            )
        columns, rows = read_columns(path, samples, names[len(samples) :], refuse)
        values = np.stack([columns[name] for name in samples], axis=1, dtype=np.float32)
        labels = columns[names[-1]] if self.labelled else [""] * len(rows)
        for row, trace, label in zip(rows.tolist(), values, labels, strict=True):
            yield Record(f"{row:06d}", f"{path.name}, row {row}", trace[:, None], None, label or "")


@dataclass(frozen=True)
class SampleLayout(Layout):
    """A row is a sample; named columns hold its position, its values, and the signal that it
    belongs to.

    Args:
        values: Columns of the channels.
        positions: Columns of the position.
        ordered: Whether positions are times, which must rise within a signal.
        id: Column that tells signals apart; ``""`` when the file is one signal.
        label: Column of the class, the same in all rows of a signal; ``""`` when there is none.
    """

    values: tuple[str, ...]
    positions: tuple[str, ...]
    ordered: bool
    id: str = ""
    label: str = ""

    def records(self, path: Path, refuse: Refuse) -> Iterator[Record]:
        texts = [name for name in (self.id, self.label) if name]
        columns, rows = read_columns(path, (*self.positions, *self.values), texts, refuse)
        positions = np.stack([columns[name] for name in self.positions], axis=1)
        values = np.stack([columns[name] for name in self.values], axis=1, dtype=np.float32)
        for key, members in _groups(
            columns[self.id] if self.id else np.full(len(rows), "", object)
        ).items():
            name = f"{path.name}, row {rows[members[0]]}"
            labels = columns[self.label][members] if self.label else np.array([""])
            try:
                self._check(path, positions[members], rows[members], labels)
                yield Record(key, name, values[members], positions[members], labels[0] or "")
            except DataError as error:
                refuse(name, error)

    def _check(
        self, path: Path, positions: np.ndarray, rows: np.ndarray, labels: np.ndarray
    ) -> None:
        missing = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        if missing.size:
            raise DataError(
                f"{path.name}, row {rows[missing[0]]} has no finite position; expected a number in "
                f"{', '.join(self.positions)}"
            )
        falls = np.flatnonzero(np.diff(positions[:, 0]) <= 0) if self.ordered else np.array([])
        if falls.size:
            at = int(falls[0]) + 1
            raise DataError(
                f"{path.name}, row {rows[at]} is at time {positions[at, 0]:g} after "
                f"{positions[at - 1, 0]:g}; expected times that rise"
            )
        if any(label != labels[0] for label in labels):
            raise DataError(
                f"{path.name} has several labels for the signal of row {rows[0]}; expected one for "
                "all its rows"
            )


def _groups(keys: np.ndarray) -> dict[str, np.ndarray]:
    """Indices of the rows of each key, keys in the order of their first row."""
    unique, first, inverse = np.unique(
        np.array([key or "" for key in keys], str), return_index=True, return_inverse=True
    )
    members = np.split(
        np.argsort(inverse, kind="stable"),
        np.cumsum(np.bincount(inverse, minlength=len(unique)))[:-1],
    )
    return {str(unique[i]): members[i] for i in np.argsort(first)}
