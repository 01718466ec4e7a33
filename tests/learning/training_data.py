"""Small synthetic signals for the learning tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medfuncta._src.config import FitConfig, InnerConfig, TrainConfig
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

TINY = Config(
    SirenConfig(dim=1, layers=4, width=16, latent_size=8, omega_first=8, omega_last=12),
    InnerConfig(1e-2),
    TrainConfig(
        steps=6,
        batch=4,
        inner_steps=3,
        learning_rate=1e-3,
        warmup=2,
        context_ratio=0.5,
        validate_every=3,
        average=0.5,
    ),
    FitConfig(steps=4, batch=4),
)


def tiny(**train: object) -> Config:
    """The tiny configuration with some training settings replaced."""
    return replace(TINY, train=replace(TINY.train, **train))  # type: ignore[arg-type]


def make_signals(count: int, seed: int = 0, points: int = 24) -> SignalSet:
    """Sine waves of random phase."""
    rng = np.random.default_rng(seed)
    grid = Grid((points,), (1 / 125,), unit="s")
    time = np.linspace(0, 2 * np.pi, points)
    waves = [np.sin(time + phase)[:, None].astype(np.float32) for phase in rng.uniform(0, 6, count)]
    signals = [
        Signal.of(f"s{i}", wave, grid, ValueRange(-1, 1), unit="mV") for i, wave in enumerate(waves)
    ]
    return SignalSet.collect(SignalSpec(1, 1, (points,), "mV"), signals)
