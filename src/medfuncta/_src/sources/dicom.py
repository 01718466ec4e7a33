"""DICOM folders: volumes from series, single images, multi-frame files and 12-lead traces; patients
are never split or named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from medfuncta._src.door.allowance import NUMBER, check_signal, on_disk
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.preprocess import Preprocessing
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.contents import Contents, Format
from medfuncta._src.sources.dicom_files import Series, find_series, read_dataset, reading
from medfuncta._src.sources.dicom_image import read_series
from medfuncta._src.sources.folder import FolderOptions, find_files, open_folder
from medfuncta._src.sources.identity import public_name
from medfuncta._src.sources.options import details, option
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item
from medfuncta._src.sources.volume_options import StepOptions, ValueOptions, steps_of, volume_signal

if TYPE_CHECKING:
    from pydicom import Dataset

_MILLIVOLTS: Final = {"uV": 1e-3, "mV": 1.0, "V": 1e3}


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
class DicomOptions(StepOptions, DicomFileOptions):
    """How a folder of DICOM files is read and preprocessed."""

    modality: str = option(
        "", "the series of one modality, by the standard's code, such as CT, MR or RTDOSE"
    )


def _open_dicom(location: str, options: DicomOptions, skips: Skips) -> Contents:
    """Open ``dicom:DIR``."""
    folder = open_folder(location)
    name = public_name(folder.name, "names" if options.files else "hash")
    return dicom_contents(
        f"dicom:{name}", folder, options, steps_of(options), skips, options.modality.upper()
    )


def dicom_contents(
    name: str,
    folder: Path,
    options: DicomFileOptions,
    preprocessing: Preprocessing,
    skips: Skips,
    modality: str = "",
) -> Contents:
    """The series of a folder of DICOM files in any order, below any subfolders.

    Headers of all files are read at once, since only they tell which files make a series; pixels
    are read when their signal is.

    Args:
        name: What the data set is called, ``kind:name``.
        folder: The folder, or one file.
        options: How files are read.
        preprocessing: Steps for every signal.
        skips: Where to note what is left out.
        modality: The standard's code, such as ``"CT"``, of the series to take; without it all, but
            for doses beside the images that they were computed on.

    Raises:
        DataError: If there is no series.
    """
    paths = _find_paths(folder, options, skips)
    numbers = {path: number for number, path in enumerate(paths, start=1)}

    def name_of(path: Path) -> str:
        if options.files:
            return path.name
        return f"file {numbers[path]} of {len(paths)} in the order of names"

    series = _of_modality(find_series(paths, name_of, skips), modality, skips)
    traces = {entry.id for entry in series if entry.waveform}
    items = [Item(entry.id, f"series {entry.id}", entry.paths, entry.patient) for entry in series]

    def read(item: Item) -> Signal:
        if item.id in traces:
            return _trace_signal(item, options)
        return _image_signal(item, options, skips)

    return Contents(
        name=name,
        location=folder,
        items=items,
        read=read,
        preprocessing=preprocessing,
        splitting=options,
        limit=options.limit,
        split_by="patient",
        details=details(options),
        unlike="keep series of one form in a folder, or choose them, such as with modality=MR",
    )


def _of_modality(series: Sequence[Series], modality: str, skips: Skips) -> list[Series]:
    """The series of one modality; without one all, but for doses beside images.

    Raises:
        DataError: If there is none.
    """
    found = Counter(entry.modality for entry in series)
    if modality:
        if modality not in found:
            raise DataError(
                f"no series of modality {modality}; expected one of {', '.join(sorted(found))}"
            )
        return [entry for entry in series if entry.modality == modality]
    doses = found.pop("RTDOSE", 0)
    if not (doses and found):
        return list(series)
    skips.remark(
        f"passed over {doses} radiotherapy doses (RTDOSE) beside images; modality=RTDOSE takes them"
    )
    return [entry for entry in series if entry.modality != "RTDOSE"]


def _find_paths(folder: Path, options: DicomFileOptions, skips: Skips) -> list[Path]:
    """All files; a message about a link names it only if names may be told."""

    def refuse_link(name: str, error: DataError) -> None:
        if not options.files:
            error = DataError("a symbolic link leaves the folder; copy the files into the folder")
        skips.skip("a link", error)

    return find_files(folder, ("",), refuse_link)


def _trace_signal(item: Item, options: DicomFileOptions) -> Signal:
    values, grid, unit = _read_traces(item.paths[0], item.name)
    return volume_signal(item.name, values, grid, options, unit=unit, modality="ecg")


def _image_signal(item: Item, options: DicomFileOptions, skips: Skips) -> Signal:
    image = read_series(item.paths, item.name, mask_missing=options.missing == "mask")
    for remark in image.remarks:
        skips.remark(remark, item.name)
    return volume_signal(
        item.name,
        image.values,
        image.grid,
        options,
        mask=image.mask,
        dtype=image.dtype,
        unit=image.unit,
        modality=image.modality,
    )


def _read_traces(path: Path, name: str) -> tuple[np.ndarray, Grid, str]:
    """The first group of channels of a waveform file.

    Returns:
        Values ``[samples, channels]`` float32; the grid in seconds; ``"mV"`` for voltages, else the
        unit's code.

    Raises:
        DataError: If the file is broken, holds less than its header claims, or mixes units.
    """
    with reading(name):
        from pydicom.waveforms.numpy_handler import multiplex_array

        data = read_dataset(path, name)
        group = data.WaveformSequence[0]
        samples = int(group.NumberOfWaveformSamples) * int(group.NumberOfWaveformChannels)
        needed = samples * int(group.WaveformBitsAllocated) // 8
        if not 0 < needed <= len(group.WaveformData):
            raise DataError(
                f"{name} holds {len(group.WaveformData):,} bytes of traces, its header claims "
                f"{needed:,}; get it again"
            )
        check_signal(name, samples * NUMBER, on_disk(path))
        values = multiplex_array(data, 0, as_raw=False)
        grid = Grid(values.shape[:1], (1 / float(group.SamplingFrequency),), unit="s")
        unit = _trace_unit(name, group)
        if unit in _MILLIVOLTS:
            values, unit = values * _MILLIVOLTS[unit], "mV"
        return values.astype(np.float32), grid, unit


def _trace_unit(name: str, group: Dataset) -> str:
    """The one unit of all channels."""
    units = set()
    for channel in group.ChannelDefinitionSequence:
        sequence = channel.get("ChannelSensitivityUnitsSequence")
        units.add(str(sequence[0].CodeValue) if sequence else "")
    if len(units) != 1:
        raise DataError(f"{name} has traces in {len(units)} different units; expected one")
    return units.pop()


FORMAT = Format(
    "dicom", "a folder of DICOM series, single images or ECG traces", DicomOptions, _open_dicom
)
