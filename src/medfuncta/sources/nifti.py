"""NIfTI volumes of any shapes and spacings: a flat folder, or ``imagesTr`` and ``imagesTs`` with
label maps beside."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, ImageDataError

from medfuncta.door.allowance import on_disk
from medfuncta.door.files import Origin, lies_outside, read_json
from medfuncta.errors import DataError
from medfuncta.signals.preprocess import Preprocessing
from medfuncta.signals.signal import Signal
from medfuncta.sources.contents import Contents, Format, LabelMap, LabelMaps
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
    file_type,
    physical_grid,
    read_at_most,
    without_single_slices,
)
from medfuncta.sources.volume_options import StepOptions, ValueOptions, steps_of, volume_signal

_SUFFIXES: Final = (".nii", ".nii.gz")
_LABEL_FOLDERS: Final = {"imagesTr": "labelsTr", "imagesVal": "labelsVal", "imagesTs": "labelsTs"}
_MILLIMETRES: Final = {"meter": 1000.0, "micron": 0.001}
_NUMBER: Final = re.compile(r"[0-9]{1,9}$")
_HEADER_BYTES: Final = 540
"""Of NIfTI-2, the longer one."""
_LONGEST_START: Final = 2**24
"""Bytes of a header and its extensions."""
_DAMAGE: Final = (
    ImageFileError,
    HeaderDataError,
    ImageDataError,
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True)
class NiftiFileOptions(ValueOptions, FileOptions):
    """How NIfTI files are read, whatever is done with them then."""


@dataclass(frozen=True)
class NiftiOptions(StepOptions, NiftiFileOptions):
    """How a folder of NIfTI files is read and preprocessed."""


def _open_nifti(location: str, options: NiftiOptions, skips: Skips) -> Contents:
    """Open ``nifti:DIR``."""
    return nifti_contents("nifti", open_folder(location), options, steps_of(options), skips)


def nifti_contents(
    kind: str, folder: Path, options: NiftiFileOptions, preprocessing: Preprocessing, skips: Skips
) -> Contents:
    """The volumes of a folder, and the label maps beside them in the layout of the Medical
    Segmentation Decathlon.

    Args:
        kind: The format's name.
        folder: The folder, or one file.
        options: How files are read.
        preprocessing: Steps for every volume.
        skips: Where to note what is left out.

    Raises:
        DataError: If there is no volume.
    """
    paths = find_files(folder, _SUFFIXES, skips.skip)
    items = file_items(folder, paths, options)
    volumes = [item for item in items if item.paths[0].parent.name not in _LABEL_FOLDERS.values()]
    if not volumes:
        raise DataError(
            f"only label maps in '{folder.name}'; expected volumes, in imagesTr or beside each "
            "other"
        )

    def read(item: Item) -> Signal:
        volume = read_volume(item.paths[0])
        return volume_signal(item.name, volume.values, volume.grid, options, dtype=volume.dtype)

    said = _dataset_json(folder)
    return replace(
        folder_contents(kind, folder, volumes, options, read=read, preprocessing=preprocessing),
        licence=str(said.get("licence") or "unknown"),
        citation=str(said.get("reference") or ""),
        label_maps=label_maps_beside(_label_path, names=_class_names(said)),
    )


def label_maps_beside(
    path_of: Callable[[Path], Path | None], names: Mapping[int, str] | None = None
) -> LabelMaps:
    """Label maps that lie in files of their own.

    Args:
        path_of: Where the label map of a volume would lie; None where none can.
        names: Names of the classes by number.
    """

    def read(item: Item) -> LabelMap | None:
        volume = item.paths[0]
        path = path_of(volume)
        if path is None or not path.is_file():
            return None
        if lies_outside(path, Path(os.path.commonpath([volume, path]))):
            raise DataError(
                f"the label map of {volume.name} is a link that leaves its folder; copy the file "
                "into the folder, or give --follow-links"
            )
        values, grid = read_volume(path).values, read_volume(volume).grid
        expected = (*grid.shape, 1)
        if values.shape != expected:
            raise DataError(
                f"the label map of {volume.name} has a shape of {values.shape}; expected {expected}"
            )
        return LabelMap(np.rint(values[..., 0]).astype(np.int16), grid)

    return LabelMaps(names or {}, read)


def _label_path(volume: Path) -> Path | None:
    """Where the Decathlon's layout has the label map of a volume."""
    folder = _LABEL_FOLDERS.get(volume.parent.name)
    if folder is None:
        return None
    return volume.parent.parent / folder / volume.name


def _dataset_json(folder: Path) -> Mapping[str, Any]:
    """What the ``dataset.json`` of a Decathlon folder says, where there is one."""
    origin = Origin("dataset.json", DataError, "repair it, or remove it")
    try:
        return read_json(folder / "dataset.json", origin, within=folder)
    except DataError:
        return {}


def _class_names(said: Mapping[str, Any]) -> dict[int, str]:
    """Names of the classes of label maps by number, where ``dataset.json`` gives them."""
    names = said.get("labels")
    if not isinstance(names, dict):
        return {}
    return {int(number): str(name) for number, name in names.items() if _NUMBER.match(number)}


def read_volume(path: Path) -> Volume:
    """Read one NIfTI file, slope and intercept applied.

    Args:
        path: Its name ends in ``.nii`` or ``.nii.gz``.

    Raises:
        DataError: If the file is broken, holds less than its header claims, or is not a volume.
    """
    try:
        image = _image(path)
        values = image_values(path.name, image)
        affine = affine_in_mm(image)
        stored = np.dtype(image.get_data_dtype())
    except _DAMAGE as error:
        raise DataError(f"{path.name} is not a readable NIfTI file; get the file again") from error
    if stored.names:  # colour: the type of its first channel
        stored = stored[0]
    grid = physical_grid(path.name, values.shape[:-1], affine)
    return Volume(values, grid, file_type(stored, values))


def _image(path: Path) -> nib.Nifti1Image:
    """The image, once it is known that the file holds as many bytes as its header claims."""
    if not path.is_file():  # a pipe would let us wait
        raise FileNotFoundError(path.name)
    if path.name.lower().endswith(".gz"):
        _check_start(path)
    image = nib.load(path)
    if not isinstance(image, nib.Nifti1Image):  # Nifti2Image is one too
        raise ValueError("another format under the name of a NIfTI file")
    check_claim(path.name, image.shape, on_disk(path))
    start = image.dataobj.offset  # type: ignore[attr-defined]
    needed = start + prod(image.shape) * np.dtype(image.get_data_dtype()).itemsize
    if not path.name.lower().endswith(".gz"):
        held = path.stat().st_size
        if held < needed:
            raise DataError(
                f"{path.name} has {held:,} bytes, its header claims {needed:,}; get the file again"
            )
        return image
    with gzip.open(path) as stream:
        unpacked = read_at_most(stream, needed)
    if len(unpacked) < needed:
        raise DataError(
            f"{path.name} unpacks to {len(unpacked):,} bytes, its header claims {needed:,}; get "
            "the file again"
        )
    return type(image).from_bytes(unpacked)


def _check_start(path: Path) -> None:
    """Refuse a packed file that claims more in front of its values than any has: nibabel would
    unpack all of it as extensions of the header.

    Raises:
        DataError: If it does.
    """
    with gzip.open(path) as stream:
        start = stream.read(_HEADER_BYTES)
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if not kind.may_contain_header(start):
            continue
        offset = float(kind(start[: kind.template_dtype.itemsize], check=False)["vox_offset"])
        if not 0 <= offset <= _LONGEST_START:
            raise DataError(
                f"{path.name} claims {offset:.3g} bytes in front of its values; expected at most "
                f"{_LONGEST_START:,}; get the file again"
            )


def affine_in_mm(image: Any) -> np.ndarray:
    """``[4, 4]`` from voxel index to millimetres (RAS+), of an image of nibabel."""
    affine = np.array(image.affine, float)
    if isinstance(image, nib.Nifti1Image):
        affine[:3] *= _MILLIMETRES.get(str(image.header.get_xyzt_units()[0]), 1.0)
    return affine


def image_values(name: str, image: Any) -> np.ndarray:
    """Physical values of an image of nibabel, ``[*spatial, channels]`` float32, trailing spatial
    axes of one sample dropped.

    Raises:
        DataError: If they are complex, or have more axes than space and channels.
    """
    dtype = np.dtype(image.get_data_dtype())
    if dtype.kind == "c":
        raise DataError(
            f"{name} holds complex numbers; expected real ones, such as their magnitude"
        )
    if dtype.names:  # NIfTI's RGB and RGBA; the alpha channel is dropped
        raw = np.asanyarray(image.dataobj)
        colours = [raw[name].astype(np.float32) for name in dtype.names[:3]]
        data = np.stack(colours, axis=-1).reshape(*raw.shape[:3], -1)
    else:
        data = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
    channels = [n for n in data.shape[3:] if n > 1]
    if len(channels) > 1:
        raise DataError(f"{name} has a shape of {data.shape}; expected at most 3 axes and channels")
    return data.reshape(*without_single_slices(data.shape[:3]), *(channels or [1]))


FORMAT = Format(
    "nifti",
    "a folder of NIfTI volumes of any shapes, or imagesTr and imagesTs",
    NiftiOptions,
    _open_nifti,
)
