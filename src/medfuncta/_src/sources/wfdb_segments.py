"""A WFDB record in segments, which are records of their own: read as the one recording that it is.

The header of such a record names its segments in order of time and how many frames each lasts, and
``~`` for a gap in which nothing was recorded. In the fixed layout every segment has the same
signals; in the variable layout the first segment is a header without samples that lists all signals
of the recording, and each further one has some of them. Annotations lie beside the record's header
and count from its begin.

Format: https://www.physionet.org/physiotools/wag/header-5.htm
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from medfuncta._src.door.allowance import check_signal
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.sources.recordings import Lead
from medfuncta._src.sources.traces import Annotation, Trace
from medfuncta._src.sources.wfdb_header import HeaderText, header_file, read_header
from medfuncta._src.sources.wfdb_record import (
    NUMBER,
    WfdbRecord,
    check_beside,
    check_rate,
    open_record,
    read_annotations,
)

_GAP: Final = "~"
_MOST_FRAMES: Final = 2**40
Refuse = Callable[[str, DataError], None]
"""Gets the name of a broken segment and what is wrong with it, to raise the error or to note it."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording.

    Args:
        path: Its record, without suffix; None for a gap.
        start: The frame of the recording at which it begins.
        frames: How long it is.
    """

    path: Path | None
    start: int
    frames: int


@dataclass(frozen=True, eq=False)
class WfdbSegments:
    """A recording in segments whose header was read.

    Args:
        path: The record, without suffix.
        annotator: Suffix of its annotation file, and of those of its segments.
        leads: The signals that its segments may have, by name.
        rate: Frames a second.
        segments: In order of time, gaps included.
        inside: The folder that all of its files must lie in.
        refuse: What to do about a broken segment; where it does not raise, a gap is left.
    """

    path: Path
    annotator: str
    leads: Mapping[str, Lead]
    rate: float
    segments: Sequence[Segment]
    inside: Path
    refuse: Refuse

    @property
    def name(self) -> str:
        """The header's file."""
        return f"{self.path.name}.hea"

    @property
    def seconds(self) -> float:
        """How long it lasts, gaps included."""
        return sum(segment.frames for segment in self.segments) / self.rate

    def traces(self, lead: str) -> list[Trace]:
        """One lead at its own rate, voltages in millivolts: one trace between any two gaps, be it
        that nothing was recorded there, or that a segment does not have the lead.

        Raises:
            DataError: If a segment is broken and not to be left out, or none has a sample of the
                lead.
        """
        traces: list[Trace] = []
        run: list[np.ndarray] = []
        begin = 0
        needed = held = 0
        for segment in self.segments:
            values, on_the_disk = self._values(segment, lead)
            held += on_the_disk
            if values is None:
                traces += self._joined(run, begin, lead)
                run = []
                continue
            needed += values.size * NUMBER
            check_signal(self.name, needed, held)
            if not run:
                begin = segment.start
            run.append(values)
        traces += self._joined(run, begin, lead)
        if not traces:
            raise DataError(
                f"lead {lead} of {self.name} has no observed sample; leave the record out with "
                f"exclude={self.path.name}"
            )
        return traces

    def annotations(self) -> list[Annotation]:
        """What the annotation file beside the header says, in order of time; where there is none,
        what those beside the segments say, each at its place.

        Raises:
            DataError: If there is neither, or one is broken.
        """
        own = self.path.with_name(f"{self.path.name}.{self.annotator}")
        beside = [segment for segment in self.segments if self._is_annotated(segment)]
        if own.exists() or not beside:
            return read_annotations(self.path, self.annotator, self.rate, self.inside)
        found: list[Annotation] = []
        for segment in beside:
            assert segment.path is not None
            begin = segment.start / self.rate
            notes = read_annotations(segment.path, self.annotator, self.rate, self.inside)
            found += [Annotation(begin + note.second, note.text) for note in notes]
        return found

    def _is_annotated(self, segment: Segment) -> bool:
        if segment.path is None:
            return False
        return segment.path.with_name(f"{segment.path.name}.{self.annotator}").exists()

    def _joined(self, run: Sequence[np.ndarray], begin: int, lead: str) -> list[Trace]:
        """Segments that follow each other as a trace; none where nothing was observed."""
        values = np.concatenate([np.empty(0), *run])
        if not np.isfinite(values).any():
            return []
        return [Trace.bridged(values, self.leads[lead].rate, begin / self.rate)]

    def _values(self, segment: Segment, lead: str) -> tuple[np.ndarray | None, int]:
        """The lead within a segment, NaN where nothing was observed, and the bytes of its files;
        None for a gap, a segment without the lead, and a broken one that is left out."""
        if segment.path is None:
            return None, 0
        try:
            record = _open_segment(segment.path, self.path, self.inside)
            if lead not in record.leads:
                return None, 0
            self._check_alike(record, lead)
            samples = record.samples(lead)
            self._check_length(record, segment, lead, len(samples.values))
        except DataError as error:
            self.refuse(f"{segment.path.name}.hea", error)
            return None, 0
        return samples.values, samples.held

    def _check_alike(self, record: WfdbRecord, lead: str) -> None:
        got, expected = record.leads[lead], self.leads[lead]
        if got != expected:
            raise DataError(
                f"lead {lead} of {record.name} has {got.rate:g} samples a second in "
                f"{got.unit or 'no unit'}; {self.name} promises {expected.rate:g} in "
                f"{expected.unit or 'no unit'}; copy the record again"
            )

    def _check_length(self, record: WfdbRecord, segment: Segment, lead: str, found: int) -> None:
        expected = round(segment.frames * self.leads[lead].rate / self.rate)
        if found != expected:
            raise DataError(
                f"{record.name} has {counted(found, 'sample')} of lead {lead}; {self.name} claims "
                f"{expected:,}; copy the record again"
            )


def open_segments(
    path: Path, inside: Path, annotator: str, refuse: Refuse, excluded: Collection[Path] = ()
) -> WfdbSegments:
    """The header of a recording in segments, and that of the segment that tells its leads.

    Args:
        path: The record, without suffix.
        inside: The folder that all of its files must lie in.
        annotator: Suffix of annotation files.
        refuse: What to do about a broken segment.
        excluded: Records without suffix that are not read; they leave gaps.

    Raises:
        DataError: If a file is missing or is not a header, or claims what cannot be.
    """
    header = read_header(path)
    rate = _rate(path, header)
    segments = _segments(path, header)
    first = next((segment for segment in segments if segment.path is not None), None)
    if first is None or first.path is None:
        raise DataError(f"{path.name}.hea joins gaps only; expected segments beside it")
    described = _open_segment(first.path, path, inside)
    read = []
    for segment in segments:
        if segment.path in excluded:
            read.append(Segment(None, segment.start, segment.frames))
        elif segment.frames:
            read.append(segment)
    return WfdbSegments(path, annotator, described.leads, rate, read, inside, refuse)


def _open_segment(segment: Path, path: Path, inside: Path) -> WfdbRecord:
    """The header of a segment of a record.

    Raises:
        DataError: If it is missing, broken or elsewhere.
    """
    header = header_file(segment)
    check_beside(header, inside)
    if not header.exists():
        raise DataError(
            f"no file {header.name}, which {path.name}.hea names; copy the whole record"
        )
    return open_record(segment, inside)


def _rate(path: Path, header: HeaderText) -> float:
    """Frames a second, 250 where the header gives none."""
    fields = header.record.split()
    text = fields[2] if len(fields) > 2 else b"250"
    try:
        rate = float(text.partition(b"/")[0].partition(b"(")[0])
    except ValueError:
        rate = 0.0
    check_rate(path, rate)
    return rate


def _segments(path: Path, header: HeaderText) -> list[Segment]:
    """What the lines of a header name, gaps included.

    Raises:
        DataError: If a line has no length, or a segment is named twice or lies elsewhere.
    """
    found: list[Segment] = []
    start = 0
    named: set[str] = set()
    for line in header.lines:
        name, *rest = line.decode("utf-8", "replace").split()
        frames = int(rest[0]) if rest and rest[0].isdecimal() else -1
        if not 0 <= frames <= _MOST_FRAMES or start > _MOST_FRAMES:
            raise DataError(
                f"{path.name}.hea names a segment without its length in frames; copy the record "
                "again"
            )
        if name != _GAP and name in named:
            raise DataError(f"{path.name}.hea names a segment twice; copy the record again")
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(
                f"{path.name}.hea names a file outside of its folder; expected segments beside it"
            )
        named.add(name)
        found.append(Segment(None if name == _GAP else path.parent / name, start, frames))
        start += frames
    return found
