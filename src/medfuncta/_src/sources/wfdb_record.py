"""A record in the format of PhysioNet's WFDB, read with the field's own library and checked before
its data are touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import wfdb

from medfuncta._src.door.allowance import check_signal, on_disk
from medfuncta._src.door.files import lies_outside, reason
from medfuncta._src.errors import DataError
from medfuncta._src.sources.recordings import Lead, free_name
from medfuncta._src.sources.traces import Annotation, Trace
from medfuncta._src.sources.units import to_millivolts
from medfuncta._src.sources.wfdb_header import HeaderText, read_header, readable

NUMBER: Final = 8  # bytes of a sample in memory
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


class Samples(NamedTuple):
    """What a record holds of a lead.

    Args:
        values: ``[samples]``, NaN where nothing was observed.
        held: Bytes of the record's files on the disk.
    """

    values: np.ndarray
    held: int


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
            DataError: As :meth:`samples`, or if nothing was observed.
        """
        values = self.samples(lead).values
        if not np.isfinite(values).any():
            raise DataError(
                f"lead {lead} of {self.name} has no observed sample; leave the record out with "
                f"exclude={self.path.name}"
            )
        return [Trace.bridged(values, self.leads[lead].rate)]

    def samples(self, lead: str) -> Samples:
        """One lead at its own rate, voltages in millivolts.

        Raises:
            DataError: If the signal file is missing, truncated or not what the header says.
        """
        text = read_header(self.path)
        with readable(self.path, text) as name:
            header = _parse_header(self.path, name)
            held = _check_signal_files(self.path, text, header, self.inside)
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
        return Samples(record.e_p_signal[0] * factor, held)

    def annotations(self) -> list[Annotation]:
        """What the annotation file says, in order of time.

        Raises:
            DataError: If the file is missing or is not one of annotations.
        """
        return read_annotations(self.path, self.annotator, self.rate, self.inside)


def read_annotations(path: Path, annotator: str, rate: float, inside: Path) -> list[Annotation]:
    """What the annotation file beside a record's header says, in order of time.

    Args:
        path: The record, without suffix.
        annotator: The file's suffix.
        rate: Frames of the record a second.
        inside: The folder that the file must lie in.

    Raises:
        DataError: If the file is missing or is not one of annotations.
    """
    name = f"{path.name}.{annotator}"
    check_beside(path.with_name(name), inside)
    try:
        annotation: Any = wfdb.rdann(str(path), annotator)
    except FileNotFoundError as error:
        raise DataError(
            f"no file {name} beside {path.name}.hea; beats need it, or cut windows with "
            "window=SECONDS"
        ) from error
    except _BROKEN as error:
        raise DataError(f"{name} is not a WFDB annotation file; copy it again") from error
    samples = np.asarray(annotation.sample)
    if (np.diff(samples) < 0).any() or (samples < 0).any():
        raise DataError(f"the annotations in {name} run back in time; copy the file again")
    # A file of annotations may count in ticks of its own; without, it counts frames.
    seconds = (samples / float(annotation.fs or rate)).tolist()
    return [
        Annotation(second, symbol)
        for second, symbol in zip(seconds, annotation.symbol, strict=True)
    ]


def open_record(path: Path, inside: Path, annotator: str = "atr") -> WfdbRecord:
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
    check_rate(path, header.fs)
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


def check_rate(path: Path, rate: float) -> None:
    """Refuse a header whose sampling rate is none."""
    if not 0 < rate < 1e6:
        raise DataError(
            f"{path.name}.hea claims {rate} samples a second; expected a positive "
            "number below a "
            "million"
        )


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


def check_beside(file: Path, inside: Path) -> None:
    """Refuse a file of a record that lies elsewhere, or that a reader would wait for."""
    if lies_outside(file, inside):
        raise DataError(
            f"{file.name} is a link that leaves the folder; copy the file into the folder, or give "
            "--follow-links"
        )
    if file.exists() and not file.is_file():
        raise DataError(f"{file.name} is a folder, a pipe or a device; expected a file")


def _check_signal_files(path: Path, text: HeaderText, header: Any, inside: Path) -> int:
    """Whether the files that a header names lie beside it and are as long as it says, before
    anything is allocated; and the bytes that they take on the disk."""
    held = 0
    for name in dict.fromkeys(text.files):
        file = path.parent / name
        check_beside(file, inside)
        if not file.is_file():
            raise DataError(f"no file {name}, which {path.name}.hea names; copy the whole record")
        frame = 0.0
        for i, other in enumerate(text.files):
            if other == name:
                frame += header.samps_per_frame[i] * _SAMPLE_BYTES.get(header.fmt[i], 0)
        needed, found = int(frame * (header.sig_len or 0)), file.stat().st_size
        held += on_disk(file)
        if found < needed:
            raise DataError(
                f"{name} has {found} bytes; {path.name}.hea needs {needed}; copy the record again"
            )
    samples = (header.sig_len or 0) * sum(header.samps_per_frame)
    check_signal(f"{path.name}.hea", samples * NUMBER, held)
    if max((skew or 0 for skew in header.skew), default=0) > (header.sig_len or 0):
        raise DataError(
            f"{path.name}.hea shifts a signal by more samples than it has; copy the record again"
        )
    return held
