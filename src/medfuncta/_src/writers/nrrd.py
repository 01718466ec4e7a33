"""NRRD: images and volumes as 3D Slicer reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.errors import missing_extra
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.writers.values import as_stored, file_dtype, filled, without_single_channel

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_nrrd(signal: Signal, path: Path) -> None:
    """Write ``.nrrd``: the original data type, space directions from the affine
    (left-posterior-superior); channels are the last axis.

    Raises:
        MedFunctaError: If pynrrd is not installed, or the file cannot be written.
    """
    try:
        import nrrd
    except ImportError as error:
        raise missing_extra("pynrrd", "nrrd") from error
    grid = signal.domain
    assert isinstance(grid, Grid)
    dtype = file_dtype(signal)
    if dtype == np.float16:  # which NRRD does not know
        dtype = np.dtype(np.float32)
    data = without_single_channel(as_stored(filled(signal, dtype), dtype))
    header = _header(grid, channel_axes=data.ndim - grid.dim)
    write_atomically(path, lambda temporary: nrrd.write(str(temporary), data, header))


def _header(grid: Grid, channel_axes: int) -> dict[str, Any]:
    """Place and kind of each axis; an axis of channels has no direction."""
    header: dict[str, Any] = {"kinds": ["domain"] * grid.dim + ["vector"] * channel_axes}
    if grid.affine is not None:
        affine = _RAS_TO_LPS @ grid.affine
        directions = np.full((grid.dim + channel_axes, 3), np.nan)
        directions[: grid.dim] = affine[:3, : grid.dim].T
        header |= {
            "space": "left-posterior-superior",
            "space directions": directions,
            "space origin": affine[:3, 3],
        }
        if grid.unit:
            header["space units"] = [grid.unit] * 3
    elif grid.spacing is not None:
        header["spacings"] = [*grid.spacing, *[np.nan] * channel_axes]
        if grid.unit:
            header["units"] = [grid.unit] * grid.dim + [""] * channel_axes
    return header
