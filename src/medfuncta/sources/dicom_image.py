"""DICOM images made into a volume: frames decoded, rescaled, ordered by position, and placed in the
world as NIfTI does (RAS+)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medfuncta.errors import DataError
from medfuncta.signals.domain import Grid
from medfuncta.sources.dicom_files import read_dataset, reading
from medfuncta.sources.dicom_packed import check_frames
from medfuncta.sources.volume import check_claim, file_type, physical_grid

if TYPE_CHECKING:
    from pydicom import Dataset

_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From DICOM's world axes, which point left, posterior and superior."""
_DENSEST: Final = 2000  # bytes that one byte of a compressed image may honestly become


@dataclass(frozen=True, eq=False)
class _Place:
    """A slice's corner ``[3]``, its directions along a row and along a column ``[2, 3]``, the
    spacing of rows and of columns ``[2]``."""

    corner: np.ndarray
    directions: np.ndarray
    spacing: np.ndarray


@dataclass(frozen=True, eq=False)
class _Frame:
    """One slice: physical values ``[rows, columns, samples]`` and what is known of its place;
    lengths in mm."""

    values: np.ndarray
    place: _Place | None
    spacing: np.ndarray | None
    thickness: float


@dataclass(frozen=True)
class Image:
    """What a series becomes.

    Args:
        values: ``[columns, rows, slices, channels]`` float32, or ``[rows, columns, channels]`` for
            a single slice.
        grid: Where its voxels lie.
        mask: False in slices that are missing, or None.
        dtype: The type of its stored numbers, or a wider one that holds the values.
        unit: ``"HU"`` or ``""``.
        modality: The standard's code in lower case, such as ``"mr"``.
    """

    values: np.ndarray
    grid: Grid
    mask: np.ndarray | None
    dtype: str
    unit: str
    modality: str


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
    frames: list[_Frame] = []
    stored, unit, modality = np.dtype(np.float32), "", ""
    with reading(name):
        for path in paths:
            data = read_dataset(path, name)
            _check_claims(name, data, path.stat().st_size, len(paths))
            check_frames(data, name)
            frames += _frames(data)
            stored, unit = _stored_type(data), _unit(data)
            modality = str(data.get("Modality", "")).lower()
        if len(frames) > 1:
            values, grid, mask = _volume(name, frames, mask_missing)
        else:
            values, grid, mask = *_slice(name, frames[0]), None
        return Image(
            values=values,
            grid=grid,
            mask=mask,
            dtype=file_type(stored, values),
            unit=unit,
            modality=modality,
        )


def _check_claims(name: str, data: Dataset, held: int, files: int) -> None:
    """Compare what the header claims with what the file holds, before a decoder asks for memory."""
    frames = int(data.get("NumberOfFrames") or 1)
    shape = (frames, int(data.get("Rows", 0)), int(data.get("Columns", 0)))
    check_claim(name, (files, *shape, int(data.get("SamplesPerPixel", 1))), files * held)
    samples = np.prod(shape, dtype=float) * int(data.get("SamplesPerPixel", 1))
    needed = samples * int(data.BitsAllocated) / 8
    packed = data.file_meta.TransferSyntaxUID.is_compressed
    if needed > held * (_DENSEST if packed else 1):
        raise DataError(
            f"{name} has {held:,} bytes in a file, its header claims {int(needed):,}; get it again"
        )


def _frames(data: Dataset) -> list[_Frame]:
    """All frames of one file, in physical values."""
    count = int(data.get("NumberOfFrames") or 1)
    pixels = _pixels(data).reshape(count, int(data.Rows), int(data.Columns), -1)
    placed = count == 1 or "PerFrameFunctionalGroupsSequence" in data
    frames = []
    for index in range(count):
        spacing = _spacing(data, index)
        place = None
        if placed and spacing is not None:
            place = _place(data, index, spacing)
        values = _rescaled(data, index, pixels[index])
        frames.append(_Frame(values, place, spacing, _thickness(data, index)))
    return frames


def _rescaled(data: Dataset, index: int, pixels: np.ndarray) -> np.ndarray:
    """The physical values of a frame, float32. Colour has neither slope nor intercept, and a table
    needs none."""
    if pixels.shape[-1] > 1 or "ModalityLUTSequence" in data:
        return pixels.astype(np.float32)
    slope = _look_up(data, index, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = _look_up(data, index, "PixelValueTransformationSequence", "RescaleIntercept")
    if slope is None:
        slope = 1
    return (pixels * float(slope) + float(intercept or 0)).astype(np.float32)


def _spacing(data: Dataset, index: int) -> np.ndarray | None:
    """The spacing of a frame's rows and columns, ``[2]``, or None when it is not known."""
    found = _look_up(data, index, "PixelMeasuresSequence", "PixelSpacing")
    found = found or data.get("ImagerPixelSpacing")
    if not found:
        return None
    return np.array(found, float)


def _pixels(data: Dataset) -> np.ndarray:
    """Stored numbers as the header says they are meant: look-up tables applied, more is brighter,
    colour as RGB."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    pixels = data.pixel_array
    if data.PhotometricInterpretation == "PALETTE COLOR":
        return apply_color_lut(pixels, data)
    if "ModalityLUTSequence" in data:
        pixels = apply_modality_lut(pixels, data)
    dark_is_more = data.PhotometricInterpretation == "MONOCHROME1"
    if dark_is_more and not _unit(data):  # Hounsfield units stay what they are
        lowest_plus_highest = -1
        if not data.PixelRepresentation:
            lowest_plus_highest = 2 ** int(data.BitsStored) - 1
        pixels = lowest_plus_highest - pixels.astype(np.int64)
    return pixels


def _look_up(data: Dataset, index: int, sequence: str, keyword: str) -> Any:
    """A value of one frame: of the frame itself, of all frames, or of the file."""
    positions = {"PerFrameFunctionalGroupsSequence": index, "SharedFunctionalGroupsSequence": 0}
    for tag, position in positions.items():
        groups = data[tag].value if tag in data else ()
        if position < len(groups) and groups[position].get(sequence):
            found = groups[position].get(sequence)[0].get(keyword)
            if found is not None:
                return found
    return data.get(keyword)


def _place(data: Dataset, index: int, spacing: np.ndarray) -> _Place | None:
    corner = _look_up(data, index, "PlanePositionSequence", "ImagePositionPatient")
    directions = _look_up(data, index, "PlaneOrientationSequence", "ImageOrientationPatient")
    if not corner or not directions:
        return None
    return _Place(np.array(corner, float), np.array(directions, float).reshape(2, 3), spacing)


def _thickness(data: Dataset, index: int) -> float:
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        found = _look_up(data, index, "PixelMeasuresSequence", keyword)
        if found:
            return abs(float(found))
    return 1.0


def _slice(name: str, frame: _Frame) -> tuple[np.ndarray, Grid]:
    """A single frame, rows first as images are; with an affine when it is placed in space."""
    shape, place = frame.values.shape[:2], frame.place
    if frame.spacing is None:
        return frame.values, Grid(shape)
    if place is None:
        return frame.values, Grid(shape, tuple(float(s) for s in frame.spacing), None, "mm")
    along_row, along_column = place.directions
    normal = np.cross(along_row, along_column) * frame.thickness
    affine = _affine(
        along_column * place.spacing[0], along_row * place.spacing[1], normal, place.corner
    )
    return frame.values, physical_grid(name, shape, affine)


def _volume(
    name: str, frames: list[_Frame], mask_missing: bool
) -> tuple[np.ndarray, Grid, np.ndarray | None]:
    """Frames stacked along their common normal; frames without a place (a film) in the order in
    which they came."""
    if len({frame.values.shape for frame in frames}) > 1:
        raise DataError(f"{name} has slices of different shapes; expected one shape in a series")
    places = [frame.place for frame in frames if frame.place is not None]
    if len(places) < len(frames):
        stacked = np.stack([frame.values.swapaxes(0, 1) for frame in frames], axis=2)
        return stacked, Grid(stacked.shape[:3]), None
    slots, order = _slots(name, places)
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
    grid = physical_grid(
        name, values.shape[:3], _stack_affine(places[order[0]], places[order[-1]], count - 1)
    )
    if count == len(frames):
        return values, grid, None
    return values, grid, mask


def _stack_affine(lowest: _Place, highest: _Place, steps: int) -> np.ndarray:
    """The matrix of a stack. Its third axis runs from corner to corner, as nibabel and dcm2niix
    have it, so that a tilted gantry shears the matrix."""
    along_row, along_column = lowest.directions
    step = (highest.corner - lowest.corner) / steps
    return _affine(
        along_row * lowest.spacing[1], along_column * lowest.spacing[0], step, lowest.corner
    )


def _affine(*columns: np.ndarray) -> np.ndarray:
    """Steps along the three axes and the corner, on DICOM's world axes, as a ``[4, 4]`` matrix on
    NIfTI's."""
    affine = np.eye(4)
    affine[:3] = np.stack(columns, axis=-1)
    return _TO_RAS @ affine


def _slots(name: str, places: Sequence[_Place]) -> tuple[np.ndarray, np.ndarray]:
    """How many steps each slice lies above the lowest one, ascending, and the order that makes them
    so, both ``[slices]``.

    Raises:
        DataError: If slices are not parallel, two lie in one place, or distances are no multiples
            of the usual one.
    """
    first = places[0]
    if not all(_parallel(place, first) for place in places):
        raise DataError(
            f"{name} mixes orientations or spacings (a localiser?); expected parallel slices; "
            "leave the series out"
        )
    heights = np.array([place.corner @ np.cross(*first.directions) for place in places])
    order = np.argsort(heights, kind="stable")
    gaps = np.diff(heights[order])
    step = float(np.median(gaps))
    doubled = int((gaps < max(step, 1e-3) * 0.05).sum())
    if doubled:
        raise DataError(
            f"{name} has {len(places)} slices in {len(places) - doubled} places (several echoes, "
            "time points or copies?); "
            "expected one volume a series: keep the files of one of them, or export each as a "
            "series of its own"
        )
    steps = np.rint(gaps / step)
    if np.abs(gaps / step - steps).max() > 0.1 or steps.sum() > 10 * len(places):
        raise DataError(
            f"{name} has slices at uneven distances; expected multiples of {step:.3g} mm"
        )
    return np.concatenate([[0], np.cumsum(steps)]).astype(int), order


def _parallel(place: _Place, other: _Place) -> bool:
    """Whether two slices have one orientation and spacing."""
    turned = not np.allclose(place.directions, other.directions, atol=1e-3)
    return not turned and np.allclose(place.spacing, other.spacing, rtol=1e-3)


def _stored_type(data: Dataset) -> np.dtype:
    if "FloatPixelData" in data or "DoubleFloatPixelData" in data:
        return np.dtype(np.float32)
    kind = "int" if data.get("PixelRepresentation") else "uint"
    bits = max(8, int(data.BitsAllocated))
    return np.dtype(f"{kind}{bits}")


def _unit(data: Dataset) -> str:
    """Hounsfield units for computed tomography; other modalities name none that is safe to rely
    on."""
    if data.get("RescaleType") == "HU" or data.get("Modality") == "CT":
        return "HU"
    return ""
