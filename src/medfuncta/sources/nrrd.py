"""NRRD volumes (``.nrrd``, ``.nhdr``) of any shapes and spacings."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from medfuncta.door.allowance import on_disk
from medfuncta.door.files import lies_outside
from medfuncta.errors import DataError, missing_extra
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal
from medfuncta.sources.contents import Contents, Format
from medfuncta.sources.folder import (
    FileOptions,
    file_items,
    find_files,
    folder_contents,
    open_folder,
)
from medfuncta.sources.skips import Skips
from medfuncta.sources.splitting import Item
from medfuncta.sources.volume import (
    Volume,
    check_claim,
    physical_grid,
    read_at_most,
    without_single_slices,
)
from medfuncta.sources.volume_options import StepOptions, ValueOptions, steps_of, volume_signal

_TO_RAS: Final = {
    "ras": (1, 1, 1),
    "las": (-1, 1, 1),
    "lps": (-1, -1, 1),
}  # signs of the world's axes; other spaces stay as they are
_MILLIMETRES: Final = {"m": 1000.0, "cm": 10.0, "um": 0.001, "µm": 0.001}
_SUFFIXES: Final = (".nrrd", ".nhdr")
_SPATIAL_KINDS: Final = ("domain", "space", "???", "none")
_UNPACKERS: Final = {"gzip": gzip.open, "gz": gzip.open, "bzip2": bz2.open, "bz2": bz2.open}
_MOST_LINES: Final = 10_000  # in front of the data
_WIDEST: Final = 8  # bytes of the largest number that NRRD knows


@dataclass(frozen=True)
class NrrdOptions(StepOptions, ValueOptions, FileOptions):
    """How a folder of NRRD files is read."""


def _open_nrrd(location: str, options: NrrdOptions, skips: Skips) -> Contents:
    """Open ``nrrd:DIR``."""
    folder = open_folder(location)
    inside = folder.parent if folder.is_file() else folder
    items = file_items(folder, find_files(folder, _SUFFIXES, skips.skip), options)

    def read(item: Item) -> Signal:
        volume = read_volume(item.paths[0], inside)
        return volume_signal(item.name, volume.values, volume.grid, options, dtype=volume.dtype)

    return folder_contents(
        "nrrd", folder, items, options, read=read, preprocessing=steps_of(options)
    )


def read_volume(path: Path, inside: Path) -> Volume:
    """Read one NRRD file.

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
    try:
        if not path.is_file():  # a pipe would let us wait
            raise FileNotFoundError(path.name)
        with path.open("rb") as file:
            header = dict(nrrd.read_header(file))
            _check_skips(path.name, header)
            check_claim(path.name, tuple(int(n) for n in header["sizes"]), on_disk(path))
            data = _data(path, header, file, inside)
        spatial = _spatial_axes(path.name, header)
        grid = _grid(path.name, header, spatial)
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
            f"{path.name} is not a readable NRRD file, or holds less than its header claims; get "
            "the file again"
        ) from error
    channels = [axis for axis in range(data.ndim) if axis not in spatial]
    values = data.transpose(*spatial, *channels).reshape(*grid.shape, -1)
    return Volume(np.ascontiguousarray(values, np.float32), grid, data.dtype.name)


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
        raise FileNotFoundError(data_path.name)
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
        raise DataError(
            f"{name} has {len(spatial)} axes in space of {count}; expected 2 or 3, the others "
            "named in its field 'kinds'"
        )
    return spatial


def _is_spatial(header: Mapping[str, Any], axis: int) -> bool:
    """Whether an axis has a direction in space or, in a header without any, a kind that says so."""
    directions, kinds = header.get("space directions"), header.get("kinds")
    if directions is not None:
        return directions[axis] is not None and bool(np.isfinite(directions[axis]).all())
    return not kinds or kinds[axis].lower() in _SPATIAL_KINDS


def _grid(name: str, header: Mapping[str, Any], spatial: list[int]) -> Grid:
    shape = without_single_slices(tuple(int(header["sizes"][axis]) for axis in spatial))
    if header.get("space directions") is not None:
        return physical_grid(name, shape, _directed(header, spatial))
    spacings = header.get("spacings")
    if spacings is None:
        return Grid(shape)
    sizes = np.array([spacings[axis] for axis in spatial], float)
    if not np.isfinite(sizes).all():
        return Grid(shape)
    affine = np.eye(4)
    affine[range(len(spatial)), range(len(spatial))] = sizes * _millimetres(header)
    return physical_grid(name, shape, affine)


def _directed(header: Mapping[str, Any], spatial: list[int]) -> np.ndarray:
    """The affine ``[4, 4]`` of a header that has a direction for each axis, in mm (RAS+)."""
    rows = np.array([header["space directions"][axis] for axis in spatial], float)
    size = rows.shape[1]  # axes of the world
    affine = np.eye(4)
    affine[:size, : len(spatial)] = rows.T
    affine[:size, 3] = header.get("space origin", np.zeros(size))
    if len(spatial) == 2 and size == 3:  # an image in space: the third axis is its normal
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / np.linalg.norm(normal)
    signs = _TO_RAS.get(_space(header), (1, 1, 1))
    affine[:3] *= _millimetres(header)
    affine[:3] *= np.array(signs)[:, None]
    return affine


def _millimetres(header: Mapping[str, Any]) -> float:
    """Millimetres in the header's unit of length."""
    units = header.get("space units") or header.get("units") or ["mm"]
    return _MILLIMETRES.get(str(units[0]), 1.0)


def _space(header: Mapping[str, Any]) -> str:
    """The space's initials: ``"lps"`` for left-posterior-superior, LPS and LPST alike."""
    words = str(header.get("space", "")).lower().split("-")
    if len(words) == 1:
        return words[0][:3]
    return "".join(word[:1] for word in words)[:3]


FORMAT = Format("nrrd", "a folder of NRRD volumes of any shapes", NrrdOptions, _open_nrrd)
