"""The peak signal-to-noise ratio, the one measure that training, latent sets and evaluation share.

Errors are mean squared errors of values in [0, 1], so the peak is 1: ``PSNR = -10 log10(error)``.
An exact reconstruction would have an infinite one, which nobody can average, draw or write as JSON.
Values are float32, whose rounding alone is about 120 dB below the peak: what is better than that
counts as 120 dB.
"""

from __future__ import annotations

from typing import Final

import torch

from medfuncta._src.types import Losses

LEAST_ERROR: Final = 1e-12
"""The mean squared error that float32 can tell from none."""
BEST_PSNR: Final = 120.0
"""The PSNR of an exact reconstruction, in decibels."""


def psnr_of(errors: Losses) -> Losses:
    """PSNR in decibels of the mean squared error of each signal; NaN stays NaN.

    >>> psnr_of(torch.tensor([0.1, 0.01, 0.0]))
    tensor([ 10.,  20., 120.])
    """
    return -10 * torch.log10(errors.clamp(min=LEAST_ERROR))


def psnr_of_one(error: float) -> float:
    """PSNR in decibels of one mean squared error, computed in float64; NaN stays NaN."""
    return float(psnr_of(torch.tensor([error], dtype=torch.float64))[0])
