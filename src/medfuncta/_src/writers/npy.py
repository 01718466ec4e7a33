"""NumPy's own format, for whoever goes on in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.signals.signal import Signal
from medfuncta._src.writers.values import filled, without_single_channel


def write_npy(signal: Signal, path: Path) -> None:
    """Write ``.npy``: physical values as float32, ``[*shape]`` for one channel, else
    ``[*shape, channels]``."""
    dtype = np.dtype(np.float32)
    values = without_single_channel(filled(signal, dtype).astype(dtype, copy=False))
    write_atomically(path, lambda temporary: np.save(temporary, values))
