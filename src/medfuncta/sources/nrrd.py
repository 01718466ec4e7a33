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

from medfuncta.errors import DataError, missing_extra
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal
from medfuncta.sources.file_source import FileSource
from medfuncta.sources.folder import FileOptions, open_folder
from medfuncta.sources.old_source import SourceKind
from medfuncta.sources.options import describe, parse
from medfuncta.sources.splitting import Item
from medfuncta.sources.volumes import (
    VolumeOptions,
    check_claim,
    physical_grid,
    read_at_most,
    volume_signal,
    volume_steps,
    without_single_slices,
)

_TO_RAS: Final = {
    "ras": (1, 1, 1),
    "las": (-1, 1, 1),
    "lps": (-1, -1, 1),
}  # signs of the world's axes; other spaces stay as they are
_MILLIMETRES: Final = {"m": 1000.0, "cm": 10.0, "um": 0.001, "µm": 0.001}
_SPATIAL_KINDS: Final = ("domain", "space", "???", "none")
_UNPACKERS: Final = {"gzip": gzip.open, "gz": gzip.open, "bzip2": bz2.open, "bz2": bz2.open}
_WIDEST: Final = 8  # bytes of the largest number that NRRD knows


@dataclass(frozen=True)
class NrrdOptions(VolumeOptions, FileOptions):
    """How a folder of NRRD files is read."""


class NrrdSource(FileSource):
    """A folder of NRRD files; the arguments are those of
    :class:`~medfuncta.sources.file_source.FileSource`."""

    kind = "nrrd"
    suffixes = (".nrrd", ".nhdr")

    def __init__(self, folder: Path, options: NrrdOptions, *, skip_bad: bool = False) -> None:
        self.options = options
        super().__init__(folder, options, volume_steps(options), skip_bad=skip_bad)

    def _load(self, item: Item) -> Signal:
        path = item.paths[0]
        values, grid, dtype = read_volume(
            path, inside=path.parent if self.folder.is_file() else self.folder
        )
        return volume_signal(item.name, values, grid, self.options, dtype=dtype)


def read_volume(path: Path, inside: Path) -> tuple[np.ndarray, Grid, str]:
    """Read one NRRD file.

    Args:
        path: The header, or header and data in one.
        inside: The folder that a data file of its own must lie in.

    Returns:
        Values ``[*grid.shape, channels]`` float32; the grid in mm (RAS+), of 2 axes when there is
        one slice; the data type on the disk.

    Raises:
        DataError: If the file is broken, holds less than its header claims, or is not a volume.
        MedFunctaError: If pynrrd is not installed.
    """
    try:
        import nrrd
    except ImportError as error:
        raise missing_extra("pynrrd", "nrrd") from error
    try:
        with path.open("rb") as file:
            header = dict(nrrd.read_header(file))
            check_claim(path.name, tuple(int(n) for n in header["sizes"]))
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
    return np.ascontiguousarray(values, np.float32), grid, data.dtype.name


def _data(path: Path, header: dict[str, Any], file: io.BufferedIOBase, inside: Path) -> np.ndarray:
    """The array, first axis fastest in the file; packed data is unpacked no further than the header
    claims."""
    import nrrd

    name = header.pop("data file", header.pop("datafile", None))
    data_path = path.parent / name if name else path
    if not data_path.resolve().is_relative_to(inside.resolve()):
        raise DataError(
            f"the data file that {path.name} names lies outside the folder; copy it into the folder"
        )
    with data_path.open("rb") as stream:
        stream.seek(0 if name else file.tell())
        if header["encoding"] not in _UNPACKERS:
            return nrrd.read_data(header, stream)
        with _UNPACKERS[header["encoding"]](stream) as unpacked:
            held = read_at_most(unpacked, prod(int(n) for n in header["sizes"]) * _WIDEST)
    return nrrd.read_data({**header, "encoding": "raw"}, io.BytesIO(held))


def _spatial_axes(name: str, header: Mapping[str, Any]) -> list[int]:
    """Which axes run through space; the others are channels."""
    directions = header.get("space directions")
    count = len(header["sizes"])
    if directions is not None:
        spatial = [
            axis
            for axis in range(count)
            if directions[axis] is not None and np.isfinite(directions[axis]).all()
        ]
    else:
        kinds = header.get("kinds") or ["domain"] * count
        spatial = [axis for axis in range(count) if kinds[axis].lower() in _SPATIAL_KINDS]
    if not 2 <= len(spatial) <= 3:
        raise DataError(
            f"{name} has {len(spatial)} axes in space of {count}; expected 2 or 3, the others "
            "named in its field 'kinds'"
        )
    return spatial


def _grid(name: str, header: Mapping[str, Any], spatial: list[int]) -> Grid:
    shape = without_single_slices(tuple(int(header["sizes"][axis]) for axis in spatial))
    directions, spacings = header.get("space directions"), header.get("spacings")
    scale = _MILLIMETRES.get(
        str((header.get("space units") or header.get("units") or ["mm"])[0]), 1.0
    )
    affine = np.eye(4)
    if directions is not None:
        rows = np.array([directions[axis] for axis in spatial], float)  # one direction an axis
        size = rows.shape[1]
        affine[:size, : len(spatial)] = rows.T
        affine[:size, 3] = header.get("space origin", np.zeros(size))
        if len(spatial) == 2 and size == 3:  # an image in space: the third axis is its normal
            affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1]) / np.linalg.norm(
                np.cross(affine[:3, 0], affine[:3, 1])
            )
        affine[:3] *= scale
        affine[:3] *= np.array(_TO_RAS.get(_space(header), (1, 1, 1)))[:, None]
    elif spacings is not None and np.isfinite([spacings[axis] for axis in spatial]).all():
        affine[range(len(spatial)), range(len(spatial))] = [
            spacings[axis] * scale for axis in spatial
        ]
    else:
        return Grid(shape)
    return physical_grid(name, shape, affine)


def _space(header: Mapping[str, Any]) -> str:
    """The space's initials: ``"lps"`` for left-posterior-superior, LPS and LPST alike."""
    words = str(header.get("space", "")).lower().split("-")
    return "".join(word[:1] for word in words)[:3] if len(words) > 1 else words[0][:3]


def open_nrrd(location: str, options: Mapping[str, str], skip_bad: bool) -> NrrdSource:
    """Open ``nrrd:DIR``."""
    return NrrdSource(open_folder(location), parse(NrrdOptions, options), skip_bad=skip_bad)


FORMAT = SourceKind(
    "nrrd", "a folder of NRRD volumes of any shapes", describe(NrrdOptions), open_nrrd
)
