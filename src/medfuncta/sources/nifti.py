"""NIfTI volumes of any shapes and spacings: a flat folder, or ``imagesTr`` and ``imagesTs`` with
label maps beside."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, ImageDataError

from medfuncta.errors import DataError
from medfuncta.signals.domain import Grid
from medfuncta.signals.preprocess import Preprocessing
from medfuncta.signals.signal import Signal
from medfuncta.sources.file_source import FileSource
from medfuncta.sources.folder import FileOptions, Item, open_folder
from medfuncta.sources.options import describe, parse
from medfuncta.sources.source import SourceInfo, SourceKind
from medfuncta.sources.volumes import (
    ValueOptions,
    VolumeOptions,
    check_claim,
    file_type,
    physical_grid,
    read_at_most,
    volume_signal,
    volume_steps,
    without_single_slices,
)

_LABEL_FOLDERS: Final = {"imagesTr": "labelsTr", "imagesVal": "labelsVal", "imagesTs": "labelsTs"}
_MILLIMETRES: Final = {"meter": 1000.0, "micron": 0.001}
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
class NiftiOptions(VolumeOptions, NiftiFileOptions):
    """How a folder of NIfTI files is read and preprocessed."""


class NiftiSource(FileSource):
    """A folder of NIfTI files; the arguments are those of
    :class:`~medfuncta.sources.file_source.FileSource`."""

    kind = "nifti"
    suffixes = (".nii", ".nii.gz")

    def __init__(
        self,
        folder: Path,
        options: NiftiFileOptions,
        preprocessing: Preprocessing,
        *,
        skip_bad: bool = False,
        name: str | None = None,
    ) -> None:
        self.options = options
        super().__init__(folder, options, preprocessing, skip_bad=skip_bad, name=name)

    def _find_items(self) -> list[Item]:
        volumes = [
            item
            for item in super()._find_items()
            if item.paths[0].parent.name not in _LABEL_FOLDERS.values()
        ]
        if not volumes:
            raise DataError(
                f"only label maps in '{self.folder.name}'; expected volumes, in imagesTr or beside "
                "each other"
            )
        return volumes

    @property
    def own_info(self) -> SourceInfo:
        licence, citation = (
            str(self._description.get(key) or "") for key in ("licence", "reference")
        )
        return replace(super().own_info, licence=licence or "unknown", citation=citation)

    @cached_property
    def _description(self) -> Mapping[str, Any]:
        """``dataset.json`` of a Decathlon folder, where there is one."""
        try:
            data = json.loads((self.folder / "dataset.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    @property
    def mask_names(self) -> dict[int, str]:
        """Names of the classes of the label maps by number, where the data set gives them."""
        names = self._description.get("labels")
        return (
            {int(number): str(name) for number, name in names.items() if number.isdigit()}
            if isinstance(names, dict)
            else {}
        )

    def _load(self, item: Item) -> Signal:
        values, grid, dtype = read_volume(item.paths[0])
        return volume_signal(item.name, values, grid, self.options, dtype=dtype)

    def _label_map_beside(self, path: Path) -> Path | None:
        """Where the label map of a volume would lie."""
        folder = _LABEL_FOLDERS.get(path.parent.name)
        return path.parent.parent / folder / path.name if folder else None

    def mask_of(self, signal_id: str) -> np.ndarray | None:
        """The label map of a signal, on the signal's own grid: whole numbers ``[*shape]``; None
        when it has none.

        Raises:
            DataError: If there is no such signal, or its label map is broken or of another shape.
        """
        path = next(
            (
                item.paths[0]
                for items in self.items.values()
                for item in items
                if item.id == signal_id
            ),
            None,
        )
        if path is None:
            raise DataError(
                f"no signal '{signal_id}' in {self.info.name}; expected the id of one of its "
                "signals"
            )
        labels = self._label_map_beside(path)
        if labels is None or not labels.is_file():
            return None
        values, _, _ = read_volume(labels)
        _, signal_grid, _ = read_volume(path)
        if values.shape != (*signal_grid.shape, 1):
            raise DataError(
                f"the label map of {path.name} has a shape of {values.shape}; expected "
                f"{(*signal_grid.shape, 1)}"
            )
        return self.preprocessing.apply_labels(
            np.rint(values[..., 0]).astype(np.int16), signal_grid
        )


def read_volume(path: Path) -> tuple[np.ndarray, Grid, str]:
    """Read one NIfTI file.

    Args:
        path: Its name ends in ``.nii`` or ``.nii.gz``.

    Returns:
        Physical values ``[*grid.shape, channels]`` float32 (slope and intercept applied); the grid
        in mm, of 2 axes when there is one slice; the name of the data type on the disk, or of one
        that holds values which slope and intercept have moved out of it.

    Raises:
        DataError: If the file is broken, holds less than its header claims, or is not a volume.
    """
    try:
        image = _image(path)
        values = _values(path.name, image)
        affine = np.array(image.affine, float)
        affine[:3] *= _MILLIMETRES.get(str(image.header.get_xyzt_units()[0]), 1.0)
        stored = np.dtype(image.get_data_dtype())
    except _DAMAGE as error:
        raise DataError(f"{path.name} is not a readable NIfTI file; get the file again") from error
    return (
        values,
        physical_grid(path.name, values.shape[:-1], affine),
        file_type(stored[0] if stored.names else stored, values),
    )


def _image(path: Path) -> nib.Nifti1Image:
    """The image, once it is known that the file holds as many bytes as its header claims."""
    image = nib.load(path)
    if not isinstance(image, nib.Nifti1Image):  # Nifti2Image is one too
        raise ValueError("another format under the name of a NIfTI file")
    check_claim(path.name, image.shape)
    start = image.dataobj.offset  # type: ignore[attr-defined]
    needed = start + prod(image.shape) * np.dtype(image.get_data_dtype()).itemsize
    if not path.name.lower().endswith(".gz"):
        if path.stat().st_size < needed:
            raise DataError(
                f"{path.name} has {path.stat().st_size:,} bytes, its header claims {needed:,}; get "
                "the file again"
            )
        return image
    with gzip.open(path) as stream:
        held = read_at_most(stream, needed)
    if len(held) < needed:
        raise DataError(
            f"{path.name} unpacks to {len(held):,} bytes, its header claims {needed:,}; get the "
            "file again"
        )
    return type(image).from_bytes(held)


def _values(name: str, image: nib.Nifti1Image) -> np.ndarray:
    """Physical values ``[*spatial, channels]``, trailing spatial axes of one sample dropped."""
    dtype = np.dtype(image.get_data_dtype())
    if dtype.kind == "c":
        raise DataError(
            f"{name} holds complex numbers; expected real ones, such as their magnitude"
        )
    if dtype.names:  # NIfTI's RGB and RGBA; the alpha channel is dropped
        raw = np.asanyarray(image.dataobj)
        data = np.stack([raw[c].astype(np.float32) for c in dtype.names[:3]], axis=-1).reshape(
            *raw.shape[:3], -1
        )
    else:
        data = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
    rest = [n for n in data.shape[3:] if n > 1]
    if len(rest) > 1:
        raise DataError(f"{name} has a shape of {data.shape}; expected at most 3 axes and channels")
    return data.reshape(*without_single_slices(data.shape[:3]), *(rest or [1]))


def open_nifti(location: str, options: Mapping[str, str], skip_bad: bool) -> NiftiSource:
    """Open ``nifti:DIR``."""
    parsed = parse(NiftiOptions, options)
    return NiftiSource(open_folder(location), parsed, volume_steps(parsed), skip_bad=skip_bad)


KIND = SourceKind(
    "nifti",
    "a folder of NIfTI volumes of any shapes, or imagesTr and imagesTs",
    describe(NiftiOptions),
    open_nifti,
)
