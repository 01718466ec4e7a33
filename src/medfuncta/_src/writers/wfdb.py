"""WFDB: traces as PhysioNet's tools read them."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import wfdb

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.writers.values import channel_names, filled

_NO_UNIT: Final = "NU"  # WFDB's word


def write_wfdb(signal: Signal, path: Path) -> None:
    """Write the header ``.hea`` and the samples ``.dat`` of a record, 16 bits a sample with a gain
    that uses them all.

    Raises:
        DataError: If the sampling rate is not known, or the name is none that WFDB allows.
    """
    grid = signal.domain
    assert isinstance(grid, Grid)
    if grid.spacing is None or grid.unit != "s":
        raise DataError(
            f"a trace without a sampling rate cannot be written as {path.suffix}; write it as .csv "
            "or .npy"
        )

    rate = 1 / grid.spacing[0]

    def write(header: Path) -> None:
        # Beside the record, so that what does not fit there is not taken for whole.
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=header.parent) as folder:
            _write_record(signal, rate, path, folder)
            made = Path(folder) / path.stem
            copy_samples = partial(shutil.copyfile, made.with_suffix(".dat"))
            write_atomically(path.with_suffix(".dat"), copy_samples)
            shutil.copyfile(made.with_suffix(".hea"), header)

    # The header gets its name last: without one, no reader looks for the samples.
    write_atomically(path.with_suffix(".hea"), write)


def _write_record(signal: Signal, rate: float, path: Path, folder: str) -> None:
    """Let wfdb write both files into ``folder``."""
    try:
        wfdb.wrsamp(
            path.stem,
            fs=rate,
            units=[signal.unit or _NO_UNIT] * signal.channels,
            sig_name=channel_names(signal),
            p_signal=filled(signal, np.dtype(np.float64)).astype(np.float64),
            fmt=["16"] * signal.channels,
            write_dir=folder,
        )
    except ValueError as error:
        raise DataError(
            f"cannot write {path.name} ({error}); use letters, digits, '-' and '_' in its name"
        ) from error
