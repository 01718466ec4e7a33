"""A source in memory whose test split must not be touched."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.contents import Contents, Survey
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.splitting import Item, whole_splits


class TestSplitWasRead(AssertionError):
    """Raised by the first signal of the test split."""

    __test__ = False


def guarded_source(train: int = 6, val: int = 3, reads: list[str] | None = None) -> Source:
    """Waves of random phase.

    Args:
        train: Training signals.
        val: Validation signals; 0 for a source without that split.
        reads: Gets the name of each split that is read.
    """
    sizes = {"train": train, "val": val} if val else {"train": train}

    def read(split: Item) -> Iterator[Signal]:
        if reads is not None:
            reads.append(split.name)
        if split.name == "test":
            raise TestSplitWasRead
        rng = np.random.default_rng(split.name == "val")
        time = np.linspace(0, 6, 16)
        for number in range(sizes[split.name]):
            wave = np.sin(time + rng.uniform(0, 6)).astype(np.float32)[:, None]
            grid = Grid((16,), (0.01,), unit="s")
            yield Signal.of(f"{split.name}-{number}", wave, grid, ValueRange(-1, 1), "mV")

    contents = Contents(
        name="guarded:waves",
        items=whole_splits((*sizes, "test")),
        many=True,
        read=read,
        survey=lambda: Survey(SignalSpec(1, 1, (16,), "mV")),
        licence="CC0",
        split_by="patient",
    )
    return Source(contents)
