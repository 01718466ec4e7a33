"""DICOM folders: volumes from series, single images, multi-frame files and 12-lead traces; patients
are never split or named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medfuncta.errors import DataError
from medfuncta.signals.preprocess import Preprocessing
from medfuncta.signals.signal import Signal
from medfuncta.sources.dicom_files import Series, find_series
from medfuncta.sources.dicom_image import read_series
from medfuncta.sources.dicom_waveform import read_traces
from medfuncta.sources.folder import FolderOptions, find_files, open_folder
from medfuncta.sources.identity import public_name
from medfuncta.sources.item_source import ItemSource
from medfuncta.sources.old_source import SourceKind
from medfuncta.sources.options import describe, details, option, parse
from medfuncta.sources.source import SourceInfo
from medfuncta.sources.splitting import Item, split_items
from medfuncta.sources.volumes import ValueOptions, VolumeOptions, volume_signal, volume_steps


@dataclass(frozen=True)
class DicomFileOptions(ValueOptions, FolderOptions):
    """How DICOM files are read, whatever is done with them then."""

    missing: Literal["refuse", "mask"] = option(
        "refuse", "what to do with a series that lacks slices: 'refuse' it or 'mask' them"
    )
    files: bool = option(
        False,
        "name files and the folder in messages and metadata, even if their names identify someone",
    )


@dataclass(frozen=True)
class DicomOptions(VolumeOptions, DicomFileOptions):
    """How a folder of DICOM files is read and preprocessed."""


class DicomSource(ItemSource):
    """A folder of DICOM files in any order, below any subfolders.

    Headers of all files are read at once, since only they tell which files make a series; pixels
    are read when their signal is.

    Args:
        folder: The folder, or one file.
        options: How it is read.
        preprocessing: Steps for every signal.
        skip_bad: Leave bad files and series out instead of stopping at the first.
        name: What the data set is called; by default the kind and a digest of the folder's name.
    """

    def __init__(
        self,
        folder: Path,
        options: DicomFileOptions,
        preprocessing: Preprocessing,
        *,
        skip_bad: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__({}, preprocessing, skip_bad=skip_bad)
        self.options, self.location = options, folder
        self.name = (
            name or f"dicom:{public_name(folder.name, 'names' if options.files else 'hash')}"
        )
        paths = find_files(folder, ("",), self._refuse_link)
        numbers = {
            path: f"file {number} of {len(paths)} in the order of names"
            for number, path in enumerate(paths, start=1)
        }
        series = find_series(
            paths, lambda path: path.name if options.files else numbers[path], self.skip
        )
        series = [entry for entry in series if self._wanted(entry)]
        self._traces = {entry.id for entry in series if entry.waveform}
        items = [
            Item(entry.id, f"series {entry.id}", entry.paths, entry.patient) for entry in series
        ]
        self.items = split_items(items, options)
        self.items = {split: found[: options.limit] for split, found in self.items.items()}

    def _wanted(self, series: Series) -> bool:
        """Whether a series belongs to the data set."""
        return True

    def _refuse_link(self, name: str, error: DataError) -> None:
        self.skip(
            "a link",
            error
            if self.options.files
            else DataError("a symbolic link leaves the folder; copy the files into the folder"),
        )

    @property
    def own_info(self) -> SourceInfo:
        facts = {**details(self.options), "preprocessing": self.preprocessing.to_text()}
        return SourceInfo(self.name, split_by="patient", details=facts)

    def _load(self, item: Item) -> Signal:
        if item.id in self._traces:
            values, grid, unit = read_traces(item.paths[0], item.name)
            return volume_signal(item.name, values, grid, self.options, unit=unit, modality="ecg")
        image = read_series(item.paths, item.name, mask_missing=self.options.missing == "mask")
        facts = {
            "mask": image.mask,
            "dtype": image.dtype,
            "unit": image.unit,
            "modality": image.modality,
        }
        return volume_signal(item.name, image.values, image.grid, self.options, **facts)


def open_dicom(location: str, options: Mapping[str, str], skip_bad: bool) -> DicomSource:
    """Open ``dicom:DIR``."""
    parsed = parse(DicomOptions, options)
    return DicomSource(open_folder(location), parsed, volume_steps(parsed), skip_bad=skip_bad)


FORMAT = SourceKind(
    "dicom",
    "a folder of DICOM series, single images or ECG traces",
    describe(DicomOptions),
    open_dicom,
)
