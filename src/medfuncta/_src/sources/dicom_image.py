"""DICOM images made into a volume: frames ordered by position, and placed in the world as NIfTI
does (RAS+). What is known of a place is never dropped without a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.dicom_files import read_dataset, reading
from medfuncta._src.sources.dicom_frames import Frame, check_claims, frames_of, stored_type, unit_of
from medfuncta._src.sources.dicom_packed import check_frames
from medfuncta._src.sources.volume import file_type, physical_grid

_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From DICOM's world axes, which point left, posterior and superior."""
_NO_SPACING: Final = "no PixelSpacing: the size of pixels is not known, and no spacing is kept"


@dataclass(frozen=True)
class Image:
    """What a series becomes.

    Args:
        values: ``[columns, rows, slices, channels]`` float32, or ``[rows, columns, channels]`` for
            a single slice.
        grid: Where its voxels lie.
        mask: False in slices that are missing, or None.
        dtype: The type of its stored numbers, or a wider one that holds the values.
        unit: ``"HU"``, ``"Gy"`` or ``""``.
        modality: The standard's code in lower case, such as ``"mr"``.
        remarks: What was assumed, or cannot be known.
    """

    values: np.ndarray
    grid: Grid
    mask: np.ndarray | None
    dtype: str
    unit: str
    modality: str
    remarks: tuple[str, ...]


def read_series(paths: Sequence[Path], name: str, *, mask_missing: bool) -> Image:
    """Read the files of one series.

    Args:
        paths: Its files, in any order.
        name: What an error calls it.
        mask_missing: Mask slices that are missing instead of refusing the series.

    Raises:
        DataError: If a file is broken or claims too much, slices differ in shape or orientation,
            lie twice in one place, or are missing and not to be masked.
    """
    frames: list[Frame] = []
    stored, unit, modality = np.dtype(np.float32), "", ""
    with reading(name):
        for path in paths:
            data = read_dataset(path, name)
            check_claims(name, data, path.stat().st_size, len(paths))
            check_frames(data, name)
            frames += frames_of(name, data)
            stored, unit = stored_type(data), unit_of(data)
            modality = str(data.get("Modality", "")).lower()
        placed = _slice(name, frames[0])
        if len(frames) > 1:
            placed = _volume(name, frames, mask_missing)
        remarks = [*placed.remarks, *(remark for frame in frames for remark in frame.remarks)]
        return Image(
            values=placed.values,
            grid=placed.grid,
            mask=placed.mask,
            dtype=file_type(stored, placed.values),
            unit=unit,
            modality=modality,
            remarks=tuple(dict.fromkeys(remarks)),
        )


class _Placed(NamedTuple):
    """Values, where they lie, which of them are missing, and what was assumed."""

    values: np.ndarray
    grid: Grid
    mask: np.ndarray | None = None
    remarks: tuple[str, ...] = ()


def _slice(name: str, frame: Frame) -> _Placed:
    """A single frame, rows first as images are; with an affine when it is placed in space."""
    shape = frame.values.shape[:2]
    if frame.spacing is None:
        return _Placed(frame.values, Grid(shape), remarks=(_NO_SPACING,))
    if frame.corner is None or frame.directions is None:
        spacing = tuple(float(size) for size in frame.spacing)
        return _Placed(frame.values, Grid(shape, spacing, None, "mm"))
    along_row, along_column = frame.directions
    normal = np.cross(along_row, along_column) * frame.thickness
    rows, columns = frame.spacing
    affine = _affine(along_column * rows, along_row * columns, normal, frame.corner)
    return _Placed(frame.values, physical_grid(name, shape, affine))


def _volume(name: str, frames: Sequence[Frame], mask_missing: bool) -> _Placed:
    """Frames stacked along their common normal; frames of which no place is known (a film) in the
    order in which they came."""
    if len({frame.values.shape for frame in frames}) > 1:
        raise DataError(f"{name} has slices of different shapes; expected one shape in a series")
    unscaled = sum(not frame.scaled for frame in frames)
    if 0 < unscaled < len(frames):
        raise DataError(
            f"{name} has {unscaled} slices of {len(frames)} without RescaleSlope and "
            "RescaleIntercept, whose numbers mean something else than those of the others; get "
            "them anew, or take them out of the series"
        )
    without = sum(frame.corner is None and frame.height is None for frame in frames)
    if without == len(frames):
        stacked = np.stack([frame.values.swapaxes(0, 1) for frame in frames], axis=2)
        remark = "frames without a place in space (a film) are stacked in their order"
        if frames[0].spacing is not None:
            rows, columns = frames[0].spacing
            remark += f"; their pixels of {columns:.4g} x {rows:.4g} mm are not kept beside time"
        return _Placed(stacked, Grid(stacked.shape[:3]), remarks=(remark,))
    if without:
        raise DataError(
            f"{name} has {without} slices of {len(frames)} without a position "
            "(ImagePositionPatient); get them anew, or take them out of the series"
        )
    spacing, shared_spacing = _shared(name, [frame.spacing for frame in frames], "PixelSpacing")
    directions, shared_directions = _shared(
        name, [frame.directions for frame in frames], "ImageOrientationPatient"
    )
    heights = _heights(name, frames, directions)
    slots, order = _slots(name, heights)
    values, mask = _stack(name, frames, slots, order, mask_missing)
    lowest, highest = frames[order[0]], frames[order[-1]]
    remarks = [*shared_spacing, *shared_directions]
    steps = int(slots[-1])
    if spacing is None:
        step = (heights[order[-1]] - heights[order[0]]) / steps
        remarks.append(f"{_NO_SPACING}; slices are {step:.4g} mm apart and in the order of places")
        return _Placed(values, Grid(values.shape[:3]), mask, tuple(remarks))
    rows, columns = (float(size) for size in spacing)
    if directions is None or lowest.corner is None or highest.corner is None:
        step = float(heights[order[-1]] - heights[order[0]]) / steps
        remarks.append("orientation or position is not known: order and spacing of slices are")
        grid = Grid(values.shape[:3], (columns, rows, step), None, "mm")
        return _Placed(values, grid, mask, tuple(remarks))
    along_row, along_column = directions
    step = (highest.corner - lowest.corner) / steps  # as nibabel and dcm2niix: a tilt shears
    affine = _affine(along_row * columns, along_column * rows, step, lowest.corner)
    return _Placed(values, physical_grid(name, values.shape[:3], affine), mask, tuple(remarks))


def _shared(
    name: str, given: Sequence[np.ndarray | None], field: str
) -> tuple[np.ndarray | None, list[str]]:
    """What all slices have in common, and a remark where some do not say it.

    Raises:
        DataError: If slices differ.
    """
    known = [numbers for numbers in given if numbers is not None]
    if not known:
        return None, []
    if not all(np.allclose(numbers, known[0], rtol=1e-3, atol=1e-3) for numbers in known):
        raise DataError(
            f"{name} mixes orientations or spacings (a localiser?); expected parallel slices; "
            "leave the series out"
        )
    if len(known) == len(given):
        return known[0], []
    missing = len(given) - len(known)
    return known[0], [f"{missing} of {len(given)} slices lack {field}; that of the others is taken"]


def _heights(name: str, frames: Sequence[Frame], directions: np.ndarray | None) -> np.ndarray:
    """How far along their normal slices lie, ``[slices]``. Without an orientation it is the line on
    which their corners lie, upwards along the axis that it follows most.

    Raises:
        DataError: If they lie on no line.
    """
    known = [frame.corner for frame in frames if frame.corner is not None]
    if len(known) < len(frames):
        return np.array([frame.height for frame in frames], float)
    corners = np.array(known)
    if directions is not None:
        return corners @ np.cross(*directions)
    away = corners - corners.mean(axis=0)
    line = np.linalg.svd(away, full_matrices=False)[2][0]
    line *= np.sign(line[np.abs(line).argmax()])
    heights = away @ line
    if np.abs(away - np.outer(heights, line)).max() > 0.01 * np.ptp(heights):
        raise DataError(
            f"{name} has no orientation (ImageOrientationPatient), and its slices lie on no line; "
            "repair the header"
        )
    return heights


def _stack(
    name: str,
    frames: Sequence[Frame],
    slots: np.ndarray,
    order: np.ndarray,
    mask_missing: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Values ``[columns, rows, slots, channels]``, and False where a slice is missing, or None."""
    count = int(slots[-1]) + 1
    if count > len(frames) and not mask_missing:
        raise DataError(
            f"{name} has {count - len(frames)} missing slices among {count}; get them, or mask "
            "them with missing=mask"
        )
    rows, columns, channels = frames[0].values.shape
    values = np.zeros((columns, rows, count, channels), np.float32)
    mask = np.zeros(values.shape[:3], bool)
    for slot, index in zip(slots, order, strict=True):
        values[:, :, slot] = frames[index].values.swapaxes(0, 1)
        mask[:, :, slot] = True
    return values, None if count == len(frames) else mask


def _affine(*columns: np.ndarray) -> np.ndarray:
    """Steps along the three axes and the corner, on DICOM's world axes, as a ``[4, 4]`` matrix on
    NIfTI's."""
    affine = np.eye(4)
    affine[:3] = np.stack(columns, axis=-1)
    return _TO_RAS @ affine


def _slots(name: str, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many steps each slice lies above the lowest one, ascending, and the order that makes them
    so, both ``[slices]``.

    Raises:
        DataError: If two lie in one place, or distances are no multiples of the usual one.
    """
    count = len(heights)
    order = np.argsort(heights, kind="stable")
    gaps = np.diff(heights[order])
    step = float(np.median(gaps))
    doubled = int((gaps < max(step, 1e-3) * 0.05).sum())
    if doubled:
        raise DataError(
            f"{name} has {count} slices in {count - doubled} places (several echoes, time points "
            "or copies?); "
            "expected one volume a series: keep the files of one of them, or export each as a "
            "series of its own"
        )
    steps = np.rint(gaps / step)
    if np.abs(gaps / step - steps).max() > 0.1 or steps.sum() > 10 * count:
        raise DataError(
            f"{name} has slices at uneven distances; expected multiples of {step:.3g} mm"
        )
    return np.concatenate([[0], np.cumsum(steps)]).astype(int), order
