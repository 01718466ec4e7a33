"""A source in memory whose test split must not be touched."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta.sources.source import Source, SourceInfo


class TestSplitWasRead(AssertionError):
    """Raised by the first signal of the test split."""

    __test__ = False


class GuardedSource(Source):
    """Waves of random phase; counts how often each split is read.

    Args:
        train: Training signals.
        val: Validation signals; 0 for a source without that split.
    """

    def __init__(self, train: int = 6, val: int = 3) -> None:
        super().__init__()
        self._sizes = {"train": train, "val": val} if val else {"train": train}
        self.reads: list[str] = []

    @property
    def own_info(self) -> SourceInfo:
        return SourceInfo("guarded:waves", licence="CC0", split_by="patient")

    @property
    def spec(self) -> SignalSpec:
        return SignalSpec(1, 1, (16,), "mV")

    @property
    def splits(self) -> tuple[str, ...]:
        return (*self._sizes, "test")

    def _read(self, split: str) -> Iterator[Signal]:
        self.reads.append(split)
        if split == "test":
            raise TestSplitWasRead
        rng = np.random.default_rng(split == "val")
        time = np.linspace(0, 6, 16)
        for number in range(self._sizes[split]):
            wave = np.sin(time + rng.uniform(0, 6)).astype(np.float32)[:, None]
            yield Signal.of(
                f"{split}-{number}", wave, Grid((16,), (0.01,), unit="s"), ValueRange(-1, 1), "mV"
            )
