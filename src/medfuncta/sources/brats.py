"""Brain tumour MR in the layout of the BraTS challenges, preprocessed as in the paper."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from medfuncta.errors import DataError
from medfuncta.signals.preprocess import CropPad, Preprocessing, Quantiles
from medfuncta.sources.folder import Item, open_folder
from medfuncta.sources.nifti import NiftiFileOptions, NiftiSource
from medfuncta.sources.options import describe, option, parse
from medfuncta.sources.source import SourceInfo, SourceKind
from medfuncta.sources.volumes import block_mean

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


class BratsSource(NiftiSource):
    """A folder with a subfolder a case; label maps are its ``seg`` files."""

    kind = "brats"

    def __init__(self, folder: Path, options: BratsOptions, *, skip_bad: bool = False) -> None:
        self._sequence = options.sequence
        super().__init__(folder, options, brats_steps(options.size), skip_bad=skip_bad)

    def _find_items(self) -> list[Item]:
        named = [(item, _NAME.match(item.name)) for item in super()._find_items()]
        chosen = [
            (item, name)
            for item, name in named
            if name is not None and name["what"] in _SEQUENCES[self._sequence]
        ]
        if not chosen:
            raise DataError(
                f"no {self._sequence} volume in '{self.folder.name}'; expected files such as "
                f"CASE-{self._sequence}.nii.gz"
            )
        return [replace(item, group=_patient_of(name["case"])) for item, name in chosen]

    @property
    def own_info(self) -> SourceInfo:
        return replace(
            super().own_info, citation="Baid et al. 2021, arXiv:2107.02314", split_by="patient"
        )

    def _label_map_beside(self, path: Path) -> Path | None:
        name = _NAME.match(path.name)
        return (
            None
            if name is None
            else path.with_name(
                path.name[: name.start("what")] + "seg" + path.name[name.end("what") :]
            )
        )


def _patient_of(case: str) -> str:
    found = _PATIENT.match(case)
    return found[1] if found else case


def open_brats(location: str, options: Mapping[str, str], skip_bad: bool) -> BratsSource:
    """Open ``brats:DIR``."""
    return BratsSource(open_folder(location), parse(BratsOptions, options), skip_bad=skip_bad)


KIND = SourceKind(
    "brats",
    "brain tumour MR in the layout of BraTS, preprocessed as in the paper",
    describe(BratsOptions),
    open_brats,
)
