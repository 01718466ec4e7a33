"""NRRD volumes (``.nrrd``, ``.nhdr``) of any shapes and spacings."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np

from medfuncta._src.door.allowance import on_disk
from medfuncta._src.door.content import blaming
from medfuncta._src.door.files import lies_outside, reason
from medfuncta._src.door.wording import counted, shortened
from medfuncta._src.errors import DataError, missing_extra
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.contents import Contents, Format, LabelMap
from medfuncta._src.sources.folder import (
    LabelMapOptions,
    file_items,
    find_signals,
    folder_contents,
    open_folder,
)
from medfuncta._src.sources.label_maps import label_maps_beside, whole_numbers
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item
from medfuncta._src.sources.volume import (
    Volume,
    check_claim,
    narrowed,
    physical_grid,
    read_at_most,
    without_single_slices,
)
from medfuncta._src.sources.volume_options import StepOptions, ValueOptions, steps_of, volume_signal

_TO_RAS: Final = {
    "ras": (1, 1, 1),
    "las": (-1, 1, 1),
    "lps": (-1, -1, 1),
}  # signs of the world's axes; other spaces stay as they are
_MILLIMETRES: Final = {
    "mm": 1.0,
    "cm": 10.0,
    "m": 1000.0,
    "um": 0.001,
    "\N{MICRO SIGN}m": 0.001,
    "\N{GREEK SMALL LETTER MU}m": 0.001,
    "millimeter": 1.0,
    "millimeters": 1.0,
}
_SUFFIXES: Final = (".nrrd", ".nhdr")
_DATA_SUFFIXES: Final = (".raw", ".zraw", ".img", ".gz", ".bz2", ".bin", ".dat", ".ascii")
_SPATIAL_KINDS: Final = ("domain", "space", "???", "none")
_UNPACKERS: Final = {"gzip": gzip.open, "gz": gzip.open, "bzip2": bz2.open, "bz2": bz2.open}
_ENCODINGS: Final = ("raw", "txt", "text", "ascii", *_UNPACKERS)
_MOST_LINES: Final = 10_000  # in front of the data
_LONGEST_HEADER: Final = 2**20
_PAIR, _COMMENT = ":=", "#"  # in a line that is no field
_WIDEST: Final = 8  # bytes of the largest number that NRRD knows


@dataclass(frozen=True)
class NrrdOptions(StepOptions, ValueOptions, LabelMapOptions):
    """How a folder of NRRD files is read."""


def _open_nrrd(location: str, options: NrrdOptions, skips: Skips) -> Contents:
    """Open ``nrrd:DIR``."""
    folder = open_folder(location)
    inside = folder.parent if folder.is_file() else folder
    found = find_signals(folder, _SUFFIXES, options, skips, _DATA_SUFFIXES)
    items = file_items(folder, found.signals, options)

    def read(item: Item) -> Signal:
        volume = read_volume(item.paths[0], inside)
        for remark in volume.remarks:
            skips.remark(remark, item.name)
        return volume_signal(item.name, volume.values, volume.grid, options, dtype=volume.dtype)

    def read_label_map(path: Path) -> LabelMap:
        return _label_map(path, inside)

    def read_grid(path: Path) -> Grid:
        return _read(path, inside).grid

    contents = folder_contents(
        "nrrd", folder, items, options, read=read, preprocessing=steps_of(options)
    )
    if not found.label_maps:
        return contents
    label_maps = label_maps_beside(found.label_maps.get, read_label_map, read_grid)
    return replace(contents, label_maps=label_maps)


class _Read(NamedTuple):
    """What a file holds: numbers as they are stored, ``[*grid.shape, channels]``, and where they
    lie."""

    numbers: np.ndarray
    grid: Grid
    remarks: tuple[str, ...]


def _label_map(path: Path, inside: Path) -> LabelMap:
    """The class numbers in a file.

    Raises:
        DataError: If they are no whole numbers, or several a voxel.
    """
    numbers, grid, _ = _read(path, inside)
    if numbers.shape[-1] > 1:
        raise DataError(
            f"the label map {path.name} has {numbers.shape[-1]} layers; expected one number a voxel"
        )
    return LabelMap(whole_numbers(path.name, numbers[..., 0]), grid)


def read_volume(path: Path, inside: Path) -> Volume:
    """Read one NRRD file.

    Args:
        path: The header, or header and data in one.
        inside: The folder that a data file of its own must lie in.

    Raises:
        DataError: If the file is broken, holds less than its header claims, or is not a volume.
        MedFunctaError: If pynrrd is not installed.
    """
    numbers, grid, remarks = _read(path, inside)
    values, rounded = narrowed(path.name, numbers)
    return Volume(values, grid, numbers.dtype.name, (*remarks, rounded) if rounded else remarks)


def _read(path: Path, inside: Path) -> _Read:
    """One NRRD file as it is.

    Args:
        path: The header, or header and data in one.
        inside: The folder that a data file of its own must lie in.

    Raises:
        DataError: If the file is broken, holds less than its header claims, or is not a volume.
        MedFunctaError: If pynrrd is not installed.
    """
    try:
        import nrrd
    except ImportError as error:
        raise missing_extra("pynrrd", "nrrd") from error
    with blaming(path):
        try:
            if not path.is_file():  # a pipe would let us wait
                raise FileNotFoundError(path.name)
            with path.open("rb") as file:
                header = dict(nrrd.read_header(_header_lines(path.name, file)))
                _check_skips(path.name, header)
                check_claim(path.name, tuple(int(n) for n in header["sizes"]), on_disk(path))
                _check_encoding(path.name, header)
                spatial = _spatial_axes(path.name, header)
                grid, remarks = _grid(path.name, header, spatial)
                data = _data(path, header, file, inside)
        except (
            nrrd.NRRDError,
            StopIteration,
            OSError,
            EOFError,
            zlib.error,
            ValueError,
            TypeError,
            LookupError,
            OverflowError,
        ) as error:
            raise DataError(
                f"{path.name} is not a readable NRRD file, or holds less than its header claims "
                f"({reason(error)}); get the file again"
            ) from error
    channels = [axis for axis in range(data.ndim) if axis not in spatial]
    numbers = data.transpose(*spatial, *channels).reshape(*grid.shape, -1)
    return _Read(np.ascontiguousarray(numbers), grid, remarks)


def _header_lines(name: str, file: IO[bytes]) -> list[str]:
    """The lines of a header up to the blank one, or all of a detached one; the file stands behind
    them then. Key-value pairs are left out, which may bear any name, that of a field too. pynrrd
    would leave out what is not ASCII: of micrometres there would stay metres.

    Raises:
        DataError: If it goes on for longer than any header.
    """
    lines: list[str] = []
    size = 0
    while line := file.readline(_LONGEST_HEADER):
        size += len(line)
        if size >= _LONGEST_HEADER:
            raise DataError(
                f"{name} has a header of more than {_LONGEST_HEADER:,} bytes; get the file again"
            )
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            text = line.decode("latin-1")
        text = text.rstrip()
        if not text:
            break
        if _PAIR not in text or text.startswith(_COMMENT):
            lines.append(text)
    return lines


def _check_encoding(name: str, header: Mapping[str, Any]) -> None:
    if str(header["encoding"]).lower() not in _ENCODINGS:
        raise DataError(
            f"{name} has the encoding '{shortened(str(header['encoding']), 20)}', which is not "
            "read; save it as raw or gzip"
        )


def _data(path: Path, header: dict[str, Any], file: io.BufferedIOBase, inside: Path) -> np.ndarray:
    """The array, first axis fastest in the file; packed data is unpacked no further than the header
    claims."""
    import nrrd

    name = header.pop("data file", header.pop("datafile", None))
    data_path = path.parent / name if name else path
    if lies_outside(data_path, inside):
        raise DataError(
            f"the data file that {path.name} names lies outside the folder; copy it into the "
            "folder, or give --follow-links"
        )
    if not data_path.is_file():
        raise DataError(
            f"the data file '{shortened(data_path.name, 60)}' that {path.name} names is not there; "
            "copy it beside the header (lists and patterns of files are not read)"
        )
    claimed = prod(int(n) for n in header["sizes"]) * _WIDEST
    with data_path.open("rb") as stream:
        stream.seek(0 if name else file.tell())
        if header["encoding"] not in _UNPACKERS:
            return nrrd.read_data(header, stream)
        with _UNPACKERS[header["encoding"]](stream) as unpacked:
            held = read_at_most(unpacked, claimed)
    return nrrd.read_data({**header, "encoding": "raw"}, io.BytesIO(held))


def _check_skips(name: str, header: Mapping[str, Any]) -> None:
    """Refuse a header that lets a reader pass over lines without end."""
    for key in ("line skip", "lineskip", "line_skip"):
        if not 0 <= int(header.get(key, 0)) <= _MOST_LINES:
            raise DataError(f"{name} skips {header[key]} lines; expected at most {_MOST_LINES:,}")


def _spatial_axes(name: str, header: Mapping[str, Any]) -> list[int]:
    """Which axes run through space; the others are channels."""
    count = len(header["sizes"])
    spatial = [axis for axis in range(count) if _is_spatial(header, axis)]
    if not 2 <= len(spatial) <= 3:
        in_time = " (one of them is time)" if "time" in str(header.get("space", "")) else ""
        raise DataError(
            f"{name} has {counted(len(spatial), 'axis', 'axes')} in space of {count}{in_time}; "
            "expected 2 or 3, the "
            "others without a direction, or named in its field 'kinds'"
        )
    return spatial


def _is_spatial(header: Mapping[str, Any], axis: int) -> bool:
    """Whether an axis has a direction in space or, in a header without any, a kind that says so."""
    directions, kinds = header.get("space directions"), header.get("kinds")
    if directions is not None:
        return directions[axis] is not None and bool(np.isfinite(directions[axis]).all())
    return not kinds or kinds[axis].lower() in _SPATIAL_KINDS


def _grid(name: str, header: Mapping[str, Any], spatial: list[int]) -> tuple[Grid, tuple[str, ...]]:
    """Where voxels lie, and remarks on what was assumed."""
    shape = tuple(int(header["sizes"][axis]) for axis in spatial)
    if header.get("space directions") is not None:
        affine, remarks = _directed(name, header, spatial)
        return physical_grid(name, *without_single_slices(shape, affine)), remarks
    spacings = header.get("spacings")
    flat, _ = without_single_slices(shape, np.eye(4))
    if spacings is None:
        return Grid(flat), ("the header knows no sizes of voxels",)
    sizes = np.array([spacings[axis] for axis in spatial], float)
    if not np.isfinite(sizes).all():
        return Grid(flat), (
            "the header knows the size of voxels along some axes only; none is kept",
        )
    affine = np.eye(4)
    affine[range(len(spatial)), range(len(spatial))] = sizes * _millimetres(name, header)
    placed = physical_grid(name, *without_single_slices(shape, affine))
    return placed, ("the header knows no place in the world, only sizes of voxels",)


def _directed(
    name: str, header: Mapping[str, Any], spatial: list[int]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The affine ``[4, 4]`` of a header that has a direction for each axis, in mm (RAS+), and
    remarks on what was assumed."""
    remarks = []
    rows = np.array([header["space directions"][axis] for axis in spatial], float)
    size = rows.shape[1]  # axes of the world
    affine = np.eye(4)
    affine[:size, : len(spatial)] = rows.T
    affine[:size, 3] = header.get("space origin", np.zeros(size))
    if len(spatial) == 2 and size == 3:  # an image in space: the third axis is its normal
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / np.linalg.norm(normal)
    space = _space(header)
    if space not in _TO_RAS:
        remarks.append("the header's space is not one of the body's; its axes are taken as RAS")
    signs = _TO_RAS.get(space, (1, 1, 1))
    affine[:3] *= _millimetres(name, header)
    affine[:3] *= np.array(signs)[:, None]
    return affine, tuple(remarks)


def _millimetres(name: str, header: Mapping[str, Any]) -> float:
    """Millimetres in the header's unit of length.

    Raises:
        DataError: If axes have different units, or one that is not known.
    """
    given = {str(unit).strip() for unit in header.get("space units") or header.get("units") or ()}
    units = given - {"", "nan", "???"} or {"mm"}
    unit = units.pop()
    if units or unit not in _MILLIMETRES:
        raise DataError(
            f"{name} measures space in '{shortened(', '.join(sorted({unit, *units})), 40)}'; "
            f"expected one of {', '.join(_MILLIMETRES)}"
        )
    return _MILLIMETRES[unit]


def _space(header: Mapping[str, Any]) -> str:
    """The space's initials: ``"lps"`` for left-posterior-superior, LPS and LPST alike."""
    words = str(header.get("space", "")).lower().split("-")
    if len(words) == 1:
        return words[0][:3]
    return "".join(word[:1] for word in words)[:3]


FORMAT = Format("nrrd", "a folder of NRRD volumes of any shapes", NrrdOptions, _open_nrrd)
