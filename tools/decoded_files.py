"""Decoded files compared with what was read, each by its format's own library."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
import wfdb
from PIL import Image

from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal

Checks = dict[str, bool]
"""What was compared, and whether it agrees."""

_NIFTI_FIELDS = (
    "dim",
    "datatype",
    "bitpix",
)  # its codes for the unit of time and for the scanner's frame are not kept
_NRRD_FIELDS = (
    "type",
    "dimension",
    "sizes",
    "space",
    "space directions",
    "space origin",
    "space units",
    "kinds",
)


def check_nifti(original: Signal, path: Path, file: Path | None) -> Checks:
    """A volume; if it was read from a NIfTI file, the two headers as well."""
    image, grid = nib.Nifti1Image.from_filename(path), _grid(original)
    checks = {
        "shape": _without_last_of_one(image.shape, len(grid.shape)) == grid.shape,
        "affine": np.allclose(
            np.asarray(image.affine), np.eye(4) if grid.affine is None else grid.affine, atol=1e-4
        ),
        "unit": image.header.get_xyzt_units()[0] == (grid.unit or "unknown"),
        "dtype": image.get_data_dtype() == np.dtype(original.dtype),
        "finite": bool(np.isfinite(image.get_fdata()).all()),
    }
    if file is not None and file.name.endswith((".nii", ".nii.gz")):
        ours, theirs = image.header, nib.Nifti1Image.from_filename(file).header
        same = (
            ours.get_zooms() == theirs.get_zooms()
            and ours.get_xyzt_units()[0] == theirs.get_xyzt_units()[0]
        )
        checks["header"] = same and all(
            np.array_equal(ours[name], theirs[name]) for name in _NIFTI_FIELDS
        )
    return checks


def _without_last_of_one(shape: tuple[int, ...], axes: int) -> tuple[int, ...]:
    """The shape of an image, which a NIfTI file holds as a volume of one slice."""
    if set(shape[axes:]) == {1}:
        return shape[:axes]
    return shape


def check_nrrd(original: Signal, path: Path, file: Path | None) -> Checks:
    """A volume and its header."""
    assert file is not None
    (values, header), theirs = nrrd.read(str(path)), nrrd.read_header(str(file))
    return {
        "shape": values.shape == _grid(original).shape,
        "dtype": values.dtype == np.dtype(original.dtype),
        "header": all(_alike(header[name], theirs[name]) for name in _NRRD_FIELDS),
    }


def check_picture(original: Signal, path: Path, file: Path | None) -> Checks:
    """An image; pictures know neither an affine nor a unit."""
    with Image.open(path) as image:
        pixels, form = np.asarray(image), (image.size, image.mode)
    checks = {
        "shape": pixels.reshape(*pixels.shape[:2], -1).shape == original.values.shape,
        "dtype": pixels.dtype == np.dtype(original.dtype),
        "not blank": int(pixels.min()) < int(pixels.max()),
    }
    if file is not None:
        with Image.open(file) as image:
            checks["header"] = form == (image.size, image.mode)
    return checks


def check_csv(original: Signal, path: Path, file: Path | None) -> Checks:
    """A trace; the header names the units."""
    with path.open(newline="", encoding="utf-8") as table:
        header, *rows = csv.reader(table)
    numbers, grid = np.array(rows, float), _grid(original)
    return {
        "shape": numbers[:, 1:].shape == original.values.shape,
        "spacing": bool(
            np.allclose(np.diff(numbers[:, 0]), 1 if grid.spacing is None else grid.spacing[0])
        ),
        "unit": header
        == [
            f"time [{grid.unit}]" if grid.unit else "sample",
            f"value [{original.unit}]" if original.unit else "value",
        ],
        "finite": bool(np.isfinite(numbers).all()),
    }


def check_wfdb(original: Signal, path: Path, file: Path | None) -> Checks:
    """A trace as a record."""
    record, grid = wfdb.rdrecord(str(path.with_suffix(""))), _grid(original)
    assert (
        isinstance(record, wfdb.Record)
        and record.p_signal is not None
        and record.fs is not None
        and grid.spacing is not None
    )
    return {
        "shape": record.p_signal.shape == original.values.shape,
        "spacing": bool(np.isclose(record.fs, 1 / grid.spacing[0])),
        "unit": record.units == [original.unit],
        "finite": bool(np.isfinite(record.p_signal).all()),
    }


def check_npy(original: Signal, path: Path, file: Path | None) -> Checks:
    """An array of physical values."""
    values = np.load(path, allow_pickle=False)
    return {
        "shape": values.shape == _grid(original).shape,
        "finite": bool(np.isfinite(values).all()),
    }


CHECKS: Mapping[str, Callable[[Signal, Path, Path | None], Checks]] = {
    ".nii.gz": check_nifti,
    ".nrrd": check_nrrd,
    ".png": check_picture,
    ".tif": check_picture,
    ".csv": check_csv,
    ".hea": check_wfdb,
    ".npy": check_npy,
}
"""By suffix; ``check(original, decoded, file)``, where ``file`` is what the original was read from,
if it has one of its own."""


def _grid(signal: Signal) -> Grid:
    assert isinstance(signal.domain, Grid)
    return signal.domain


def _alike(ours: Any, theirs: Any) -> bool:
    return bool(np.allclose(ours, theirs)) if isinstance(theirs, np.ndarray) else ours == theirs
