"""What a run notes of the values that it was trained on, and how other data differs from it.

PSNR and latents mean the same on other data only where a unit, a range and a spacing mean the same:
a range that is hardly used makes every reconstruction look good, and a trace at another sampling
rate lies elsewhere in the coordinates of the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from medfuncta.door.declared import Fault, convert
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import SignalHeader, SignalSpec
from medfuncta.signals.signal_set import SignalSet

LITTLE: Final = 0.1
"""The share of a range below which its use is worth a remark."""
_ALL: Final = 0.999
"""The share that a signal uses of a range that is its own, but for rounding."""
_MOST_POINTS: Final = 2**27  # that are looked at for a remark
_LEAST_SIGNALS: Final = 16  # that are looked at anyway
_SAME: Final = 0.01  # spacings that differ by less are the same


@dataclass(frozen=True)
class DataFacts:
    """What signals have in common, as numbers that can be compared.

    Args:
        unit: Of the values.
        range: Low and high that are mapped to [0, 1] in every signal; None where each has its own,
            or a single signal may have.
        spacing: The smallest and the largest distance between neighbours along each axis; None
            where it is not known, or samples are scattered.
        spacing_unit: ``"s"``, ``"mm"`` or ``""``.
        used: How much of the range the values use, from 0 to 1; None where nobody looked.
    """

    unit: str = ""
    range: tuple[float, float] | None = None
    spacing: tuple[tuple[float, float], ...] | None = None
    spacing_unit: str = ""
    used: float | None = None

    @classmethod
    def of_headers(cls, headers: Iterable[SignalHeader], used: float | None = None) -> DataFacts:
        """The facts of these signals, at least one."""
        tally = FactsTally()
        for header in headers:
            tally.add_header(header)
        return tally.facts(used)

    @classmethod
    def of_set(cls, signals: SignalSet) -> DataFacts:
        """The facts of a set; of a large one, values are looked at in signals that lie evenly in
        it."""
        headers = signals.headers
        points = max(header.domain.points for header in headers) * signals.spec.channels
        count = min(len(headers), max(_LEAST_SIGNALS, _MOST_POINTS // points))
        use = RangeUse()
        for index in np.unique(np.linspace(0, len(headers) - 1, count).astype(int)).tolist():
            signal = signals.signal(index)
            use.add(signal.normalised(), signal.observed())
        return cls.of_headers(headers, use.share)

    @classmethod
    def from_training(cls, training: Mapping[str, Any]) -> DataFacts | None:
        """What a run noted of its data; None in a run of an older version."""
        try:
            return convert(training["data"], cls, "data")
        except (KeyError, Fault):
            return None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


class RangeUse:
    """How much of [0, 1] normalised values use."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf

    def add(self, normalised: np.ndarray, observed: np.ndarray) -> None:
        """Look at one signal.

        Args:
            normalised: ``[points, channels]``.
            observed: ``[points]`` bool.
        """
        seen = normalised[observed]
        self.low = min(self.low, float(seen.min(initial=np.inf)))
        self.high = max(self.high, float(seen.max(initial=-np.inf)))

    @property
    def share(self) -> float:
        """From 0 to 1; 0 before the first value."""
        return max(0.0, min(self.high, 1.0) - max(self.low, 0.0))


class FactsTally:
    """Facts over headers that come one by one."""

    def __init__(self) -> None:
        self._unit = ""
        self._ranges: set[tuple[float, float]] = set()
        self._spacing: np.ndarray | None = None
        self._spacing_unit = ""
        self._known = True
        self._count = 0

    def add_header(self, header: SignalHeader) -> None:
        """Count one signal in."""
        self._unit = header.unit
        self._count += 1
        if len(self._ranges) < 2:
            self._ranges.add((header.range.low, header.range.high))
        grid = header.domain
        if not isinstance(grid, Grid) or grid.spacing is None:
            self._known = False
            return
        self._spacing_unit = grid.unit
        steps = np.array([grid.spacing, grid.spacing])
        if self._spacing is not None:
            steps[0] = np.minimum(self._spacing[0], steps[0])
            steps[1] = np.maximum(self._spacing[1], steps[1])
        self._spacing = steps

    def facts(self, used: float | None = None) -> DataFacts:
        """What all signals so far have in common."""
        shared = None
        alone_in_its_own = self._count == 1 and (used is None or used > _ALL)
        if len(self._ranges) == 1 and not alone_in_its_own:
            (shared,) = self._ranges
        spacing = None
        if self._known and self._spacing is not None:
            spacing = tuple((low, high) for low, high in self._spacing.T.tolist())
        return DataFacts(self._unit, shared, spacing, self._spacing_unit, used)


def range_remark(facts: DataFacts) -> list[str]:
    """A sentence where values use little of their range, which makes PSNR look better than it is;
    signals of one value only are another matter."""
    if facts.used is None or facts.range is None or not 0 < facts.used < LITTLE:
        return []
    low, high = facts.range
    return [
        f"values use {facts.used:.1%} of the range {low:g} to {high:g} that is mapped to [0, 1], "
        f"which adds {-20 * np.log10(facts.used):.0f} dB to every PSNR; an option takes the data's "
        "own range: range=data, or range=LOW,HIGH"
    ]


def differences(trained: DataFacts, seen: DataFacts) -> list[str]:
    """How data differs from that which a run was trained on, one sentence each."""
    found = []
    if trained.unit != seen.unit:
        found.append(
            f"values are in {seen.unit or 'no unit'}; the run was trained on values in "
            f"{trained.unit or 'no unit'}"
        )
    if seen.range is not None and not _same_range(trained.range, seen.range):
        found.append(
            f"{_range_text(seen.range)} is mapped to [0, 1]; the run was trained with "
            f"{_range_text(trained.range)}: their PSNRs do not compare"
        )
    if trained.spacing is not None and seen.spacing is not None:
        found += _spacing_differences(trained, seen)
    return found


def remarks_for(spec: SignalSpec, training: Mapping[str, Any], seen: DataFacts) -> list[str]:
    """How data differs from that of a run; of a run of an older version, only its unit is known.

    Args:
        spec: The run's.
        training: Its provenance.
        seen: The data that it is used on.
    """
    trained = DataFacts.from_training(training)
    if trained is None:
        trained = DataFacts(spec.unit, seen.range)
    return differences(trained, seen)


def _spacing_differences(trained: DataFacts, seen: DataFacts) -> list[str]:
    ours, theirs = trained.spacing or (), seen.spacing or ()
    same = len(ours) == len(theirs) and trained.spacing_unit == seen.spacing_unit
    for (low, high), (least, most) in zip(ours, theirs, strict=False):
        same = same and least >= low * (1 - _SAME) and most <= high * (1 + _SAME)
    if same:
        return []
    return [
        f"samples are {_spacing_text(seen)} apart; the run was trained on samples "
        f"{_spacing_text(trained)} apart"
    ]


def _same_range(one: tuple[float, float] | None, other: tuple[float, float]) -> bool:
    return one is not None and bool(np.allclose(one, other, rtol=1e-6, atol=0))


def _range_text(bounds: tuple[float, float] | None) -> str:
    if bounds is None:
        return "each signal's own range"
    return f"{bounds[0]:g} to {bounds[1]:g}"


def _spacing_text(facts: DataFacts) -> str:
    sides = []
    for low, high in facts.spacing or ():
        sides.append(f"{low:.4g}" if high <= low * (1 + _SAME) else f"{low:.4g}-{high:.4g}")
    text = f"{' x '.join(sides)} {facts.spacing_unit}".rstrip()
    if len(sides) == 1 and facts.spacing_unit == "s" and "-" not in sides[0]:
        text += f" ({1 / float(sides[0]):.4g} a second)"
    return text
