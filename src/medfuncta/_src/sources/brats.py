"""Brain tumour MR in the layout of the BraTS challenges, preprocessed as in the paper."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from medfuncta._src.errors import DataError
from medfuncta._src.signals.preprocess import CropPad, Preprocessing, Quantiles
from medfuncta._src.sources.contents import Contents, Format
from medfuncta._src.sources.folder import open_folder
from medfuncta._src.sources.label_maps import label_maps_beside
from medfuncta._src.sources.nifti import NiftiFileOptions, nifti_contents
from medfuncta._src.sources.nifti_files import read_grid, read_label_map
from medfuncta._src.sources.options import option
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item
from medfuncta._src.sources.volume_options import block_mean

_SEQUENCES: Final = {
    "t1n": ("t1n", "t1"),
    "t1c": ("t1c", "t1ce"),
    "t2w": ("t2w", "t2"),
    "t2f": ("t2f", "flair"),
}
"""The challenge's names of a sequence since 2023, and before."""
_NAME: Final = re.compile(r"(?P<case>.+)[-_](?P<what>[a-z0-9]+)\.nii(\.gz)?$")
_PATIENT: Final = re.compile(
    r"(BraTS-[A-Za-z]+-\d+)-\d+$"
)  # 2023 on: a patient's number, then the number of the visit


@dataclass(frozen=True)
class BratsOptions(NiftiFileOptions):
    """How a BraTS folder is read."""

    sequence: Literal["t1n", "t1c", "t2w", "t2f"] = option(
        "t1n", "which MR sequence; the paper's is t1n"
    )
    size: int = option(32, "voxels along each side; 256 or a whole part of it", at_least=1)


def brats_steps(size: int) -> Preprocessing:
    """The paper's: quantiles 0.001 and 0.999 of the whole volume, background up to 256 voxels a
    side, then block means.

    Raises:
        ConfigError: If 256 is not a multiple of ``size``.
    """
    return Preprocessing(
        (Quantiles(0.001, 0.999), CropPad((256, 256, 256), fill=0.0), block_mean(256, size))
    )


def _open_brats(location: str, options: BratsOptions, skips: Skips) -> Contents:
    """Open ``brats:DIR``, a folder with a subfolder a case; its label maps are the ``seg`` files.

    Raises:
        DataError: If no file is of the wanted sequence.
    """
    folder = open_folder(location)
    volumes = nifti_contents("brats", folder, options, brats_steps(options.size), skips)
    chosen = [_grouped(item) for item in volumes.items if _is_of(item, options.sequence)]
    if not chosen:
        raise DataError(
            f"no {options.sequence} volume in '{folder.name}'; expected files such as "
            f"CASE-{options.sequence}.nii.gz"
        )
    return replace(
        volumes,
        items=chosen,
        label_maps=label_maps_beside(_label_path, read_label_map, read_grid),
        citation="Baid et al. 2021, arXiv:2107.02314",
        split_by="patient",
    )


def _is_of(item: Item, sequence: str) -> bool:
    """Whether a file's name ends in one of the names of a sequence."""
    name = _NAME.match(item.name)
    return name is not None and name["what"] in _SEQUENCES[sequence]


def _grouped(item: Item) -> Item:
    """An item whose group is its patient, so that visits stay together."""
    name = _NAME.match(item.name)
    assert name is not None
    return replace(item, group=_patient_of(name["case"]))


def _label_path(volume: Path) -> Path | None:
    """Where the label map of a volume lies."""
    name = _NAME.match(volume.name)
    if name is None:
        return None
    before, after = volume.name[: name.start("what")], volume.name[name.end("what") :]
    return volume.with_name(f"{before}seg{after}")


def _patient_of(case: str) -> str:
    found = _PATIENT.match(case)
    return found[1] if found else case


FORMAT = Format(
    "brats",
    "brain tumour MR in the layout of BraTS, preprocessed as in the paper",
    BratsOptions,
    _open_brats,
)
