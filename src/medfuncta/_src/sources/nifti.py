"""NIfTI volumes of any shapes and spacings: a folder of any depth, or the layouts of the Medical
Segmentation Decathlon, nnU-Net and BIDS, with label maps beside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np

from medfuncta._src.door.files import Origin, read_json
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.signals.preprocess import Preprocessing
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.contents import Contents, Format
from medfuncta._src.sources.file_names import case_of, channels_among, stem_of
from medfuncta._src.sources.folder import (
    FileOptions,
    Found,
    LabelMapOptions,
    file_items,
    find_signals,
    folder_contents,
    open_folder,
)
from medfuncta._src.sources.label_maps import label_maps_beside
from medfuncta._src.sources.nifti_files import (
    is_header_of_pair,
    read_grid,
    read_label_map,
    read_volume,
)
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item
from medfuncta._src.sources.volume import Volume, file_type
from medfuncta._src.sources.volume_options import StepOptions, ValueOptions, steps_of, volume_signal

_SUFFIXES: Final = (".nii", ".nii.gz")
_PAIR_HEADERS: Final = (".hdr", ".hdr.gz")
_PAIR_VOXELS: Final = (".img", ".img.gz")
_LABEL_FOLDERS: Final = {"imagesTr": "labelsTr", "imagesVal": "labelsVal", "imagesTs": "labelsTs"}
_NUMBER: Final = re.compile(r"[0-9]{1,9}$")


@dataclass(frozen=True)
class NiftiFileOptions(ValueOptions, LabelMapOptions):
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
    """The volumes of a folder, and the label maps beside them.

    Args:
        kind: The format's name.
        folder: The folder, or one file.
        options: How files are read.
        preprocessing: Steps for every volume.
        skips: Where to note what is left out.

    Raises:
        DataError: If there is no volume.
    """
    found = _with_pairs(folder, options, skips)
    if all(path.parent.name in _LABEL_FOLDERS.values() for path in found.signals):
        raise DataError(
            f"only label maps in '{folder.name}'; expected volumes, in imagesTr or beside each "
            "other"
        )
    items = _items(folder, found, options, skips)
    inside = folder.parent if folder.is_file() else folder

    def read(item: Item) -> Signal:
        volume = _stacked(item.name, [read_volume(path, inside) for path in item.paths])
        for remark in volume.remarks:
            skips.remark(remark, item.name)
        return volume_signal(item.name, volume.values, volume.grid, options, dtype=volume.dtype)

    def label_path(volume: Path) -> Path | None:
        return found.label_maps.get(volume) or _label_path(volume)

    said = _dataset_json(folder)
    label_maps = label_maps_beside(
        label_path,
        partial(read_label_map, inside=inside),
        partial(read_grid, inside=inside),
        _class_names(said),
    )
    return replace(
        folder_contents(kind, folder, items, options, read=read, preprocessing=preprocessing),
        licence=str(said.get("licence") or "unknown"),
        citation=str(said.get("reference") or ""),
        label_maps=label_maps,
    )


def _with_pairs(folder: Path, options: FileOptions, skips: Skips) -> Found:
    """Single files, and the headers of pairs; headers of Analyze and of other programs are passed
    over with a remark where there are other volumes.

    Raises:
        DataError: If there is nothing else.
    """
    suffixes = (*_SUFFIXES, *_PAIR_HEADERS)
    found = find_signals(folder, suffixes, options, skips, companions=_PAIR_VOXELS)
    if folder.is_file():
        return found
    others = {
        path
        for path in found.signals
        if path.name.lower().endswith(_PAIR_HEADERS) and not is_header_of_pair(path)
    }
    kept = [path for path in found.signals if path not in others]
    if not kept:
        return found  # what they are is told when one is read
    if others:
        skips.remark(f"passed over {len(others)} .hdr files, which are no headers of NIfTI")
    return replace(found, signals=kept)


def _items(folder: Path, found: Found, options: FileOptions, skips: Skips) -> list[Item]:
    """An item for each file, or for each case of nnU-Net whose channels are files."""
    paths = found.signals
    cases: Mapping[PurePath, Sequence[PurePath]] = {}
    if folder.is_dir():
        whole = {
            image.relative_to(folder)
            for image, labels in found.label_maps.items()
            if stem_of(labels.name).startswith(stem_of(image.name))
        }
        cases = channels_among([path.relative_to(folder) for path in paths], whole)
    if not cases:
        return file_items(folder, paths, options)
    files = {folder / case: tuple(map(folder.joinpath, names)) for case, names in cases.items()}
    channels = {path for paths_of_case in files.values() for path in paths_of_case}
    skips.remark(
        f"names of nnU-Net: the {counted(len(channels), 'file')} _0000, _0001, ... of {len(files)} "
        "cases are "
        "channels of one signal each"
    )
    alone = [path for path in paths if path not in channels]
    items = file_items(folder, sorted([*files, *alone]), options)
    return [replace(item, paths=files.get(item.paths[0], item.paths)) for item in items]


def _stacked(name: str, volumes: Sequence[Volume]) -> Volume:
    """Volumes that are channels of one signal.

    Raises:
        DataError: If they do not lie on one grid.
    """
    first = volumes[0]
    if len(volumes) == 1:
        return first
    for number, volume in enumerate(volumes):
        if not first.grid.is_close(volume.grid):
            raise DataError(
                f"channel {number} of {name} lies on another grid than channel 0; resample the "
                "channels to one grid"
            )
    values = np.concatenate([volume.values for volume in volumes], axis=-1)
    remarks = [remark for volume in volumes for remark in volume.remarks]
    stored = np.result_type(*(np.dtype(volume.dtype) for volume in volumes))
    return Volume(values, first.grid, file_type(stored, values), tuple(dict.fromkeys(remarks)))


def _label_path(volume: Path) -> Path | None:
    """Where the layouts of the Decathlon and of nnU-Net have the label map of a volume."""
    folder = _LABEL_FOLDERS.get(volume.parent.name)
    if folder is None:
        return None
    beside, stem = volume.parent.parent / folder, stem_of(volume.name)
    if (beside / volume.name).is_file():
        return beside / volume.name
    return beside / volume.name.replace(stem, case_of(stem), 1)


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


FORMAT = Format(
    "nifti",
    "a folder of NIfTI volumes of any shapes, or imagesTr and imagesTs",
    NiftiOptions,
    _open_nifti,
)
