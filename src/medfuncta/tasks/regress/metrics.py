"""How far predicted numbers are from true ones."""

from __future__ import annotations

import math

import numpy as np
from numpy import ndarray


def mean_absolute_error(truth: ndarray, guess: ndarray) -> float:
    """In the target's unit."""
    return float(np.abs(truth - guess).mean())


def r_squared(truth: ndarray, guess: ndarray) -> float:
    """1 minus the squared error over that of the truth's own mean; NaN where the truth does not
    vary."""
    spread = np.square(truth - truth.mean()).sum()
    return float(1 - np.square(truth - guess).sum() / spread) if spread else math.nan
