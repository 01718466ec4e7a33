"""The one peak signal-to-noise ratio: of values in [0, 1], in decibels."""

from __future__ import annotations

import math
from typing import Final

import torch

from medfuncta.types import Losses

MOST: Final = 120.0
"""What an exact reconstruction counts as: the resolution of float32, so that means stay finite."""
_LEAST_ERROR: Final = 10 ** (-MOST / 10)


def psnr_of(errors: Losses) -> Losses:
    """``-10 log10`` of mean squared errors, ``[signals]``, at most :data:`MOST`; NaN stays NaN."""
    return -10 * torch.log10(errors.clamp(min=_LEAST_ERROR))


def psnr_of_one(error: float) -> float:
    """The same of one mean squared error."""
    if math.isnan(error):
        return math.nan
    return -10 * math.log10(max(error, _LEAST_ERROR))
