"""One NIfTI file: what its header claims is checked, and its voxels become physical values with a
place in the world."""

from __future__ import annotations

import errno
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Final

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import HeaderDataError

from medfuncta.door.allowance import on_disk
from medfuncta.door.files import reason
from medfuncta.errors import DataError
from medfuncta.signals.domain import Grid
from medfuncta.sources.contents import LabelMap
from medfuncta.sources.label_maps import whole_numbers
from medfuncta.sources.volume import (
    Narrowed,
    Volume,
    check_claim,
    file_type,
    narrowed,
    physical_grid,
    read_at_most,
    without_single_slices,
)

_MILLIMETRES: Final = {"meter": 1000.0, "micron": 0.001}
_GZIP: Final = b"\x1f\x8b"
_LONGEST_HEADER: Final = 544
_LONGEST_START: Final = 2**24
"""Bytes of a header and its extensions."""
_ONE_FILE: Final = (b"n+1", b"n+2")
"""The magic of a header that stands in one file with its voxels begins so."""
_TYPES: Final = {0: "0 (unknown)", 1: "1 (binary, one bit a voxel)"}
_DAMAGE: Final = (HeaderDataError, OSError, zlib.error, ValueError, OverflowError)


def read_volume(path: Path) -> Volume:
    """Read one NIfTI file, slope and intercept applied.

    Args:
        path: Its name ends in ``.nii`` or ``.nii.gz``; whether it is packed, its content tells.

    Raises:
        DataError: If the file is broken, holds less than its header claims, or is not a volume.
    """
    with _opened(path) as image:
        values, rounded = image_values(path.name, image.data, image.dtype)
        stored = image.dtype
        if stored.names:  # colour: the type of its first channel
            stored = stored[0]
        remarks = (*image.remarks, rounded) if rounded else image.remarks
        return Volume(values, image.grid, file_type(stored, values), remarks)


def read_grid(path: Path) -> Grid:
    """Where the samples of a NIfTI file lie.

    Raises:
        DataError: As :func:`read_volume`.
    """
    with _opened(path) as image:
        return image.grid


def read_label_map(path: Path) -> LabelMap:
    """Read the class numbers in a NIfTI file, none of them rounded.

    Raises:
        DataError: As :func:`read_volume`, or if they are no whole numbers, or several a voxel.
    """
    with _opened(path) as image:
        if image.dtype.kind not in "iuf" or prod(image.shape[3:]) > 1:
            raise DataError(
                f"the label map {path.name} is {image.dtype} of shape {image.shape}; expected one "
                "number a voxel"
            )
        as_stored = (image.data.slope, image.data.inter) == (1, 0)
        values = image.data.get_unscaled() if as_stored else np.asanyarray(image.data)
        numbers = whole_numbers(path.name, np.asanyarray(values))
        return LabelMap(numbers.reshape(image.grid.shape), image.grid)


@dataclass(frozen=True, eq=False)
class _Image:
    """What a file's header says, and its data, which is read when asked for."""

    data: ArrayProxy
    dtype: np.dtype
    shape: tuple[int, ...]
    grid: Grid
    remarks: tuple[str, ...]


@contextmanager
def _opened(path: Path) -> Iterator[_Image]:
    """A file whose header was checked, and which is known to hold as many bytes as that claims.

    Raises:
        DataError: If something is wrong with it; what goes wrong within the block is one too.
    """
    try:
        if not path.is_file():  # a pipe would let us wait
            raise FileNotFoundError(errno.ENOENT, "no such file")
        with path.open("rb") as file:
            yield _image(path.name, file, on_disk(path))
    except EOFError as error:
        raise DataError(f"{path.name} ends early; get the file again") from error
    except _DAMAGE as error:
        raise DataError(
            f"{path.name} is not a readable NIfTI file ({reason(error)}); get the file again"
        ) from error


def _image(name: str, file: BinaryIO, on_the_disk: int) -> _Image:
    packed = file.read(2) == _GZIP
    file.seek(0)
    stream: Any = gzip.GzipFile(fileobj=file) if packed else file
    start = stream.read(_LONGEST_HEADER)
    header, resized = _header(name, start)
    shape = tuple(int(n) for n in header.get_data_shape())
    check_claim(name, shape, on_the_disk)
    dtype = _number_type(name, header)
    offset, moved = _offset(name, header)
    needed = offset + prod(shape) * dtype.itemsize
    if packed:
        content = start + read_at_most(stream, needed - len(start))
        stream, held, verb = io.BytesIO(content), len(content), "unpacks to"
    else:
        held, verb = file.seek(0, io.SEEK_END), "has"
    if held < needed:
        raise DataError(
            f"{name} {verb} {held:,} bytes, its header claims {needed:,}; get the file again"
        )
    slope, intercept = header.get_slope_inter()
    scale = (1.0 if slope is None else slope, 0.0 if intercept is None else intercept)
    affine, placed = _affine(name, header)
    grid = physical_grid(name, *without_single_slices(shape[:3], affine))
    data = ArrayProxy(stream, (shape, dtype, offset, *scale), mmap=False)
    return _Image(data, dtype, shape, grid, tuple(filter(None, (resized, moved, placed))))


def _header(name: str, start: bytes) -> tuple[Any, str]:
    """The header in a file's first bytes, and a remark where sizes of voxels in it were 0."""
    sizes = {int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")}
    kinds = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
    size = next((size for size in kinds if size in sizes), 0)
    if not size or len(start) < size:
        raise DataError(
            f"{name} is not a readable NIfTI file: it does not begin with a header of one; get the "
            "file again, or convert it"
        )
    kind = kinds[size]
    header = kind.from_fileobj(io.BytesIO(start[:size]), check=False)
    if header["magic"].item()[:3] not in _ONE_FILE:
        raise DataError(
            f"{name} is the header of a pair of files (.hdr and .img) or of Analyze; convert it to "
            "one NIfTI file"
        )
    steps = header["pixdim"][1:4]
    zero = bool((steps[: min(3, int(header["dim"][0]))] == 0).any())
    header["pixdim"][1:4] = np.where(steps == 0, 1, np.abs(steps))  # as nibabel does
    return header, "a size of voxels of 0 in the header is taken as 1" if zero else ""


def _offset(name: str, header: Any) -> tuple[int, str]:
    """Where the voxels begin, and a remark where the header says that they begin inside itself.

    Raises:
        DataError: If more is claimed to lie before them than any header and its extensions have.
    """
    claimed = float(header["vox_offset"])
    if not 0 <= claimed <= _LONGEST_START:
        raise DataError(
            f"{name} claims {claimed:.3g} bytes in front of its values; expected at most "
            f"{_LONGEST_START:,}; get the file again"
        )
    said, least = int(header.get_data_offset()), int(header.single_vox_offset)
    if said >= least:
        return said, ""
    return least, f"the header places voxels at byte {said}, inside itself; {least} is taken"


def _number_type(name: str, header: Any) -> np.dtype:
    """The type of the numbers on the disk.

    Raises:
        DataError: If NumPy knows none.
    """
    dtype = np.dtype("V")
    with suppress(HeaderDataError, KeyError):
        dtype = np.dtype(header.get_data_dtype())
    if dtype.names or dtype.kind in "iufc":
        return dtype
    code = int(header["datatype"])
    raise DataError(
        f"{name} holds numbers of NIfTI's data type {_TYPES.get(code, code)}, which is not read; "
        "convert it to a common type, such as int16"
    )


def _affine(name: str, header: Any) -> tuple[np.ndarray, str]:
    """``[4, 4]`` from voxel index to millimetres (RAS+), and a remark on what was assumed."""
    remark = ""
    affine = np.array(header.get_best_affine(), float)
    qform_known, sform_known = int(header["qform_code"]) > 0, int(header["sform_code"]) > 0
    if sform_known and not affine[:3, :3].any():
        if not qform_known:
            raise DataError(
                f"the sform of {name} is marked as valid and is all 0, and there is no qform; "
                "repair its header"
            )
        affine = np.array(header.get_qform(), float)
        remark = "the sform is marked as valid and is all 0; the qform is taken"
    if not (sform_known or qform_known):
        remark = "the header knows no place in the world, only sizes of voxels"
    affine[:3] *= _MILLIMETRES.get(str(header.get_xyzt_units()[0]), 1.0)
    return affine, remark


def affine_in_mm(image: Any) -> np.ndarray:
    """``[4, 4]`` from voxel index to millimetres (RAS+), of an image of nibabel."""
    affine = np.array(image.affine, float)
    if isinstance(image, nib.Nifti1Image):
        affine[:3] *= _MILLIMETRES.get(str(image.header.get_xyzt_units()[0]), 1.0)
    return affine


def image_values(name: str, data: Any, dtype: np.dtype) -> Narrowed:
    """Physical values of an image of nibabel, ``[*spatial, channels]`` float32, a spatial axis of
    one sample dropped.

    Args:
        name: What an error calls it.
        data: Its ``dataobj``.
        dtype: Of the numbers on the disk.

    Raises:
        DataError: If they are complex, too large or too close for float32, or have more axes than
            space and channels.
    """
    if dtype.kind == "c":
        raise DataError(
            f"{name} holds complex numbers; expected real ones, such as their magnitude"
        )
    remark = ""
    if dtype.names:  # NIfTI's RGB and RGBA; the alpha channel is dropped
        raw = np.asanyarray(data)
        colours = [raw[colour].astype(np.float32) for colour in dtype.names[:3]]
        values = np.stack(colours, axis=-1).reshape(*raw.shape[:3], -1)
    elif dtype.itemsize > 4 or dtype in (np.int32, np.uint32):
        values, remark = narrowed(name, np.asanyarray(data))
    else:
        values = np.asanyarray(_scaled(data)).astype(np.float32, copy=False)
    channels = [n for n in values.shape[3:] if n > 1]
    if len(channels) > 1:
        raise DataError(
            f"{name} has a shape of {values.shape}; expected at most 3 axes and channels"
        )
    shape, _ = without_single_slices(values.shape[:3], np.eye(4))
    return Narrowed(values.reshape(*shape, *(channels or [1])), remark)


def _scaled(data: Any) -> np.ndarray:
    """Values with slope and intercept applied, in float32 where these make them fractions."""
    if hasattr(data, "get_scaled"):
        return data.get_scaled(np.float32)
    return np.asanyarray(data)
