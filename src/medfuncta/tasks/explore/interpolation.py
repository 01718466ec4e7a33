"""The way between two signals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from medfuncta.errors import ConfigError
from medfuncta.latents.decode import reconstruct
from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.rows import LatentRow
from medfuncta.signals.signal import Signal, ValueRange


def interpolate(
    latents: LatentSet, first: LatentRow, second: LatentRow, steps: int = 7
) -> list[Signal]:
    """The signals that lie on the straight line between two latents, both ends included, on the
    first one's samples.

    Raises:
        ConfigError: If there are fewer than two steps.
    """
    if steps < 2:
        raise ConfigError(
            f"{steps} steps from one signal to another; expected at least 2, the ends"
        )
    signals = []
    for t in np.linspace(0, 1, steps):
        latent = (1 - t) * first.latent + t * second.latent
        ranges = [row.header.range for row in (first, second)]
        low, high = (
            (1 - t) * a + t * b for a, b in zip(*((r.low, r.high) for r in ranges), strict=True)
        )
        header = replace(first.header, range=ValueRange(float(low), float(high)))
        signals.append(reconstruct(latents.run, torch.tensor(latent, dtype=torch.float32), header))
    return signals
