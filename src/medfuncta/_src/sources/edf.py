"""Recordings in the European Data Format: EDF and EDF+, continuous or with breaks.

Read by ``edfio``: Python on NumPy and nothing else, which maps a file instead of loading it. It
takes a discontinuous file (EDF+D) for a continuous one, as MNE does, and pyEDFlib refuses such a
file; therefore the times of the data records are read here, and a recording is cut apart where it
was interrupted. Of the header only numbers, labels and units are looked at: its fields for the
patient, the recording and the date are not read by this module and stand in no error.

Format: https://www.edfplus.info/specs/edf.html and .../edfplus.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medfuncta._src.door.content import blaming
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError, missing_extra
from medfuncta._src.sources.contents import Contents, Format
from medfuncta._src.sources.folder import (
    FileOptions,
    file_items,
    find_files,
    open_folder,
    what_splits,
)
from medfuncta._src.sources.options import option
from medfuncta._src.sources.recordings import CutOptions, Lead, Recordings, free_name
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.traces import Annotation, Trace
from medfuncta._src.sources.units import as_latin1_read, to_millivolts

if TYPE_CHECKING:
    from edfio import Edf

_HEADER_BYTES: Final = 256  # of the file, and again of each signal
_SAMPLE_BYTES: Final = 2
_RECORD_START: Final = re.compile(rb"([+-]\d{1,12}(?:\.\d{0,12})?)\x14\x14")
"""The first annotation of a data record: when it begins, in seconds, and an empty text."""
_LARGEST: Final = 1e30  # of physical values: float32 holds what lies a little outside their range
_START_BYTES: Final = 32  # enough for it
_ANNOTATIONS: Final = "EDF Annotations"
_TYPES: Final = ("eeg", "ecg", "eog", "erg", "emg", "meg", "mcg", "ep", "resp")
"""Types of signals with which a label begins, as EDF+ has it, that name a modality."""


@dataclass(frozen=True)
class EdfOptions(FileOptions, CutOptions):
    """What is cut out of which files."""

    window: float | None = option(
        10.0,
        "seconds of a window; none: beats around annotations that are symbols of beats",
        more_than=0,
    )


@dataclass(frozen=True)
class EdfLayout:
    """What a header says of the file's size.

    Args:
        records: Data records.
        seconds: Length of a data record; 0 when the file holds annotations only.
        labels: Names of its signals, those of annotations too.
        samples: How many samples each has in a data record.
        interrupted: Whether data records need not follow each other (EDF+D).
    """

    records: int
    seconds: float
    labels: tuple[str, ...]
    samples: tuple[int, ...]
    interrupted: bool

    @property
    def header_bytes(self) -> int:
        """Bytes before the first data record."""
        return _HEADER_BYTES * (1 + len(self.labels))

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return self.header_bytes + self.records * sum(self.samples) * _SAMPLE_BYTES


@dataclass(frozen=True, eq=False)
class EdfRecording:
    """A file whose header was read.

    Args:
        path: The file.
        layout: What its header says of its size.
        leads: Its channels by name, without those that have no scale.
        positions: Where each lead stands among the file's signals.
    """

    path: Path
    layout: EdfLayout
    leads: Mapping[str, Lead]
    positions: Mapping[str, int]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def seconds(self) -> float:
        """How long it lasts, interruptions left out."""
        return self.layout.records * self.layout.seconds

    def traces(self, lead: str) -> list[Trace]:
        """One lead, voltages in millivolts, as one trace between any two interruptions.

        Raises:
            DataError: If the file cannot be read, or runs back in time.
        """
        with blaming(self.path, listed=True), _reading(self.name):
            signal = _read(self.path).signals[self.positions[lead]]
            _, factor = to_millivolts(as_latin1_read(signal.physical_dimension))
            values = np.asarray(signal.data, np.float64) * factor
        rate = self.leads[lead].rate
        starts = np.zeros(1)
        if self.layout.interrupted:
            starts = self._record_starts()
        ends = starts + self.layout.seconds
        pauses = starts[1:] - ends[:-1]
        if (pauses < -0.5 / rate).any():
            raise DataError(
                f"data records of {self.name} run back in time; repair the file or leave it out"
            )
        first = np.flatnonzero(pauses > 0.5 / rate) + 1  # records behind an interruption
        samples = len(values) // self.layout.records
        traces = []
        for start, part in zip(
            starts[[0, *first]].tolist(), np.split(values, first * samples), strict=True
        ):
            observed = np.ones(len(part), bool)
            traces.append(Trace(part, observed, rate, start - float(starts[0])))
        return traces

    def annotations(self) -> list[Annotation]:
        """What the file notes, in order of time; none in a file that is not EDF+.

        Raises:
            DataError: If annotations are not as EDF+ has them.
        """
        with blaming(self.path, listed=True), _reading(self.name):
            found = _read(self.path).annotations
            return [Annotation(float(entry.onset), entry.text) for entry in found]

    def _record_starts(self) -> np.ndarray:
        """Seconds at which data records begin, ``[records]``."""
        layout = self.layout
        if _ANNOTATIONS not in layout.labels:
            raise DataError(
                f"{self.name} says that it has interruptions (EDF+D) but not when; repair the file"
            )
        number = layout.labels.index(_ANNOTATIONS)
        before, samples = sum(layout.samples[:number]), layout.samples[number]
        records = np.memmap(
            self.path,
            dtype=np.uint8,
            mode="r",
            offset=layout.header_bytes,
            shape=(layout.records, sum(layout.samples) * _SAMPLE_BYTES),
        )
        begin = before * _SAMPLE_BYTES
        end = begin + min(samples * _SAMPLE_BYTES, _START_BYTES)
        starts = np.empty(layout.records)
        for record in range(layout.records):
            match = _RECORD_START.match(records[record, begin:end].tobytes())
            if match is None:
                raise DataError(
                    f"data record {record} of {self.name} does not tell when it begins; repair "
                    "the file or leave it out"
                )
            starts[record] = float(match[1])
        return starts


def open_recording(path: Path) -> EdfRecording:
    """The header of a file, held against the file's size.

    Raises:
        DataError: If it is not a header of EDF, or claims what cannot be.
        MedFunctaError: If ``edfio`` is not installed.
    """
    with blaming(path, listed=True):
        layout = _read_layout(path)
    leads: dict[str, Lead] = {}
    positions: dict[str, int] = {}
    with _reading(path.name):
        for position, signal in enumerate(_read(path).signals):
            low, high = signal.physical_range
            if not max(abs(low), abs(high)) < _LARGEST:  # NaN is not less either
                raise ValueError("a physical range that is none")
            if signal.digital_min >= signal.digital_max or low == high:
                continue  # a channel that was switched off
            unit, _ = to_millivolts(as_latin1_read(signal.physical_dimension))
            name = free_name(signal.label or f"channel {position + 1}", leads)
            leads[name] = Lead(unit, float(signal.sampling_frequency))
            positions[name] = position
    for name, lead in leads.items():
        if not 0 < lead.rate < 1e6:
            raise DataError(
                f"{path.name} claims {lead.rate:g} samples a second for {name}; expected a "
                "positive number below a million"
            )
    return EdfRecording(path, layout, leads, positions)


def _read_layout(path: Path) -> EdfLayout:
    """What a header says of the file's size, held against that size.

    Raises:
        DataError: If it is not a header of EDF, or the file is of another size.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
            if len(head) < _HEADER_BYTES or head[:8].strip() != b"0":
                raise DataError(f"{path.name} is not an EDF file; check the file")
            signals = _whole(path, head[252:256], "number of signals", least=1)
            channels = file.read(_HEADER_BYTES * signals)
    except OSError as error:
        raise DataError(f"{path.name} cannot be read; check the file") from error
    if len(channels) < _HEADER_BYTES * signals:
        raise DataError(f"{path.name} ends within its header; get it again")
    records = _whole(path, head[236:244], "number of data records", least=1)
    seconds = _seconds(path, head[244:252])
    labels = _fields(channels, 0, 16, signals)
    samples = [
        _whole(path, field, "number of samples in a data record", least=1)
        for field in _fields(channels, 216 * signals, 8, signals)
    ]
    layout = EdfLayout(
        records=records,
        seconds=seconds,
        labels=tuple(label.decode("latin-1").rstrip() for label in labels),
        samples=tuple(samples),
        interrupted=head[192:197] == b"EDF+D",
    )
    if seconds == 0 and set(layout.labels) != {_ANNOTATIONS}:
        raise DataError(
            f"{path.name} claims data records of 0 seconds; expected a positive length; repair "
            "its header"
        )
    _check_size(path, head, layout)
    return layout


def _check_size(path: Path, head: bytes, layout: EdfLayout) -> None:
    header_bytes = _whole(path, head[184:192], "length of the header", least=0)
    if header_bytes != layout.header_bytes:
        raise DataError(
            f"{path.name} claims a header of {header_bytes} bytes; "
            f"{counted(len(layout.labels), 'signal')} "
            f"need {layout.header_bytes}; repair its header"
        )
    found = path.stat().st_size
    if found != layout.file_bytes:
        raise DataError(
            f"{path.name} has {found} bytes; its header claims {layout.file_bytes}; get it again"
        )


def _fields(block: bytes, start: int, length: int, count: int) -> list[bytes]:
    """Fields of one kind, which follow each other for all signals."""
    return [block[start + i * length : start + (i + 1) * length] for i in range(count)]


def _whole(path: Path, field: bytes, what: str, *, least: int) -> int:
    """A whole number of a header. What stands there instead is not told: where fields are shifted,
    it is a part of the patient's name."""
    try:
        number = int(field)
    except ValueError:
        raise DataError(
            f"{path.name} has no whole number as its {what}; repair its header"
        ) from None
    if number < least:
        raise DataError(
            f"{path.name} claims {number} as its {what}; expected at least {least}; close the "
            "recording or repair its header"
        )
    return number


def _seconds(path: Path, field: bytes) -> float:
    try:
        seconds = float(field)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e8:
        raise DataError(
            f"{path.name} has no length of data records in seconds; expected a positive number; "
            "repair its header"
        )
    return seconds


def _read(path: Path) -> Edf:
    try:
        from edfio import read_edf
    except ImportError as error:
        raise missing_extra("edfio", "edf") from error
    return read_edf(path, lazy_load_data=True, header_encoding="latin-1")


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """What the library says of a file that is not of its format is told without its words, which
    may quote the file."""
    try:
        yield
    except (OSError, ValueError, LookupError, ArithmeticError, MemoryError) as error:
        raise DataError(
            f"{name} is not as EDF has it (numbers of a channel, or annotations); repair the file "
            "or leave it out"
        ) from error


def modality_of(lead: str) -> str:
    """The modality that a label begins with, as EDF+ has it; ``""`` when it names none.

    >>> modality_of("EEG Fpz-Cz"), modality_of("Body temperature")
    ('eeg', '')
    """
    first = lead.lower().split(" ")[0]
    if first in _TYPES:
        return first
    return ""


def _open_edf(location: str, options: EdfOptions, skips: Skips) -> Contents:
    """What lies in ``edf:DIR`` or ``edf:FILE``."""
    folder = open_folder(location)
    items = file_items(folder, find_files(folder, (".edf",), skips.skip), options)
    recordings = Recordings(
        folder=folder.name,
        items=items,
        options=options,
        splitting=options,
        open_recording=open_recording,
        skips=skips,
        modality_of=modality_of,
    )
    split_by = what_splits(folder, items, options)
    return recordings.contents("edf", folder, limit=options.limit, split_by=split_by)


FORMAT = Format(
    name="edf",
    summary="recordings in EDF and EDF+: windows, or annotated heartbeats",
    options=EdfOptions,
    open=_open_edf,
)
