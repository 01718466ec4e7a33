"""A source of signals: named splits, read lazily, with bad files named and counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, final

import numpy as np

from medfuncta._src.door.content import blaming
from medfuncta._src.door.wording import printable
from medfuncta._src.errors import DataError, suggest
from medfuncta._src.signals.preprocess import Preprocessing
from medfuncta._src.signals.signal import Signal, SignalSpec
from medfuncta._src.sources.alike import check_alike, spec_of
from medfuncta._src.sources.budget import Budget
from medfuncta._src.sources.contents import Contents, Details, LabelMap, Survey
from medfuncta._src.sources.layout import leak_remarks
from medfuncta._src.sources.skips import Skipped, Skips
from medfuncta._src.sources.splitting import ALL, SPLITS, Item, are_too_few, split_items
from medfuncta._src.status import counted_on_line, doing

__all__ = ["ALL", "SPLITS", "Skipped", "Source", "SourceInfo"]


@dataclass(frozen=True)
class SourceInfo:
    """What a data set says of itself.

    Args:
        name: ``kind:name`` without any folder, safe to publish.
        licence: The data's licence as its publisher words it, or ``"unknown"``.
        citation: Who made the data and where it is published.
        split_by: What keeps splits apart: ``"patient"``, ``"record"``, ``"file"``, ``"given"``, ...
        details: How signals were made from files: every option and preprocessing step in force.
    """

    name: str
    licence: str = "unknown"
    citation: str = ""
    split_by: str = "given"
    details: Details = field(default_factory=dict)


@dataclass(frozen=True)
class Reopening:
    """How another process, perhaps on another machine that sees the same files, opens a source.

    Args:
        text: As :func:`~medfuncta._src.sources.table.open_source` takes it, the path from the root.
        skip_bad: Whether bad files are left out.
    """

    text: str
    skip_bad: bool


@final
class Source:
    """A data set that hands out signals split by split.

    No signal of a split is read before :meth:`signals` of that split is iterated, so that model
    selection can be shown never to read the test split.

    Args:
        contents: What its location holds.
        skips: Where to note what is left out; the one that the contents were made with.
        stated: What the user says of the data in place of the data itself: ``licence``,
            ``citation``, both or none.
        reopening: How another process opens it; None where none can.

    Of several items that are too few to be split, all can be read, and no split.

    Raises:
        ConfigError, DataError: If the items cannot be split as the options ask for.
    """

    def __init__(
        self,
        contents: Contents,
        skips: Skips | None = None,
        *,
        stated: Mapping[str, str] | None = None,
        reopening: Reopening | None = None,
    ) -> None:
        self.reopening = reopening
        self.contents = contents
        self.skips = skips or Skips()
        self.stated = stated or {}
        self._refusal: DataError | None = None
        try:
            self.items = split_items(contents.items, contents.splitting)
        except DataError as refusal:
            self._check_readable()  # what is wrong with the only files comes first
            if not are_too_few(contents.items, contents.splitting):
                raise
            self._refusal = refusal
            self.items = {ALL: tuple(contents.items)}
        if not contents.many:
            limit = contents.limit
            self.items = {split: items[:limit] for split, items in self.items.items()}

    def __repr__(self) -> str:
        parts = []
        for split, items in self.items.items():
            many = len(items) > 1 or not self.contents.many
            parts.append(f"{split} {len(items):,}" if many else split)
        contents = self.contents
        split_by = "" if contents.split_by == "given" else f", split by {contents.split_by}"
        return printable(f"Source({contents.name}: {', '.join(parts)}{split_by})")

    @property
    def info(self) -> SourceInfo:
        """What is known of the data set: what it says of itself, but for what the user states."""
        return replace(self.own_info, **self.stated)

    @property
    def own_info(self) -> SourceInfo:
        """What the data set says of itself."""
        contents = self.contents
        details = dict(contents.details)
        if self._survey is not None:
            details |= self._survey.details
        if contents.settled is not None:
            details |= contents.settled()
        if contents.preprocessing is not None:
            details["preprocessing"] = contents.preprocessing.to_text()
        return SourceInfo(
            name=contents.name,
            licence=contents.licence,
            citation=contents.citation,
            split_by=contents.split_by,
            details=details,
        )

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of its splits, of ``train``, ``val``, ``test`` those that it has; ``all`` alone
        where it is too little to be split, such as a single file.

        Raises:
            DataError: If several signals are too few to be split, and nobody said how.
        """
        if self._refusal is not None:
            raise self._refusal
        return tuple(self.items)

    @property
    def held_out(self) -> str:
        """The split to try a network on that was trained on this data: ``test``, or ``all`` where
        there are no splits."""
        if self.splits == (ALL,):
            return ALL
        return "test"

    @property
    def location(self) -> Path | None:
        """The file or folder in which its signals lie; None when they lie in no file."""
        return self.contents.location

    @property
    def skipped(self) -> list[Skipped]:
        """What was left out so far, and why."""
        return self.skips.entries

    @property
    def remarks(self) -> list[str]:
        """What was assumed of the data so far and what could not be known, one line each; signals
        that were not read yet may add to it."""
        remarks = [*self.contents.remarks, *self.skips.remarks]
        if self.location is not None:
            remarks += leak_remarks(self.items, self.location)
        return remarks

    @property
    def preprocessing(self) -> Preprocessing:
        """The steps that every signal went through."""
        return self.contents.preprocessing or Preprocessing()

    @cached_property
    def spec(self) -> SignalSpec:
        """What all its signals have in common: as the format's survey says, or as the first item
        that can be read has it.

        Raises:
            DataError: If no file of the first split can be read.
        """
        if self._survey is not None:
            return self._survey.spec
        first_split = next(iter(self.items))
        _, first = next(self._read(self.items[first_split]), (None, None))
        if first is None:
            raise DataError(
                f"no readable file in the {first_split} split of {self.contents.name}; "
                f"{self.skipped[0].reason}"
            )
        return spec_of(first, self.preprocessing, self._label_names)

    def signals(self, split: str) -> Iterator[Signal]:
        """The signals of one split, in an order that never changes; ``all`` are those of all splits
        one after the other.

        Raises:
            DataError: If the split does not exist; while it is read, if a file is bad and bad ones
                are not to be skipped.
        """
        return chain.from_iterable(map(self._first_of, self.parts(split)))

    def parts(self, split: str) -> tuple[str, ...]:
        """The splits that one comes to: itself, or for ``all`` those that there are.

        Raises:
            DataError: If the split does not exist.
        """
        self.check_split(split)
        if split == ALL:
            return tuple(self.items)
        return (split,)

    def signal_of(self, item: Item) -> Signal | None:
        """The signal of one item, where each is one; None where it is bad and left out.

        Raises:
            DataError: If it is bad and bad ones are not to be skipped.
        """
        return next((signal for _, signal in self._alike([item])), None)

    def check_split(self, split: str) -> None:
        """Raise where it has no split of this name.

        Raises:
            DataError: Where it has not.
        """
        if split == ALL or split in self.splits:
            return
        if self.splits == (ALL,):
            raise DataError(
                f"no split '{split}' in {self.info.name}: it is too little to be split; take the "
                "split 'all', give more data, or switch splits off with val=0 or test=0"
            )
        raise DataError(
            f"no split '{split}' in {self.info.name}; {suggest(split, (*self.splits, ALL))}"
        )

    def _first_of(self, split: str) -> Iterator[Signal]:
        """The signals of one split, as many as were asked for."""
        return islice(self._within_budget(split), self.contents.limit)

    @property
    def has_label_maps(self) -> bool:
        """Whether its format knows label maps; a single signal may still have none."""
        return self.contents.label_maps is not None

    @property
    def mask_names(self) -> Mapping[int, str]:
        """Names of the classes of its label maps by number, where they are known."""
        if self.contents.label_maps is None:
            return {}
        return self.contents.label_maps.names

    def mask_of(self, signal_id: str) -> np.ndarray | None:
        """The label map of a signal on the signal's own grid, whole numbers ``[*shape]``; None
        when it has none.

        Raises:
            DataError: As :meth:`label_map_of`.
        """
        found = self.label_map_of(signal_id)
        return None if found is None else found.values

    def label_map_of(self, signal_id: str) -> LabelMap | None:
        """The label map of a signal and the grid that it lies on, the signal's own; None when it
        has none.

        Raises:
            DataError: If there is no such signal, or its label map is broken or of another shape.
        """
        items = [item for split in self.items.values() for item in split if item.id == signal_id]
        if not items:
            raise DataError(
                f"no signal '{signal_id}' in {self.info.name}; expected the id of one of its "
                "signals"
            )
        if self.contents.label_maps is None:
            return None
        found = self.contents.label_maps.read(items[0])
        if found is None:
            return None
        moved = self.preprocessing.apply_labels(found.values, found.grid)
        return LabelMap(moved, self.preprocessing.grid_after(found.grid))

    def _check_readable(self) -> None:
        """Raise where the first item cannot be read."""
        for item in self.contents.items[:1]:
            found: Any = self.contents.read(item)
            if self.contents.many:
                next(iter(found), None)

    @cached_property
    def _survey(self) -> Survey | None:
        if self.contents.survey is None:
            return None
        with doing("surveying the files"):
            return self.contents.survey()

    @cached_property
    def _label_names(self) -> tuple[str, ...]:
        """Names of the classes that items have, sorted."""
        names = {item.label for items in self.items.values() for item in items}
        return tuple(sorted(names - {""}))

    def _within_budget(self, split: str) -> Iterator[Signal]:
        """The signals of a split, as long as they take no more memory than its files may ask
        for."""
        budget = self.budget(split)
        alike = self._alike(self.items[split])
        for _, signal in counted_on_line(alike, "reading signals"):
            budget.add(signal.values.size)
            yield signal

    def budget(self, split: str) -> Budget:
        """What holds the signals of a split to the memory that its files may ask for."""
        location = self.location if self._is_foreign else None
        what = f"the {split} split of {self.contents.name}"
        equal = self.contents.many and self.spec.shape is not None
        return Budget(what, location, lambda: self._count(split), equal=equal)

    def _count(self, split: str) -> int:
        """How many signals a split has, as far as that is known before they are read."""
        items, limit = self.items[split], self.contents.limit
        count = len(items)
        if self.contents.many:
            count = sum(map(self.contents.count, items)) if self.contents.count else 0
        return min(count, limit or count)

    @property
    def _is_foreign(self) -> bool:
        """Whether its signals lie in files that nobody has vouched for."""
        return self.location is not None and not self.contents.published

    def _alike(self, items: Iterable[Item]) -> Iterator[tuple[str, Signal]]:
        """What an error calls it, and the signal, of all that can be read of items, each held
        against what all have in common."""
        spec = self.spec
        for name, signal in self._read(items):
            try:
                check_alike(signal, spec, name, self.contents.unlike)
            except DataError as error:
                self.skips.skip(name, error)
            else:
                yield name, signal

    def _read(self, items: Iterable[Item]) -> Iterator[tuple[str, Signal]]:
        """What an error calls it, and the signal, of all that can be read of items."""
        for item in items:
            if self.contents.many:
                for signal in self._signals_within(item):
                    yield signal.id, signal
                continue
            try:
                signal = self._signal_of(item)
            except DataError as error:
                self.skips.skip(item.name, error)
            else:
                yield item.name, signal

    def _signals_within(self, item: Item) -> Iterator[Signal]:
        found: Any = self.contents.read(item)
        return map(self.preprocessing.apply, found)

    def _signal_of(self, item: Item) -> Signal:
        with ExitStack() as causes:
            for path in item.paths:
                causes.enter_context(blaming(path, item.name, listed=True))
            found: Any = self.contents.read(item)
        signal = self.preprocessing.apply(found)
        label = self._label_names.index(item.label) if item.label else None
        return signal.with_header(id=item.id, label=label)
