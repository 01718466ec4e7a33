"""Traces: one channel of a recording, resampled and cut into windows or heartbeats.

Nothing here knows the format of a file. A heartbeat is cut as by Kachuee, Fazeli, Sarrafzadeh, "ECG
Heartbeat Classification: A Deep Transferable Representation", 2018: from each R peak for 1.2 times
the median RR interval, scaled to [0, 1], padded with zeros to a fixed length (187 samples at 125 Hz
in the public set).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from medfuncta._src.door.allowance import check_signal
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Label, Signal, ValueRange

AAMI: Final = {"N": "NLRBej", "S": "AaJSn", "V": "VEr", "F": "F", "Q": "/fQ?"}
"""Classes of AAMI EC57 and the WFDB beat symbols that each gathers; other symbols are not beats."""

_CLASS_OF: Final = {
    symbol: number for number, symbols in enumerate(AAMI.values()) for symbol in symbols
}
"""Number of the class of each beat symbol."""

BEAT_RATE: Final = 125.0
_BEAT_PERIODS: Final = 1.2
_FINEST_RATIO: Final = 10_000  # of two rates: the longest polyphase filter worth computing
_MOST_SAMPLES: Final = 2**27  # of a trace at another rate: a GiB of numbers


@dataclass(frozen=True, eq=False)
class Trace:
    """Samples that follow each other without a break in time.

    Args:
        values: ``[samples]``, finite; gaps are bridged by straight lines.
        observed: ``[samples]`` False inside the gaps.
        rate: Samples a second.
        start: Second of the recording at which the first sample lies.
    """

    values: np.ndarray
    observed: np.ndarray
    rate: float
    start: float = 0.0

    @classmethod
    def bridged(cls, values: np.ndarray, rate: float, start: float = 0.0) -> Trace:
        """A trace of values that are NaN where nothing was recorded.

        Args:
            values: ``[samples]``, at least one of them finite.
            rate: Samples a second.
            start: Second of the recording at which the first sample lies.
        """
        observed = np.isfinite(values)
        position = np.arange(len(values))
        bridged = np.interp(position, position[observed], values[observed])
        return cls(bridged, observed, rate, start)

    def resampled(self, rate: float) -> Trace:
        """The trace at another rate, by a polyphase filter; a sample beside a gap counts as not
        observed.

        Raises:
            DataError: If the rates lie too far apart.
        """
        factor = rate / self.rate
        ratio = Fraction(0)
        if 1 / _FINEST_RATIO <= factor <= _FINEST_RATIO:
            ratio = Fraction(factor).limit_denominator(_FINEST_RATIO)
        if ratio == 1:
            return self
        if not ratio:
            raise DataError(
                f"a trace of {self.rate:g} samples a second is asked for at {rate:g}; expected "
                f"rates within a factor of {_FINEST_RATIO:,}"
            )
        if len(self.values) * ratio > _MOST_SAMPLES:
            raise DataError(
                f"a trace of {counted(len(self.values), 'sample')} is asked for at "
                f"{float(ratio):g} times "
                f"its rate; expected at most {_MOST_SAMPLES:,} samples; give a lower rate"
            )
        held = self.values.nbytes
        check_signal(f"a trace resampled to {rate:g} samples a second", factor * held, held)
        from scipy.signal import resample_poly

        values = resample_poly(self.values, ratio.numerator, ratio.denominator, padtype="line")
        position = np.arange(len(values)) / float(ratio)
        observed = np.interp(position, np.arange(len(self.observed)), self.observed) > 1 - 1e-6
        return Trace(values, observed, rate, self.start)


@dataclass(frozen=True)
class Annotation:
    """What an expert or a program noted at a moment of a recording, such as the symbol of a
    beat."""

    second: float
    text: str


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of a trace that becomes a signal.

    Args:
        values: ``[samples]`` float32.
        observed: ``[samples]`` False inside gaps.
        symbol: The symbol of its beat; ``""`` for a window.
    """

    values: np.ndarray
    observed: np.ndarray
    symbol: str = ""


def cut_windows(trace: Trace, samples: int, step: int) -> Iterator[Piece]:
    """Windows of so many samples, one beginning every ``step`` samples, all within the trace."""
    for start in range(0, len(trace.values) - samples + 1, step):
        yield _piece(trace, start, samples)


def cut_beats(
    trace: Trace, beats: Sequence[Annotation], samples: int, longest: int
) -> Iterator[Piece]:
    """Beats that lie within the trace, from their R peaks on.

    Args:
        trace: Where they are cut out.
        beats: R peaks and their symbols.
        samples: How long a beat is, as :func:`beat_samples` tells; one that would outlast the trace
            is left out.
        longest: Samples that are kept of a beat.
    """
    for beat in beats:
        start = round((beat.second - trace.start) * trace.rate)
        if 0 <= start <= len(trace.values) - samples:
            yield _piece(trace, start, min(samples, longest), beat.text)


def only_beats(annotations: Sequence[Annotation]) -> list[Annotation]:
    """The annotations whose text is the symbol of a beat."""
    return [annotation for annotation in annotations if annotation.text in _CLASS_OF]


def beat_samples(peaks: np.ndarray, rate: float, record: str) -> int:
    """Samples of a beat of a record whose R peaks lie at these seconds; an error names the record.

    Raises:
        DataError: If there are fewer than two peaks, or they do not lie apart.
    """
    interval = 0.0
    if len(peaks) > 1:
        interval = float(np.median(np.diff(peaks)))
    if interval <= 0:
        raise DataError(
            f"{record} has {len(peaks)} beats and a median RR interval of {interval} s; expected "
            "two beats or more, apart"
        )
    return max(1, round(_BEAT_PERIODS * interval * rate))


@dataclass(frozen=True)
class Frame:
    """What all signals that are cut out of recordings have in common.

    Args:
        lead: Name of the channel.
        unit: Its unit.
        rate: Samples a second.
        grid: Where the samples of a signal lie, in seconds.
        range: What is mapped to [0, 1]; each signal's own lowest and highest value when None.
        pad: What follows a piece shorter than the grid: its ``"low"`` value, or ``"mask"``, nothing
            observed.
    """

    lead: str
    unit: str
    rate: float
    grid: Grid
    range: ValueRange | None
    pad: str

    def signal(self, piece: Piece, id: str, record: str, label: Label = None) -> Signal:
        """A piece as a signal, padded to the grid.

        Args:
            piece: At least one of its samples is observed.
            id: The signal's id.
            record: The recording's name, safe to publish.
            label: Its class; by default that of its beat.
        """
        span = self.range or ValueRange.of(piece.values[piece.observed])
        samples = len(piece.values)
        values = np.full((self.grid.points, 1), span.low, piece.values.dtype)
        values[:samples, 0] = piece.values
        observed = np.full(self.grid.points, self.pad == "low")
        observed[:samples] = piece.observed
        mask = None
        if not observed.all():
            mask = observed
        metadata: dict[str, str | int | float] = {"record": record}
        if piece.symbol:
            metadata["symbol"] = piece.symbol
            label = _CLASS_OF[piece.symbol]
        return Signal.of(
            id=id,
            values=values,
            domain=self.grid,
            range=span,
            unit=self.unit,
            mask=mask,
            label=label,
            metadata=metadata,
        )


def _piece(trace: Trace, start: int, samples: int, symbol: str = "") -> Piece:
    """Values become float32 before ranges are taken, so that a range is exactly what its signal
    spans."""
    stretch = slice(start, start + samples)
    return Piece(trace.values[stretch].astype(np.float32), trace.observed[stretch], symbol)
