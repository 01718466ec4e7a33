"""How well latents give their signals back."""

from __future__ import annotations

from typing import Final

import torch

from medfuncta._src.field.field import Field
from medfuncta._src.signals.points import Points
from medfuncta._src.types import Latents, Losses

_ROWS: Final = 16384
"""Points at a time, all signals of a batch together: memory depends on neither."""


@torch.no_grad()
def clamped_errors(field: Field, latents: Latents, points: Points) -> Losses:
    """Mean squared error of each signal, over its observed points and channels, of values clamped
    to [0, 1]; NaN when its latent is."""
    totals = points.weights.new_zeros(points.batch)
    values_at = field.values_of(latents, points.count)
    for part in points.chunks(max(1, _ROWS // points.batch)):
        values = values_at(part.coordinates).clamp(0, 1)
        errors = (values - part.values).square().mean(-1)
        totals += (errors * part.weights).sum(-1)
    return totals
