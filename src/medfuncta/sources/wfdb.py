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
from medfuncta.sources.layout import subject_of
from medfuncta.sources.options import option
from medfuncta.sources.recordings import CutOptions, Lead, Recordings, free_name
from medfuncta.sources.skips import Skips
from medfuncta.sources.splitting import Item, SplitOptions
from medfuncta.sources.traces import Annotation, Trace
from medfuncta.sources.units import to_millivolts
from medfuncta.sources.wfdb_header import HeaderText, read_header, readable

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
_SAMPLE_FILES: Final = (".dat", ".mat", ".rec")
"""Suffixes of signal files that bear their record's name."""
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
        positions: Where each stands among the record's signals.
        rate: Frames a second; a signal has one sample or more in each.
        seconds: How long it lasts, or None when the header does not say.
        inside: The folder that its other files must lie in.
    """

    path: Path
    annotator: str
    leads: Mapping[str, Lead]
    positions: Mapping[str, int]
    rate: float
    seconds: float | None
    inside: Path

    @property
    def name(self) -> str:
        """The header's file."""
        return f"{self.path.name}.hea"

    def traces(self, lead: str) -> list[Trace]:
        """One lead as one trace at its own rate, voltages in millivolts.

        Raises:
            DataError: If the signal file is missing, truncated or not what the header says.
        """
        text = read_header(self.path)
        with readable(self.path, text) as name:
            header = _parse_header(self.path, name)
            _check_signal_files(self.path, text, header, self.inside)
            try:
                record: Any = wfdb.rdrecord(
                    name, channels=[self.positions[lead]], smooth_frames=False
                )
            except (*_BROKEN, MemoryError) as error:
                raise DataError(
                    f"the signals of {self.name} cannot be read ({reason(error)}); copy the "
                    "record again"
                ) from error
        _, factor = to_millivolts(text.units[self.positions[lead]])
        values = record.e_p_signal[0] * factor
        if not np.isfinite(values).any():
            raise DataError(
                f"lead {lead} of {self.name} has no observed sample; leave the record out with "
                f"exclude={self.path.name}"
            )
        return [Trace.bridged(values, self.leads[lead].rate)]

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
        # A file of annotations may count in ticks of its own; without, it counts frames.
        seconds = (samples / float(annotation.fs or self.rate)).tolist()
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
    text = read_header(path)
    with readable(path, text) as name:
        header = _parse_header(path, name)
    _check_held(path, header)
    if not 0 < header.fs < 1e6:
        raise DataError(
            f"{path.name}.hea claims {header.fs} samples a second; expected a positive number "
            "below a million"
        )
    rate = float(header.fs)
    leads: dict[str, Lead] = {}
    positions: dict[str, int] = {}
    for position, label in enumerate(header.sig_name):
        unit, _ = to_millivolts(text.units[position])
        name = free_name(label, leads)
        leads[name] = Lead(unit, rate * header.samps_per_frame[position])
        positions[name] = position
    seconds = header.sig_len / rate if header.sig_len else None
    return WfdbRecord(path, annotator, leads, positions, rate, seconds, inside)


def _parse_header(path: Path, name: str) -> Any:
    """What the library makes of a header that it can read under this name."""
    try:
        return wfdb.rdheader(name)
    except (*_BROKEN, OSError) as error:
        raise DataError(
            f"{path.name}.hea is not a WFDB header ({reason(error)}); check the file"
        ) from error


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


def _check_signal_files(path: Path, text: HeaderText, header: Any, inside: Path) -> None:
    """Whether the files that a header names lie beside it and are as long as it says, before
    anything is allocated."""
    held = 0
    for name in dict.fromkeys(text.files):
        file = path.parent / name
        _check_beside(file, inside)
        if not file.is_file():
            raise DataError(f"no file {name}, which {path.name}.hea names; copy the whole record")
        frame = 0.0
        for i, other in enumerate(text.files):
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
    """An item a record, those of one patient or recording in one group, in the order of the groups'
    names."""
    root = folder.parent if folder.is_file() else folder
    paths = {}
    for header in find_files(folder, (".hea",), skips.skip):
        path = header.with_suffix("")
        name = path.relative_to(root).as_posix()
        if name not in options.exclude:
            paths[name] = path
    if not paths:
        raise DataError(
            f"exclude= leaves no record of '{folder.name}'; expected at least one to be left"
        )
    recording_of = _recordings_in_segments(paths, skips)
    group_of = {name: subject_of(Path(name)) or name for name in paths} | recording_of
    for joined in options.patients:
        members = [name for name in joined.split("+") if name in paths]
        group_of |= dict.fromkeys(members, "+".join(members))
    items = []
    for name in sorted(paths, key=lambda name: group_of[name]):
        id = public_name(name, options.ids).replace("/", "--")
        items.append(Item(id, paths[name].name, paths=(paths[name],), group=group_of[name]))
    return items


def _recordings_in_segments(paths: dict[str, Path], skips: Skips) -> dict[str, str]:
    """Of each segment the recording that it belongs to, by their names; headers that only join
    segments, or describe them, are taken out of ``paths``. A header beside samples of its own name
    is left closed: it may be of the test split."""
    recording_of: dict[str, str] = {}
    for name, path in list(paths.items()):
        if any(path.with_name(f"{path.name}{suffix}").exists() for suffix in _SAMPLE_FILES):
            continue
        try:
            header = read_header(path)
        except DataError:
            continue  # told when it is read
        within = Path(name).parent
        segments = [(within / segment).as_posix() for segment in header.segments]
        if header.joins_segments and not recording_of.keys().isdisjoint(segments):
            reason = "joins segments that another header joins too"
        elif header.joins_segments and any(segment in paths for segment in segments):
            reason = "joins segments, which are read one by one and stay in one split"
            recording_of |= {segment: name for segment in segments if segment in paths}
        elif header.is_layout:
            reason = "tells only which leads the segments of a recording may have"
        else:
            continue
        del paths[name]
        recording_of.pop(name, None)
        skips.leave_out(path.name, reason)
    return recording_of


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
