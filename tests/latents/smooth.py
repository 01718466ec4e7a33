"""Signals by formula, and the fit of them that tests stop and kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from latents.sets import make_run
from medfuncta._src.config import FitConfig
from medfuncta._src.errors import DataError
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.contents import Contents, Survey
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.splitting import Item, whole_splits

SIGNALS = 7


def smooth(
    *,
    count: int = SIGNALS,
    die_at: int | None = None,
    prefix: str = "",
    brighter: float = 0.0,
    bad_at: int | None = None,
    skip_bad: bool = False,
) -> Source:
    """Images by formula, brighter ones where asked for; can be killed at a signal, and can hold a
    bad file."""
    skips = Skips(skip_bad=skip_bad)

    def read(split: Item) -> Iterator[Signal]:
        for i in range(count):
            if i == die_at:
                raise KeyboardInterrupt
            if i == 1 and skip_bad:
                skips.skip("bad.png", DataError("bad.png is cut"))
            rows, columns = np.indices((6, 5 + i % 2))
            values = 0.5 + brighter + 0.4 * np.sin(rows * 0.5 + i) * np.cos(columns * 0.7)
            if i == bad_at:
                values[-1, -1] = np.nan
            yield Signal.of(
                f"{prefix}{split.name}-{i}",
                values[..., None].astype(np.float32) * 100,
                Grid(values.shape),
                ValueRange(0.0, 100.0),
                "HU",
                label=i % 2,
            )

    spec = SignalSpec(
        dim=2, channels=1, unit="HU", label_names=("even", "odd"), task="binary-class"
    )
    return _source(read, spec, skips)


def scattered() -> Source:
    """Samples at random positions of a box of 20 mm by 10 mm."""

    def read(split: Item) -> Iterator[Signal]:
        positions = np.random.default_rng(0).uniform((5, 0), (25, 10), (40, 2))
        values = np.sin(positions[:, :1] / 5).astype(np.float32)
        box = Scatter(positions, (5.0, 0.0), (25.0, 10.0), "mm")
        yield Signal.of("a", values, box, ValueRange(-1.0, 1.0))

    spec = SignalSpec(dim=2, channels=1, label_names=("even", "odd"), task="binary-class")
    return _source(read, spec, Skips())


def _source(read: Callable[[Item], Iterator[Signal]], spec: SignalSpec, skips: Skips) -> Source:
    contents = Contents(
        name="test:smooth",
        items=whole_splits(("train", "test")),
        many=True,
        read=read,
        survey=lambda: Survey(spec),
        licence="CC0 1.0",
    )
    return Source(contents, skips)


def fit_smooth(folder: Path, count: int) -> None:
    create_latent_set(make_run(), smooth(count=count), folder, config=FitConfig(steps=2, batch=2))
