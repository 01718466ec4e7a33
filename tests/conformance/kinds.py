"""The kinds of signals that everything must hold for: seven of each, so that batches of three leave
an odd one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from medfuncta._src.config import FitConfig, InnerConfig, TrainConfig
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

COUNT = 7
SHAPES = ((4, 5, 3), (3, 3, 2), (5, 2, 4), (4, 5, 3), (2, 6, 3), (3, 4, 5), (6, 2, 2))


def make_signal(
    number: int, domain: Domain, channels: int, mask: np.ndarray | None = None
) -> Signal:
    """A smooth wave over the coordinates, in units of its own."""
    waves = [
        np.sin((2 + channel) * domain.coordinates().sum(axis=1) + number)
        for channel in range(channels)
    ]
    shape = domain.shape if isinstance(domain, Grid) else (domain.points,)
    values = (100 * np.stack(waves, axis=-1) + 20).astype(np.float32).reshape(*shape, channels)
    return Signal.of(
        f"s{number}", values, domain, ValueRange(-80, 120), "HU", mask, label=number % 2
    )


def traces() -> Iterator[Signal]:
    """On one grid, in seconds."""
    for number in range(COUNT):
        yield make_signal(number, Grid((31,), (1 / 125,), unit="s"), 1)


def photographs() -> Iterator[Signal]:
    """Colour, not square, without spacing."""
    for number in range(COUNT):
        yield make_signal(number, Grid((5, 8)), 3)


def volumes() -> Iterator[Signal]:
    """Anisotropic, of different shapes and spacings in one set."""
    for number, shape in enumerate(SHAPES):
        spacing = (1.0, 0.8 + 0.1 * number, 3.0)
        yield make_signal(number, Grid(shape, spacing, np.diag([*spacing, 1.0]), "mm"), 1)


def gapped_traces() -> Iterator[Signal]:
    """On one grid, each with samples missing."""
    for number in range(COUNT):
        mask = np.arange(31) % (number + 2) != 0
        yield make_signal(number, Grid((31,), (1 / 125,), unit="s"), 2, mask)


def scattered() -> Iterator[Signal]:
    """At positions of their own, a different number each, some masked."""
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        positions = rng.uniform((0, -3), (4, 3), (20 + 3 * number, 2))
        yield make_signal(
            number,
            Scatter(positions, (0.0, -3.0), (4.0, 3.0), "mm"),
            1,
            rng.random(len(positions)) < 0.8,
        )


KINDS: dict[str, Callable[[], Iterator[Signal]]] = {
    kind.__name__: kind for kind in (traces, photographs, volumes, gapped_traces, scattered)
}


def collect(signals: list[Signal]) -> SignalSet:
    """A set of these signals."""
    domain = signals[0].domain
    return SignalSet.collect(SignalSpec(domain.dim, signals[0].channels, unit="HU"), signals)


def make_run(signals: SignalSet) -> Run:
    """An untrained field that fits the signals, with an inner loop quick enough for its latents to
    matter."""
    sizes = {"layers": 4, "width": 16, "latent_size": 6, "omega_first": 5.0, "omega_last": 8.0}
    config = Config(
        SirenConfig(dim=signals.spec.dim, channels=signals.spec.channels, **sizes),  # type: ignore[arg-type]
        InnerConfig(0.1, momentum=0.3),
        TrainConfig(steps=2, batch=3, inner_steps=2, context_ratio=0.5, validate_every=2, warmup=0),
        FitConfig(steps=4, batch=3),
    )
    return Run(SirenField(config.field), config, signals.spec)
