"""Records in the format of PhysioNet's WFDB, read with the field's own library and checked before
their data are touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import wfdb

from medfuncta.door.allowance import check_signal
from medfuncta.door.files import lies_outside, reason
from medfuncta.errors import DataError
from medfuncta.sources.contents import Contents, Format
from medfuncta.sources.folder import find_files, open_folder
from medfuncta.sources.identity import public_name
from medfuncta.sources.options import option
from medfuncta.sources.recordings import CutOptions, Lead, Recordings
from medfuncta.sources.skips import Skips
from medfuncta.sources.splitting import Item, SplitOptions
from medfuncta.sources.traces import Annotation, Trace, to_millivolts

_NUMBER: Final = 8  # bytes of a sample in memory
_SAMPLE_BYTES: Final = {
    "8": 1,
    "16": 2,
    "24": 3,
    "32": 4,
    "61": 2,
    "80": 1,
    "160": 2,
    "212": 3 / 2,
    "310": 4 / 3,
    "311": 4 / 3,
}
"""Bytes a sample takes in each uncompressed signal format."""
_BROKEN: Final = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What the library raises on a file that is not of its format, besides what it says of missing
ones."""


@dataclass(frozen=True)
class WfdbOptions(SplitOptions, CutOptions):
    """What is cut out of which records."""

    annotator: str = option("atr", "suffix of the annotation files")
    exclude: tuple[str, ...] = option(
        (), "records left out; AAMI's practice for MIT-BIH is 102,104,107,217, which are paced"
    )
    patients: tuple[str, ...] = option(
        (), "records of one patient, joined by +, such as 201+202 of MIT-BIH; never split"
    )
    ids: Literal["hash", "names"] = option(
        "hash", "name signals by a 'hash' of their record's name, or by the 'names' themselves"
    )
    limit: int | None = option(None, "the first N signals of each split", at_least=1)


@dataclass(frozen=True, eq=False)
class WfdbRecord:
    """A record whose header was read.

    Args:
        path: The record, without suffix.
        annotator: Suffix of its annotation file.
        leads: Its signals by name.
        rate: Samples a second.
        inside: The folder that its other files must lie in.
    """

    path: Path
    annotator: str
    leads: Mapping[str, Lead]
    rate: float
    inside: Path

    @property
    def name(self) -> str:
        """The header's file."""
        return f"{self.path.name}.hea"

    def traces(self, lead: str) -> list[Trace]:
        """One lead as one trace, voltages in millivolts.

        Raises:
            DataError: If the signal file is missing, truncated or not what the header says.
        """
        _check_signal_files(self.path, _parse_header(self.path), self.inside)
        try:
            record: Any = wfdb.rdrecord(str(self.path), channel_names=[lead])
        except (*_BROKEN, MemoryError) as error:
            raise DataError(
                f"the signals of {self.name} cannot be read ({reason(error)}); copy the record "
                "again"
            ) from error
        _, factor = to_millivolts(record.units[0])
        values = record.p_signal[:, 0] * factor
        if not np.isfinite(values).any():
            raise DataError(
                f"lead {lead} of {self.name} has no observed sample; leave the record out with "
                f"exclude={self.path.name}"
            )
        return [Trace.bridged(values, self.rate)]

    def annotations(self) -> list[Annotation]:
        """What the annotation file says, in order of time.

        Raises:
            DataError: If the file is missing or is not one of annotations.
        """
        name = f"{self.path.name}.{self.annotator}"
        _check_beside(self.path.with_name(name), self.inside)
        try:
            annotation: Any = wfdb.rdann(str(self.path), self.annotator)
        except FileNotFoundError as error:
            raise DataError(
                f"no file {name} beside {self.name}; beats need it, or cut windows with "
                "window=SECONDS"
            ) from error
        except _BROKEN as error:
            raise DataError(f"{name} is not a WFDB annotation file; copy it again") from error
        samples = np.asarray(annotation.sample)
        if (np.diff(samples) < 0).any() or (samples < 0).any():
            raise DataError(f"the annotations in {name} run back in time; copy the file again")
        seconds = (samples / self.rate).tolist()
        return [
            Annotation(second, symbol)
            for second, symbol in zip(seconds, annotation.symbol, strict=True)
        ]


def _open_record(path: Path, inside: Path, annotator: str = "atr") -> WfdbRecord:
    """The header of a record.

    Args:
        path: The record, without suffix.
        inside: The folder that its other files must lie in.
        annotator: Suffix of its annotation file.

    Raises:
        DataError: If the file is missing, is not a header, or claims what cannot be.
    """
    header = _parse_header(path)
    _check_held(path, header)
    if not 0 < header.fs < 1e6:
        raise DataError(
            f"{path.name}.hea claims {header.fs} samples a second; expected a positive number "
            "below a million"
        )
    rate = float(header.fs)
    leads = {}
    for lead, unit in zip(header.sig_name, header.units, strict=True):
        kept_unit, _ = to_millivolts(unit)
        leads[lead] = Lead(kept_unit, rate)
    return WfdbRecord(path, annotator, leads, rate, inside)


def _parse_header(path: Path) -> Any:
    try:
        return wfdb.rdheader(str(path))
    except FileNotFoundError as error:
        raise DataError(f"no file {path.name}.hea; check the location") from error
    except _BROKEN as error:
        raise DataError(f"{path.name}.hea is not a WFDB header; copy the record again") from error


def _check_held(path: Path, header: Any) -> None:
    """Whether a header describes signals in files beside it."""
    held = ""
    if isinstance(header, wfdb.MultiRecord):
        held = "segments"
    elif not header.n_sig:
        held = "no signals"
    if held:
        raise DataError(f"{path.name}.hea describes {held}; expected signals in files beside it")


def _check_beside(file: Path, inside: Path) -> None:
    """Refuse a file of a record that lies elsewhere, or that a reader would wait for."""
    if lies_outside(file, inside):
        raise DataError(
            f"{file.name} is a link that leaves the folder; copy the file into the folder, or give "
            "--follow-links"
        )
    if file.exists() and not file.is_file():
        raise DataError(f"{file.name} is a folder, a pipe or a device; expected a file")


def _check_signal_files(path: Path, header: Any, inside: Path) -> None:
    """Whether the files that a header names lie beside it and are as long as it says, before
    anything is allocated."""
    held = 0
    for name in dict.fromkeys(header.file_name):
        file = path.parent / name
        _check_beside(file, inside)
        if not file.is_file():
            raise DataError(f"no file {name}, which {path.name}.hea names; copy the whole record")
        frame = 0.0
        for i, other in enumerate(header.file_name):
            if other == name:
                frame += header.samps_per_frame[i] * _SAMPLE_BYTES.get(header.fmt[i], 0)
        needed, found = int(frame * (header.sig_len or 0)), file.stat().st_size
        held += found
        if found < needed:
            raise DataError(
                f"{name} has {found} bytes; {path.name}.hea needs {needed}; copy the record again"
            )
    samples = (header.sig_len or 0) * sum(header.samps_per_frame)
    check_signal(f"{path.name}.hea", samples * _NUMBER, held)
    if max((skew or 0 for skew in header.skew), default=0) > (header.sig_len or 0):
        raise DataError(
            f"{path.name}.hea shifts a signal by more samples than it has; copy the record again"
        )


def _records(folder: Path, options: WfdbOptions, skips: Skips) -> list[Item]:
    """An item a record, those of one patient in one group, in the order of the groups' names."""
    root = folder.parent if folder.is_file() else folder
    paths = {}
    for header in find_files(folder, (".hea",), skips.skip):
        path = header.with_suffix("")
        name = path.relative_to(root).as_posix()
        if name not in options.exclude:
            paths[name] = path
    groups: dict[str, list[str]] = {}
    for joined in options.patients:
        members = [name for name in joined.split("+") if name in paths]
        if members:
            groups["+".join(members)] = members
    joint = {name for members in groups.values() for name in members}
    for name in paths:
        if name not in joint:
            groups[name] = [name]
    items = []
    for group in sorted(groups):
        for name in groups[group]:
            id = public_name(name, options.ids).replace("/", "--")
            items.append(Item(id=id, name=paths[name].name, paths=(paths[name],), group=group))
    return items


def _open_wfdb(location: str, options: WfdbOptions, skips: Skips) -> Contents:
    """What lies in ``wfdb:DIR``."""
    folder = open_folder(location)
    inside = folder.parent if folder.is_file() else folder

    def open_recording(path: Path) -> WfdbRecord:
        return _open_record(path, inside, options.annotator)

    def modality_of(_lead: str) -> str:
        return "ecg"

    items = _records(folder, options, skips)
    recordings = Recordings(
        folder=folder.name,
        items=items,
        options=options,
        splitting=options,
        open_recording=open_recording,
        skips=skips,
        modality_of=modality_of,
    )
    return recordings.contents("wfdb", folder, limit=options.limit, split_by="record")


FORMAT = Format(
    name="wfdb",
    summary="records of PhysioNet's WFDB: annotated heartbeats, or windows",
    options=WfdbOptions,
    open=_open_wfdb,
)
