"""NIfTI-1: images and volumes with their place in the world."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.writers.values import file_dtype, filled, without_single_channel

_TYPES = frozenset(
    np.dtype(name) for name in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
)
_UNKNOWN: Final = 0
_SCANNER: Final = 1
"""NIfTI's code of scanner coordinates; of an sform with it ITK makes use, and ITK and MRtrix write
it for both."""
_RIGHT_ANGLE: Final = 1e-4
"""Cosine between axes that counts as rounding: headers hold float32, DICOM's directions often six
digits."""


def write_nifti(signal: Signal, path: Path) -> None:
    """Write ``.nii`` or ``.nii.gz``: affine, millimetres, the original data type, a ``scl_slope``
    of 1; channels are the fourth axis.

    The affine is written as sform and as qform, since readers differ in which they look at; a
    sheared one, which a qform cannot hold, as sform only. Both are said to be scanner coordinates:
    which space the source's file meant is not kept.

    A 2D signal becomes a single slice. nibabel rounds, clips and writes slab by slab, so that no
    second copy of a volume is made.
    """
    grid = signal.domain
    assert isinstance(grid, Grid)
    dtype = file_dtype(signal)
    values = filled(signal, dtype)
    if grid.dim == 2:
        values = np.expand_dims(values, 2)
    if dtype not in _TYPES:
        dtype = np.dtype(np.float32)
    affine = _affine(grid)
    image = nib.Nifti1Image(without_single_channel(values), affine)
    image.set_sform(affine, _SCANNER)
    image.set_qform(affine, _UNKNOWN if _is_sheared(affine) else _SCANNER)
    image.set_data_dtype(dtype)
    image.header.set_slope_inter(1, 0)
    image.header.set_xyzt_units("mm" if grid.unit == "mm" else "unknown")
    write_atomically(path, image.to_filename)


def _affine(grid: Grid) -> np.ndarray:
    """``[4, 4]`` voxel to world (RAS+): the grid's own, or one that knows the spacing only."""
    if grid.affine is not None:
        return grid.affine
    affine = np.eye(4)
    affine[range(grid.dim), range(grid.dim)] = grid.spacing or 1.0
    return affine


def _is_sheared(affine: np.ndarray) -> bool:
    """Whether axes meet at other than right angles."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return not np.allclose(directions.T @ directions, np.eye(3), atol=_RIGHT_ANGLE)
