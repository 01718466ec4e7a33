"""Recordings in files, each of many leads: what all signals have in common, and the signals that
are cut out of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, DataError, suggest
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.contents import Contents, Survey
from medfuncta._src.sources.layout import layout_remarks
from medfuncta._src.sources.options import Options, check_bounds, details, option
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item, SplitOptions, first_split
from medfuncta._src.sources.traces import (
    AAMI,
    BEAT_RATE,
    Annotation,
    Frame,
    Piece,
    Trace,
    beat_samples,
    cut_beats,
    cut_windows,
    only_beats,
)

_HIGHEST_RATE: Final = 100_000  # samples a second: the finest traces of nerves and muscles


@dataclass(frozen=True)
class CutOptions(Options):
    """What is cut out of recordings, in every format that holds some."""

    lead: str | None = option(
        None, "lead by name; MLII when most records have it, else the lead that most records have"
    )
    rate: float | None = option(
        None,
        "samples a second; 125 for beats, the first record's own for windows",
        more_than=0,
        at_most=_HIGHEST_RATE,
    )
    length: int = option(187, "samples of a beat, padding included", at_least=2)
    pad: Literal["low", "mask"] = option(
        "low", "what follows a short beat: its 'low' value, or nothing observed ('mask')"
    )
    window: float | None = option(
        None, "cut windows of so many seconds instead of beats", more_than=0
    )
    stride: float | None = option(
        None, "seconds from window to window; the window's length when not given", more_than=0
    )
    range: tuple[float, ...] | None = option(
        None,
        "low,high in the lead's unit (mV for voltages) mapped to [0, 1]; each signal's own lowest "
        "and highest when not given",
    )
    per_record: int | None = option(None, "the first N signals of each record", at_least=1)


@dataclass(frozen=True)
class Lead:
    """A channel of a recording.

    Args:
        unit: ``"mV"`` for voltages.
        rate: Samples a second.
    """

    unit: str
    rate: float


@runtime_checkable
class Recording(Protocol):
    """A recording whose header was read; the data are read when they are asked for."""

    @property
    def name(self) -> str:
        """What an error calls it: the name of its header's file."""
        ...

    @property
    def leads(self) -> Mapping[str, Lead]:
        """Its channels by name."""
        ...

    @property
    def seconds(self) -> float | None:
        """How long it lasts at most; None when the header does not say."""
        ...

    def traces(self, lead: str) -> Iterable[Trace]:
        """One lead, in the lead's unit, as traces without a break in time; they follow each other.

        Raises:
            DataError: If a file is missing, truncated or not what the header says.
        """
        ...

    def annotations(self) -> Sequence[Annotation]:
        """What was noted, in order of time.

        Raises:
            DataError: If a file is missing or broken.
        """
        ...


def free_name(label: str, taken: Mapping[str, Lead]) -> str:
    """A channel's label, with a number behind it when an earlier channel has the same."""
    name, number = label, 1
    while name in taken:
        number += 1
        name = f"{label} #{number}"
    return name


class Recordings:
    """Cuts the recordings of a data set into signals.

    Args:
        folder: The name of the folder, for errors.
        items: One a recording, whose first path ``open_recording`` takes.
        options: What is cut out.
        splitting: How recordings are split; the first split decides what the user left open.
        open_recording: Reads a header.
        skips: Where recordings are noted that are left out.
        modality_of: The modality of a lead by its name.

    Raises:
        ConfigError: If the range is not two numbers, the lower one first.
    """

    def __init__(
        self,
        folder: str,
        items: Sequence[Item],
        options: CutOptions,
        splitting: SplitOptions,
        open_recording: Callable[[Path], Recording],
        skips: Skips,
        modality_of: Callable[[str], str],
    ) -> None:
        check_bounds("range", options.range)
        self._folder = folder
        self._items = items
        self._options = options
        self._splitting = splitting
        self._open_recording = open_recording
        self._skips = skips
        self._modality_of = modality_of
        self._classes = tuple(sorted({item.label for item in items} - {""}))

    def contents(self, kind: str, location: Path, *, limit: int | None, split_by: str) -> Contents:
        """What a location holds.

        Args:
            kind: The format's name.
            location: The folder, or one file.
            limit: The first so many signals of each split.
            split_by: What keeps splits apart.
        """
        return Contents(
            name=f"{kind}:{location.resolve().stem}",
            items=self._items,
            read=self.read,
            many=True,
            splitting=self._splitting,
            limit=limit,
            survey=self.survey,
            location=location,
            split_by=split_by,
            details=details(self._options),
            remarks=layout_remarks(self._items, location),
        )

    def survey(self) -> Survey:
        """What all signals have in common.

        Raises:
            DataError: If no recording of the first split can be read, or none has the lead.
        """
        frame = self._frame
        settled: dict[str, str | float] = {
            "lead": frame.lead,
            "rate": frame.rate,
            "resampling": "polyphase filter",
        }
        classes = self._classes
        if self._options.window is None:
            classes = tuple(AAMI)
            settled["beats"] = (
                "from the R peak for 1.2 median RR intervals of the record (Kachuee et al. 2018)"
            )
            settled["classes"] = "AAMI EC57"
        tasks = {0: "", 2: "binary-class"}
        spec = SignalSpec(
            dim=1,
            channels=1,
            shape=frame.grid.shape,
            unit=frame.unit,
            modality=self._modality_of(frame.lead),
            label_names=classes,
            task=tasks.get(len(classes), "multi-class"),
        )
        return Survey(spec, settled)

    def read(self, item: Item) -> Iterator[Signal]:
        """The signals of a recording, in order of time; one without the lead is left out."""
        recording = self._opened(item)
        if recording is None:
            return
        lead = self._frame.lead
        if lead not in recording.leads:
            found = ", ".join(recording.leads) or "none"
            self._skips.leave_out(item.name, f"no lead {lead}; it has {found}")
            return
        if self._too_short(recording):
            self._skips.leave_out(item.name, f"shorter than a window of {self._options.window:g} s")
            return
        try:
            yield from islice(self._signals(item, recording), self._options.per_record)
        except DataError as error:
            self._skips.skip(item.name, error)

    def _too_short(self, recording: Recording) -> bool:
        window, seconds = self._options.window, recording.seconds
        return window is not None and seconds is not None and seconds < window

    def _opened(self, item: Item) -> Recording | None:
        try:
            return self._open_recording(item.paths[0])
        except DataError as error:
            self._skips.skip(item.name, error)
            return None

    @cached_property
    def _frame(self) -> Frame:
        """The recordings of the first split decide what the user left open."""
        options = self._options
        split, items = first_split(self._items, self._splitting)
        opened = [self._opened(item) for item in items]
        recordings = [recording for recording in opened if recording is not None]
        name = self._chosen_lead(split, recordings)
        lead = next(recording.leads[name] for recording in recordings if name in recording.leads)
        if options.window is None:
            rate = options.rate or BEAT_RATE
            samples = options.length
        else:
            rate = options.rate or lead.rate
            samples = _samples_of("window", options.window, rate, least=2)
            self._check_window(split, recordings)
        if options.stride is not None:
            _samples_of("stride", options.stride, rate, least=1)
        span = None
        if options.range is not None:
            span = ValueRange(*options.range)
        grid = Grid((samples,), spacing=(1 / rate,), unit="s")
        return Frame(lead=name, unit=lead.unit, rate=rate, grid=grid, range=span, pad=options.pad)

    def _check_window(self, split: str, recordings: Sequence[Recording]) -> None:
        """Whether a window fits into any of these recordings."""
        if all(self._too_short(recording) for recording in recordings):
            longest = max(recording.seconds or 0.0 for recording in recordings)
            raise DataError(
                f"a window of {self._options.window:g} s is longer than every record of the "
                f"{split} split of '{self._folder}'; the longest lasts {longest:g} s; give a "
                "shorter window"
            )

    def _chosen_lead(self, split: str, recordings: Sequence[Recording]) -> str:
        """The lead that the user names, or else the usual one."""
        counts = Counter(lead for recording in recordings for lead in recording.leads)
        if not counts:
            reason = "none has a lead"
            if self._skips.entries:
                reason = self._skips.entries[0].reason
            raise DataError(
                f"no readable record in the {split} split of '{self._folder}'; {reason}"
            )
        lead = self._options.lead
        if lead is not None and lead not in counts:
            raise DataError(
                f"no lead '{lead}' in the {split} split of '{self._folder}'; "
                f"{suggest(lead, counts)}"
            )
        if lead is not None:
            return lead
        if 2 * counts["MLII"] > len(recordings):
            return "MLII"
        return counts.most_common(1)[0][0]

    def _signals(self, item: Item, recording: Recording) -> Iterator[Signal]:
        frame = self._frame
        unit = recording.leads[frame.lead].unit
        if unit != frame.unit:
            raise DataError(
                f"lead {frame.lead} of {recording.name} is in {unit or 'no unit'}; expected "
                f"{frame.unit or 'no unit'}"
            )
        label = None
        if item.label:
            label = self._classes.index(item.label)
        for number, piece in enumerate(self._pieces(item, recording)):
            if piece.observed.any():
                yield frame.signal(piece, f"{item.id}-{number:06d}", item.id, label)

    def _pieces(self, item: Item, recording: Recording) -> Iterator[Piece]:
        options, frame = self._options, self._frame
        traces = (trace.resampled(frame.rate) for trace in recording.traces(frame.lead))
        samples = frame.grid.points
        if options.window is not None:
            step = samples
            if options.stride is not None:
                step = round(options.stride * frame.rate)
            for trace in traces:
                yield from cut_windows(trace, samples, step)
            return
        held = list(traces)  # the signal file is checked before its annotations are
        beats = only_beats(recording.annotations())
        peaks = np.array([beat.second for beat in beats])
        beat = beat_samples(peaks, frame.rate, item.name)
        for trace in held:
            yield from cut_beats(trace, beats, beat, samples)


def _samples_of(option: str, seconds: float, rate: float, *, least: int) -> int:
    """How many samples an option's seconds are.

    Raises:
        ConfigError: If they are too few.
    """
    samples = round(seconds * rate)
    if samples < least:
        raise ConfigError(
            f"the option '{option}' is {seconds:g} s, {counted(samples, 'sample')} at {rate:g} a "
            "second; "
            f"expected at least {least}"
        )
    return samples
