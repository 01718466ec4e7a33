"""Signals by formula, and the fit of them that tests stop and kill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from latents.sets import make_run
from medfuncta.config import FitConfig
from medfuncta.errors import DataError
from medfuncta.latents.create import create_latent_set
from medfuncta.signals.domain import Grid, Scatter
from medfuncta.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta.sources.source import Source, SourceInfo

SIGNALS = 7


class Smooth(Source):
    """Images by formula; can be killed at a signal, and can hold a bad file."""

    def __init__(
        self,
        *,
        count: int = SIGNALS,
        die_at: int | None = None,
        prefix: str = "",
        skip_bad: bool = False,
    ) -> None:
        super().__init__(skip_bad=skip_bad)
        self.count, self.die_at, self.prefix = count, die_at, prefix

    @property
    def own_info(self) -> SourceInfo:
        return SourceInfo("test:smooth", "CC0 1.0")

    @property
    def spec(self) -> SignalSpec:
        return SignalSpec(dim=2, channels=1, label_names=("even", "odd"), task="binary-class")

    @property
    def splits(self) -> Sequence[str]:
        return ("train", "test")

    def _read(self, split: str) -> Iterator[Signal]:
        for i in range(self.count):
            if i == self.die_at:
                raise KeyboardInterrupt
            if i == 1 and self.skip_bad:
                self.skip("bad.png", DataError("bad.png is cut"))
            rows, columns = np.indices((6, 5 + i % 2))
            values = (0.5 + 0.4 * np.sin(rows * 0.5 + i) * np.cos(columns * 0.7))[..., None].astype(
                np.float32
            )
            yield Signal.of(
                f"{self.prefix}{split}-{i}",
                values * 100,
                Grid(values.shape[:2]),
                ValueRange(0.0, 100.0),
                "HU",
                label=i % 2,
            )


class Scattered(Smooth):
    """Samples at random positions of a box of 20 mm by 10 mm."""

    def _read(self, split: str) -> Iterator[Signal]:
        positions = np.random.default_rng(0).uniform((5, 0), (25, 10), (40, 2))
        values = np.sin(positions[:, :1] / 5).astype(np.float32)
        yield Signal.of(
            "a", values, Scatter(positions, (5.0, 0.0), (25.0, 10.0), "mm"), ValueRange(-1.0, 1.0)
        )


def fit_smooth(folder: Path, count: int) -> None:
    create_latent_set(make_run(), Smooth(count=count), folder, config=FitConfig(steps=2, batch=2))
