"""The blocks of a split, fitted by workers: the same blocks, in the same order and with the same
values as one process has.

Where each signal is a file of its own, a worker reads what it fits. A file that turns out bad and
is left out moves all signals behind it to other blocks: those are then given out anew. Where a file
holds many signals, or signals are in memory, the first process reads them while workers fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from medfuncta._src.cluster.crew import Crew
from medfuncta._src.latents.fit_blocks import (
    FittedBlock,
    ItemsFound,
    ItemsTask,
    SignalsTask,
)
from medfuncta._src.latents.writer import SplitWriter
from medfuncta._src.signals.mark import place_weight
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.source import Source


def fitted_from_signals(
    crew: Crew, blocks: Iterator[SignalSet], first: int
) -> Iterator[FittedBlock]:
    """Blocks that this process reads.

    Args:
        crew: Fits them.
        blocks: The signals, read as there is room for them.
        first: How many signals of the split stand before the first block.
    """

    def tasks() -> Iterator[SignalsTask]:
        before = first
        for signals in blocks:
            yield SignalsTask(signals, before)
            before += len(signals)

    return crew.in_order(tasks())


class ItemReader:
    """The blocks of a split that workers read themselves.

    Args:
        crew: Reads and fits.
        source: What is read; what workers leave out and remark is noted in it.
        split: Which part of it.
        batch: Signals of a block.
    """

    def __init__(self, crew: Crew, source: Source, split: str, batch: int) -> None:
        self._crew = crew
        self._source = source
        self._batch = batch
        self._places: list[tuple[str, int]] = []
        for part in source.parts(split):
            self._places += [(part, number) for number in range(len(source.items[part]))]
        self._budgets = {part: source.budget(part) for part in source.parts(split)}

    def fitted(
        self, target: SplitWriter, check: Callable[[str, float], None]
    ) -> Iterator[FittedBlock]:
        """The blocks after those that an earlier call has fitted.

        Args:
            target: Where they are appended.
            check: Called with the last id and the mark of the signals that were fitted before;
                raises where they have changed.
        """
        consumed, number = target.consumed, 0
        last_id, mark, checked = "", 0.0, False
        while number * self._batch < len(self._places):
            with closing(self._crew.in_order(self._tasks(number, consumed))) as results:
                for found in results:
                    places = self._block(number)
                    self._note(found)
                    if found.bad:
                        self._leave_out([places[index] for index in found.bad])
                        break
                    self._count(places, found)
                    if found.fitted is None:
                        last_id = found.last_id
                        mark += self._mark(number, found)
                    elif not checked:
                        check(last_id, mark)
                        checked = True
                    number += 1
                    if found.fitted is not None:
                        yield found.fitted
        if not checked:
            check(last_id, mark)

    def _block(self, number: int) -> list[tuple[str, int]]:
        return self._places[number * self._batch : (number + 1) * self._batch]

    def _tasks(self, number: int, consumed: int) -> Iterator[ItemsTask]:
        """All blocks from one on, as far as it is known which items are bad."""
        while places := self._block(number):
            first = number * self._batch
            yield ItemsTask(places, first, fit=first >= consumed)
            number += 1

    def _count(self, places: list[tuple[str, int]], found: ItemsFound) -> None:
        """Hold signals to the memory that their files may ask for."""
        for (part, _), size in zip(places, found.sizes, strict=True):
            self._budgets[part].add(size)

    def _mark(self, number: int, found: ItemsFound) -> float:
        """What a block adds to the mark of its split."""
        first = number * self._batch
        total = 0.0
        for index, mean in enumerate(found.means):
            total += mean * place_weight(first + index)
        return total

    def _leave_out(self, bad: list[tuple[str, int]]) -> None:
        out = set(bad)
        self._places = [place for place in self._places if place not in out]

    def _note(self, found: ItemsFound) -> None:
        skips = self._source.skips
        for entry in found.skipped:
            skips.leave_out(entry.name, entry.reason)
        for text, name in found.remarks:
            skips.remark(text, name)
