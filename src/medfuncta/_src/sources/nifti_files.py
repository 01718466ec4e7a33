"""One NIfTI file, or a pair of header and voxels (``.hdr`` and ``.img``): what its header claims is
checked, and its voxels become physical values with a place in the world."""

from __future__ import annotations

import errno
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Final

import nibabel as nib
import numpy as np
from nibabel import nifti1, nifti2
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import HeaderDataError

from medfuncta._src.door.allowance import on_disk
from medfuncta._src.door.content import blaming
from medfuncta._src.door.files import lies_outside, reason
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.contents import LabelMap
from medfuncta._src.sources.label_maps import whole_numbers
from medfuncta._src.sources.volume import (
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
_KINDS: Final = {
    348: (nifti1.Nifti1Header, nifti1.Nifti1PairHeader),
    540: (nifti2.Nifti2Header, nifti2.Nifti2PairHeader),
}
"""By the size of a header: how it stands in one file with its voxels, and in a pair."""
_TYPES: Final = {0: "0 (unknown)", 1: "1 (binary, one bit a voxel)"}
_PAIR: Final = (b"ni1", b"ni2")
"""The magic of a header whose voxels lie in a file of their own."""
_PARTNERS: Final = {".hdr": ".img", ".img": ".hdr"}
_ANALYZE: Final = (
    "is a header of Analyze 7.5, which does not say which side is left; convert it to NIfTI with "
    "the program that wrote it"
)
_DAMAGE: Final = (HeaderDataError, OSError, zlib.error, ValueError, OverflowError)


def read_volume(path: Path, inside: Path | None = None) -> Volume:
    """Read one NIfTI file, slope and intercept applied.

    Args:
        path: Its name ends in ``.nii`` or ``.nii.gz``, or is that of either file of a pair; whether
            it is packed, its content tells.
        inside: The folder that the other file of a pair must lie in; the file's own when not given.

    Raises:
        DataError: If the file is broken, holds less than its header claims, or is not a volume.
    """
    with _opened(path, inside) as image:
        values, rounded = image_values(path.name, image.data, image.dtype)
        stored = image.dtype
        if stored.names:  # colour: the type of its first channel
            stored = stored[0]
        remarks = (*image.remarks, rounded) if rounded else image.remarks
        return Volume(values, image.grid, file_type(stored, values), remarks)


def read_grid(path: Path, inside: Path | None = None) -> Grid:
    """Where the samples of a NIfTI file, as :func:`read_volume` takes it, lie.

    Raises:
        DataError: As :func:`read_volume`.
    """
    with _opened(path, inside) as image:
        return image.grid


def read_label_map(path: Path, inside: Path | None = None) -> LabelMap:
    """Read the class numbers in a NIfTI file, as :func:`read_volume` takes it, none of them
    rounded.

    Raises:
        DataError: As :func:`read_volume`, or if they are no whole numbers, or several a voxel.
    """
    with _opened(path, inside) as image:
        if image.dtype.kind not in "iuf" or prod(image.shape[3:]) > 1:
            raise DataError(
                f"the label map {path.name} is {image.dtype} of shape {image.shape}; expected one "
                "number a voxel"
            )
        as_stored = (image.data.slope, image.data.inter) == (1, 0)
        values = image.data.get_unscaled() if as_stored else np.asanyarray(image.data)
        numbers = whole_numbers(path.name, np.asanyarray(values))
        return LabelMap(numbers.reshape(image.grid.shape), image.grid)


def is_header_of_pair(path: Path) -> bool:
    """Whether a file is the header of a NIfTI pair by its magic; ``.hdr`` is also what Analyze and
    other programs call theirs."""
    try:
        with path.open("rb") as file:
            start = _unpacking(file).read(_LONGEST_HEADER)
    except (EOFError, *_DAMAGE):
        return True  # told when it is read
    return _magic(start)[:3] in _PAIR


def partner_of(path: Path) -> Path | None:
    """The other file of a pair: the voxels of a header, or the header of voxels; None where there
    is none. Either may be packed, and in capitals."""
    packed = path.suffix.lower() == ".gz"
    stem = path.with_suffix("") if packed else path
    other = _PARTNERS.get(stem.suffix.lower())
    if other is None:
        return None
    for suffix in (other, f"{other}.gz", other.upper(), f"{other.upper()}.GZ"):
        partner = stem.with_suffix(suffix)
        if partner.exists():
            return partner
    return None


@dataclass(frozen=True, eq=False)
class _Image:
    """What a file's header says, and its data, which is read when asked for."""

    data: ArrayProxy
    dtype: np.dtype
    shape: tuple[int, ...]
    grid: Grid
    remarks: tuple[str, ...]


@contextmanager
def _opened(path: Path, inside: Path | None) -> Iterator[_Image]:
    """A file whose header was checked, and which is known to hold as many bytes as that claims.

    Args:
        path: The file, or either of a pair.
        inside: The folder that the other file of a pair must lie in; None for the file's own.

    Raises:
        DataError: If something is wrong with it; what goes wrong within the block is one too.
    """
    if ".img" in path.suffixes[-2:]:
        path = partner_of(path) or path
    with blaming(path):
        try:
            if not path.is_file():  # a pipe would let us wait
                raise FileNotFoundError(errno.ENOENT, "no such file")
            with ExitStack() as files:
                yield _image(path, inside or path.parent, files)
        except EOFError as error:
            raise DataError(f"{path.name} ends early; get the file again") from error
        except _DAMAGE as error:
            raise DataError(
                f"{path.name} is not a readable NIfTI file ({reason(error)}); get the file again"
            ) from error


def _image(path: Path, inside: Path, files: ExitStack) -> _Image:
    """What a header says, and its data in the same file or in the other of a pair; ``files`` closes
    them."""
    name = path.name
    stream = _unpacking(files.enter_context(path.open("rb")))
    start = stream.read(_LONGEST_HEADER)
    header, resized = _header(name, start)
    shape = tuple(int(n) for n in header.get_data_shape())
    dtype = _number_type(name, header)
    offset, moved = _offset(name, header)
    data_path = path
    if header["magic"].item()[:3] in _PAIR:
        data_path, start = _voxels_of(path, inside), b""
        stream = _unpacking(files.enter_context(data_path.open("rb")))
    check_claim(name, shape, on_disk(data_path))
    needed = offset + prod(shape) * dtype.itemsize
    if isinstance(stream, gzip.GzipFile):
        content = start + read_at_most(stream, needed - len(start))
        stream, held, verb = io.BytesIO(content), len(content), "unpacks to"
    else:
        held, verb = stream.seek(0, io.SEEK_END), "has"
    if held < needed:
        raise DataError(
            f"{data_path.name} {verb} {held:,} bytes, its header claims {needed:,}; get the file "
            "again"
        )
    slope, intercept = header.get_slope_inter()
    scale = (1.0 if slope is None else slope, 0.0 if intercept is None else intercept)
    affine, placed = _affine(name, header)
    grid = physical_grid(name, *without_single_slices(shape[:3], affine))
    data = ArrayProxy(stream, (shape, dtype, offset, *scale), mmap=False)
    return _Image(data, dtype, shape, grid, tuple(filter(None, (resized, moved, placed))))


def _unpacking(file: BinaryIO) -> Any:
    """A file as it is, or unpacked where it is a gzipped one."""
    packed = file.read(2) == _GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file


def _voxels_of(header: Path, inside: Path) -> Path:
    """The file of voxels that a header of a pair stands beside.

    Raises:
        DataError: If there is none, or it is a link out of the folder.
    """
    voxels = partner_of(header)
    if voxels is None:
        raise DataError(
            f"{header.name} is the header of a pair, and its voxels are not beside it; copy the "
            ".img of the same name there"
        )
    if lies_outside(voxels, inside):
        raise DataError(
            f"{voxels.name} is a link that leaves the folder; copy the file into the folder, or "
            "give --follow-links"
        )
    if not voxels.is_file():
        raise DataError(f"{voxels.name} is a folder, a pipe or a device; expected a file")
    return voxels


def _magic(start: bytes) -> bytes:
    """Where a header has its magic: at its end in NIfTI-1, behind its size in NIfTI-2."""
    if 540 in _sizes(start):
        return start[4:8]
    return start[344:348]


def _sizes(start: bytes) -> set[int]:
    """The size that a header says it has, in both orders of bytes."""
    return {int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")}


def _header(name: str, start: bytes) -> tuple[Any, str]:
    """The header in a file's first bytes, and a remark where sizes of voxels in it were 0."""
    if not start:
        raise DataError(f"{name} unpacks to nothing, it is empty; get the file again")
    size = next((size for size in _KINDS if size in _sizes(start)), 0)
    if not size or len(start) < size:
        raise DataError(
            f"{name} is not a readable NIfTI file: it does not begin with a header of one; get the "
            "file again, or convert it"
        )
    magic = _magic(start)[:3]
    if magic not in (*_ONE_FILE, *_PAIR):
        raise DataError(f"{name} {_ANALYZE}")
    kind = _KINDS[size][magic in _PAIR]
    header = kind.from_fileobj(io.BytesIO(start[:size]), check=False)
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
    said = int(header.get_data_offset())
    least = int(header.single_vox_offset) if header.is_single else 0
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
