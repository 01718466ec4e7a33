"""Records in the format of PhysioNet's WFDB: heartbeats around annotated R peaks, or windows of
fixed length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np

from medfuncta.errors import DataError, suggest
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta.sources.folder import find_files, open_folder
from medfuncta.sources.heartbeats import AAMI, CLASS_OF, beat_samples
from medfuncta.sources.identity import public_name
from medfuncta.sources.old_source import OldSource, SourceKind
from medfuncta.sources.options import check_bounds, describe, details, option, parse
from medfuncta.sources.source import SourceInfo
from medfuncta.sources.splitting import SplitOptions, split_groups
from medfuncta.sources.wfdb_record import Header, Trace, read_annotations, read_header, read_trace

_BEAT_RATE: Final = 125.0


@dataclass(frozen=True)
class WfdbOptions(SplitOptions):
    """What is cut out of which records."""

    lead: str | None = option(
        None, "lead by name; MLII when most records have it, else the lead that most records have"
    )
    rate: float | None = option(
        None, "samples a second; 125 for beats, the first record's own for windows", more_than=0
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
        None, "low,high in mV mapped to [0, 1]; each signal's own lowest and highest when not given"
    )
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
    per_record: int | None = option(None, "the first N signals of each record", at_least=1)


@dataclass(frozen=True)
class Form:
    """What all signals have in common; the records of the first split decide what the user left
    open."""

    lead: str
    unit: str
    rate: float


@dataclass(frozen=True)
class Piece:
    """Where a signal lies in its record: first sample, number of samples, and the symbol of its
    beat (``""`` for a window)."""

    start: int
    samples: int
    symbol: str = ""


class WfdbSource(OldSource):
    """Pieces of one lead of many records; splits are made of whole records."""

    def __init__(self, folder: Path, options: WfdbOptions, *, skip_bad: bool = False) -> None:
        super().__init__(skip_bad=skip_bad)
        check_bounds("range", options.range)
        self.location = self.folder = folder
        self.options = options
        self._paths = self._find_records()
        self._records = self._split_records()

    @property
    def own_info(self) -> SourceInfo:
        form, resolved = self._form, self.folder.resolve()
        steps: dict[str, str | float] = {
            "lead": form.lead,
            "rate": form.rate,
            "resampling": "polyphase filter",
        }
        if self.options.window is None:
            steps["beats"] = (
                "from the R peak for 1.2 median RR intervals of the record (Kachuee et al. 2018)"
            )
            steps["classes"] = "AAMI EC57"
        return SourceInfo(
            f"wfdb:{resolved.stem}", split_by="record", details=details(self.options) | steps
        )

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._records)

    @property
    def spec(self) -> SignalSpec:
        classes = tuple(AAMI) if self.options.window is None else ()
        return SignalSpec(
            1,
            1,
            self._grid.shape,
            self._form.unit,
            "ecg",
            classes,
            "multi-class" if classes else "",
        )

    def _find_records(self) -> dict[str, Path]:
        """Every record by its name, which is its path inside the folder."""
        paths = [path.with_suffix("") for path in find_files(self.folder, (".hea",), self.skip)]
        root = self.folder.parent if self.folder.is_file() else self.folder
        named = {path.relative_to(root).as_posix(): path for path in paths}
        return {name: path for name, path in named.items() if name not in self.options.exclude}

    def _split_records(self) -> dict[str, tuple[str, ...]]:
        members = [
            tuple(name for name in joined.split("+") if name in self._paths)
            for joined in self.options.patients
        ]
        joint = {name for names in members for name in names}
        groups = {"+".join(names): names for names in members if names} | {
            name: (name,) for name in self._paths if name not in joint
        }
        splits = split_groups(groups, self.options)
        return {
            split: tuple(name for group in chosen for name in groups[group])
            for split, chosen in splits.items()
        }

    @cached_property
    def _form(self) -> Form:
        headers = [header for _, header in self._readable_headers(self._records[self.splits[0]])]
        counts = Counter(lead for header in headers for lead in header.leads)
        if not counts:
            raise DataError(
                f"no readable record in the {self.splits[0]} split of '{self.folder.name}'; "
                f"{self.skipped[0].reason}"
            )
        usual = "MLII" if 2 * counts["MLII"] > len(headers) else counts.most_common(1)[0][0]
        lead = self.options.lead or usual
        if lead not in counts:
            raise DataError(
                f"no lead '{lead}' in the {self.splits[0]} split of '{self.folder.name}'; "
                f"{suggest(lead, counts)}"
            )
        first = next(header for header in headers if lead in header.leads)
        return Form(
            lead,
            first.leads[lead],
            self.options.rate or (_BEAT_RATE if self.options.window is None else first.rate),
        )

    def _readable_headers(self, names: Sequence[str]) -> Iterator[tuple[str, Header]]:
        """Names of records that are safe to publish, and their headers."""
        for name in names:
            try:
                yield (
                    public_name(name, self.options.ids).replace("/", "--"),
                    read_header(self._paths[name]),
                )
            except DataError as error:
                self.skip(self._paths[name].name, error)

    @cached_property
    def _grid(self) -> Grid:
        rate, window = self._form.rate, self.options.window
        samples = self.options.length if window is None else max(1, round(window * rate))
        return Grid((samples,), spacing=(1 / rate,), unit="s")

    def _read(self, split: str) -> Iterator[Signal]:
        return islice(self._signals(self._records[split]), self.options.limit)

    def _signals(self, names: Sequence[str]) -> Iterator[Signal]:
        for name, header in self._readable_headers(names):
            if self._form.lead not in header.leads:
                self.leave_out(
                    header.path.name, f"no lead {self._form.lead}; it has {', '.join(header.leads)}"
                )
                continue
            try:
                yield from islice(self._record_signals(name, header), self.options.per_record)
            except DataError as error:
                self.skip(header.path.name, error)

    def _record_signals(self, name: str, header: Header) -> Iterator[Signal]:
        lead, unit, rate = self._form.lead, self._form.unit, self._form.rate
        if header.leads[lead] != unit:
            raise DataError(
                f"lead {lead} of {header.path.name}.hea is in {header.leads[lead] or 'no unit'}; "
                f"expected {unit or 'no unit'}"
            )
        trace = read_trace(header, lead).resampled(rate)
        values = trace.values.astype(
            np.float32
        )  # before ranges are taken, so that a range is exactly what its signal spans
        pieces = (
            self._windows(trace) if self.options.window is not None else self._beats(header, trace)
        )
        for number, piece in enumerate(pieces):
            stretch = slice(piece.start, piece.start + piece.samples)
            if trace.observed[stretch].any():
                yield self._signal(
                    f"{name}-{number:06d}",
                    name,
                    values[stretch],
                    trace.observed[stretch],
                    piece.symbol,
                )

    def _windows(self, trace: Trace) -> list[Piece]:
        samples = self._grid.points
        step = max(1, round(self.options.stride * trace.rate)) if self.options.stride else samples
        return [Piece(start, samples) for start in range(0, len(trace.values) - samples + 1, step)]

    def _beats(self, header: Header, trace: Trace) -> list[Piece]:
        """Beats that end within the record; one that outlasts the grid is cut."""
        annotations = zip(*read_annotations(header, self.options.annotator), strict=True)
        beats = [(float(peak), symbol) for peak, symbol in annotations if symbol in CLASS_OF]
        samples = beat_samples(np.array([peak for peak, _ in beats]), trace.rate, header.path.name)
        starts = ((round(peak * trace.rate), symbol) for peak, symbol in beats)
        return [
            Piece(start, min(samples, self._grid.points), symbol)
            for start, symbol in starts
            if start + samples <= len(trace.values)
        ]

    def _signal(
        self, name: str, record: str, values: np.ndarray, observed: np.ndarray, symbol: str
    ) -> Signal:
        span = (
            ValueRange(*self.options.range)
            if self.options.range
            else ValueRange.of(values[observed])
        )
        padded = np.full((self._grid.points, 1), span.low, values.dtype)
        padded[: len(values), 0] = values
        seen = np.full(self._grid.points, self.options.pad == "low")
        seen[: len(values)] = observed
        return Signal.of(
            id=name,
            values=padded,
            domain=self._grid,
            range=span,
            unit=self._form.unit,
            mask=None if seen.all() else seen,
            label=CLASS_OF[symbol] if symbol else None,
            metadata={"record": record} | ({"symbol": symbol} if symbol else {}),
        )


def open_wfdb(location: str, options: Mapping[str, str], skip_bad: bool) -> WfdbSource:
    """Open ``wfdb:DIR``."""
    return WfdbSource(open_folder(location), parse(WfdbOptions, options), skip_bad=skip_bad)


FORMAT = SourceKind(
    "wfdb",
    "records of PhysioNet's WFDB: annotated heartbeats, or windows",
    describe(WfdbOptions),
    open_wfdb,
)
KIND = FORMAT
