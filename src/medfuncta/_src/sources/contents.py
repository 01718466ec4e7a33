"""What a location holds, told before any of its signals is read; and the row of a format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Int
from numpy import ndarray

from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess import Preprocessing
from medfuncta._src.signals.signal import Signal, SignalSpec
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item, SplitOptions

Details = Mapping[str, str | int | float | bool | None]
"""How signals were made from files: every option and step in force, by name."""


@dataclass(frozen=True)
class Survey:
    """What only a look into the data tells: what all signals have in common.

    Args:
        spec: Of all signals.
        details: What was settled by looking, such as the range of values; a run records it beside
            the options.
    """

    spec: SignalSpec
    details: Details = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Class numbers of the samples of a signal as its file has them, before preprocessing.

    Args:
        values: Class numbers.
        grid: Where they lie: the grid of the signal's file.
    """

    values: Int[ndarray, "*shape"]
    grid: Grid


@dataclass(frozen=True)
class LabelMaps:
    """The label maps of a data set.

    Args:
        names: Names of the classes by number, where they are known.
        read: The label map of an item, or None when it has none. Raises a ``DataError`` if it is
            broken.
    """

    names: Mapping[int, str]
    read: Callable[[Item], LabelMap | None]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a location holds: its items, how one is read, and what is said of them.

    An item is one signal (a volume, an image), and ``read`` gives it as it lies in its file: id,
    label and preprocessing are added after it. What is wrong with it is a ``DataError``, and the
    item is left out if the user wants that. Or an item holds ``many`` signals (a record, a table,
    an archive), and ``read`` gives them one after the other with ids and labels of their own; it
    notes bad ones in the :class:`~medfuncta._src.sources.skips.Skips` that the format was opened
    with, and what it raises is wrong with the data as a whole.

    Args:
        name: ``kind:name`` without any folder, safe to publish.
        items: In an order that never changes.
        read: The reading function; called only for the items of a split that is being read.
        many: Whether an item holds many signals.
        count: How many signals an item of ``many`` holds, where its header tells; else None.
        splitting: How items without a given split are put into one; None when all have one.
        limit: The first so many signals of each split; None for all.
        preprocessing: Applied to every signal and recorded; None when the format knows none.
        survey: What all signals have in common, where the first signal alone does not tell. Called
            once, when it is first asked for, and reads the first split at most.
        settled: What is settled by looking into the first split though the first signal tells the
            rest; recorded beside the options.
        label_maps: None when the format knows none.
        published: Whether its files are known, by their checksums, to be the published ones; they
            may ask for any memory.
        location: The file or folder in which signals lie; None when they lie in no file.
        licence: As the publisher words it, or ``"unknown"``.
        citation: Who made the data and where it is published.
        unlike: What to do where signals are not of one form.
        split_by: What keeps splits apart: ``"patient"``, ``"record"``, ``"file"``, ``"given"``, ...
        details: Every option in force.
        remarks: What a user should know of how the location was understood, one sentence each.
    """

    name: str
    items: Sequence[Item]
    read: Callable[[Item], Signal] | Callable[[Item], Iterable[Signal]]
    many: bool = False
    count: Callable[[Item], int] | None = None
    splitting: SplitOptions | None = None
    limit: int | None = None
    preprocessing: Preprocessing | None = None
    survey: Callable[[], Survey] | None = None
    settled: Callable[[], Details] | None = None
    label_maps: LabelMaps | None = None
    location: Path | None = None
    published: bool = False
    licence: str = "unknown"
    citation: str = ""
    unlike: str = "keep files of one form in a folder"
    split_by: str = "given"
    details: Details = field(default_factory=dict)
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    Args:
        name: The word before the colon.
        summary: One line for the help text.
        options: The options dataclass (:mod:`medfuncta._src.sources.options`).
        open: ``open(location, options, skips)`` says what a location holds; ``options`` are of the
            type above, filled and checked. It opens no file that only a signal needs.
    """

    name: str
    summary: str
    options: type[Any]
    open: Callable[[str, Any, Skips], Contents]
