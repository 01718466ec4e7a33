"""A signal of every kind that has a picture."""

from __future__ import annotations

import numpy as np

from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, ValueRange

RNG = np.random.default_rng(0)
SCATTERED = Scatter(RNG.random((60, 3)) * [1, 2, 3], (0.0, 0.0, 0.0), (1.0, 2.0, 3.0), "mm")
CASES: dict[str, tuple[Domain, int]] = {
    "trace": (Grid((80,), (0.01,), None, "s"), 1),
    "two leads": (Grid((80,), (0.01,), None, "s"), 2),
    "scattered trace": (Scatter(RNG.random((40, 1)), (0.0,), (1.0,), "s"), 1),
    "grey image": (Grid((12, 20)), 1),
    "colour image": (Grid((12, 20)), 3),
    "scattered image": (Scatter(RNG.random((40, 2)), (0.0, 0.0), (1.0, 1.0)), 3),
    "volume": (Grid((10, 12, 6), (1.0, 1.0, 3.0), np.diag([1.0, 1.0, 3.0, 1.0]), "mm"), 1),
    "volume without affine": (Grid((10, 12, 6)), 1),
    "scattered volume": (SCATTERED, 1),
}


def make(domain: Domain, channels: int, mask: np.ndarray | None = None) -> Signal:
    shape = domain.shape if isinstance(domain, Grid) else (domain.points,)
    return Signal.of(
        "a",
        RNG.uniform(0, 0.8, (*shape, channels)).astype(np.float32),
        domain,
        ValueRange(0.0, 1.0),
        "mV",
        mask,
    )
