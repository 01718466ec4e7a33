"""What a run notes of the values that it was trained on, and how other data differs from it.

PSNR and latents mean the same on other data only where a unit, a range and a spacing mean the same:
a range that is hardly used makes every reconstruction look good, and a trace at another sampling
rate lies elsewhere in the coordinates of the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from medfuncta._src.door.declared import Fault, convert
from medfuncta._src.door.wording import counted
from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.signal import SignalHeader, SignalSpec
from medfuncta._src.signals.signal_set import SignalSet

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
        mean, std: Of the values after the map to [0, 1]; None where nobody looked.
        sizes: The fewest and the most samples along each axis.
        channels: Numbers per point.
    """

    unit: str = ""
    range: tuple[float, float] | None = None
    spacing: tuple[tuple[float, float], ...] | None = None
    spacing_unit: str = ""
    used: float | None = None
    mean: float | None = None
    std: float | None = None
    sizes: tuple[tuple[int, int], ...] | None = None
    channels: int = 1

    @classmethod
    def of_headers(cls, headers: Iterable[SignalHeader], use: RangeUse | None = None) -> DataFacts:
        """The facts of these signals, at least one."""
        tally = FactsTally()
        for header in headers:
            tally.add_header(header)
        return tally.facts(use)

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
        return cls.of_headers(headers, use)

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
    """How much of [0, 1] normalised values use, and how they are spread."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self._count = 0
        self._sum = self._squares = 0.0

    def add(self, normalised: np.ndarray, observed: np.ndarray) -> None:
        """Look at one signal.

        Args:
            normalised: ``[points, channels]``.
            observed: ``[points]`` bool.
        """
        seen = normalised[observed]
        self.low = min(self.low, float(seen.min(initial=np.inf)))
        self.high = max(self.high, float(seen.max(initial=-np.inf)))
        self._count += seen.size
        self._sum += float(seen.sum(dtype=np.float64))
        self._squares += float(np.square(seen, dtype=np.float64).sum())

    @property
    def mean(self) -> float | None:
        """Of the values; None before the first one."""
        if not self._count:
            return None
        return self._sum / self._count

    @property
    def std(self) -> float | None:
        """Their standard deviation; None before the first one."""
        if self.mean is None:
            return None
        return max(0.0, self._squares / self._count - self.mean**2) ** 0.5

    @property
    def share(self) -> float:
        """From 0 to 1; 0 before the first value."""
        return max(0.0, min(self.high, 1.0) - max(self.low, 0.0))


@dataclass(frozen=True)
class Reach:
    """How far signals reach beyond the box that a field has values of its own in.

    Args:
        box: Half the length of each of its sides, in coordinates.
        largest: That of the largest signal along each axis.
        beyond: Signals that do not lie within it.
        signals: That were looked at.
    """

    box: tuple[float, ...]
    largest: tuple[float, ...]
    beyond: int
    signals: int


class FactsTally:
    """Facts over headers that come one by one.

    Args:
        box: Half the length of each side of the box that a field has values of its own in; None
            where it has them everywhere.
    """

    def __init__(self, box: Sequence[float] | None = None) -> None:
        self._box = box
        self._largest: np.ndarray | None = None
        self._beyond = 0
        self._unit = ""
        self._ranges: set[tuple[float, float]] = set()
        self._spacing: np.ndarray | None = None
        self._spacing_unit = ""
        self._known = True
        self._count = 0
        self._channels = 1
        self._sizes: np.ndarray | None = None

    def add_header(self, header: SignalHeader) -> None:
        """Count one signal in."""
        self._unit = header.unit
        self._count += 1
        if len(self._ranges) < 2:
            self._ranges.add((header.range.low, header.range.high))
        self._channels = header.channels
        self._add_size(np.array([header.domain.shape]))
        self._add_reach(header.domain)
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

    def _add_size(self, shape: np.ndarray) -> None:
        if self._sizes is None or self._sizes.shape[1] != shape.shape[1]:
            self._sizes = np.concatenate([shape, shape])
        self._sizes[0] = np.minimum(self._sizes[0], shape)
        self._sizes[1] = np.maximum(self._sizes[1], shape)

    def _add_reach(self, domain: Domain) -> None:
        if self._box is None or domain.dim != len(self._box):
            return
        half_sides = np.array(half_sides_of(domain))
        if self._largest is None:
            self._largest = half_sides
        self._largest = np.maximum(self._largest, half_sides)
        self._beyond += bool((half_sides > np.array(self._box) * (1 + _SAME)).any())

    @property
    def reach(self) -> Reach | None:
        """How far the signals so far reach beyond the box; None where there is no box, or no
        signal."""
        if self._box is None or self._largest is None:
            return None
        return Reach(tuple(self._box), tuple(self._largest.tolist()), self._beyond, self._count)

    def facts(self, use: RangeUse | None = None) -> DataFacts:
        """What all signals so far have in common.

        Args:
            use: What was seen of their values.
        """
        used = mean = std = sizes = shared = None
        if use is not None:
            used, mean, std = use.share, use.mean, use.std
        alone_in_its_own = self._count == 1 and (used is None or used > _ALL)
        if len(self._ranges) == 1 and not alone_in_its_own:
            (shared,) = self._ranges
        spacing = None
        if self._known and self._spacing is not None:
            spacing = tuple((low, high) for low, high in self._spacing.T.tolist())
        if self._sizes is not None:
            sizes = tuple((low, high) for low, high in self._sizes.T.tolist())
        return DataFacts(
            unit=self._unit,
            range=shared,
            spacing=spacing,
            spacing_unit=self._spacing_unit,
            used=used,
            mean=mean,
            std=std,
            sizes=sizes,
            channels=self._channels,
        )


def half_sides_of(domain: Domain) -> tuple[float, ...]:
    """Half the length of each side of the box of a signal, in coordinates; the longest is 1 where
    lengths are known."""
    if isinstance(domain, Grid):
        return domain.half_sides
    sides = np.subtract(domain.high, domain.low)
    return tuple((sides / sides.max()).tolist())


def reach_remark(reach: Reach | None) -> list[str]:
    """A sentence where signals reach beyond the box that a field has values of its own in."""
    if reach is None or not reach.beyond:
        return []
    return [
        f"{reach.beyond} of {counted(reach.signals, 'signal')} reach beyond the box that the "
        f"network was trained on (sides of {sides_text(reach.largest)} and {sides_text(reach.box)},"
        " the longest being 1): values there are those of its edge; cut or pad signals to the "
        "proportions of training, or train on such signals too"
    ]


def sides_text(half_sides: Sequence[float]) -> str:
    """The proportions of a box, in words."""
    return " x ".join(f"{side:.3g}" for side in half_sides)


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
    if not same_range(trained, seen):
        found.append(
            f"{range_text(seen)} is mapped to [0, 1]; the run was trained with "
            f"{range_text(trained)}: their PSNRs do not compare"
        )
    if not same_spacing(trained, seen):
        found.append(
            f"samples are {spacing_text(seen)} apart; the run was trained on samples "
            f"{spacing_text(trained)} apart"
        )
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
    if trained.range is None and training.get("train_signals") == 1:
        trained = replace(trained, range=seen.range)  # one does not tell whether it was its own
    return differences(trained, seen)


def same_range(trained: DataFacts, seen: DataFacts) -> bool:
    """Whether the same values are mapped to [0, 1]; of signals with ranges of their own it is not
    asked."""
    if seen.range is None:
        return True
    return trained.range is not None and bool(
        np.allclose(trained.range, seen.range, rtol=1e-6, atol=0)
    )


def same_spacing(trained: DataFacts, seen: DataFacts) -> bool:
    """Whether samples lie as far apart as in training; where one of them does not know, it is not
    asked."""
    if trained.spacing is None or seen.spacing is None:
        return True
    same = len(trained.spacing) == len(seen.spacing) and trained.spacing_unit == seen.spacing_unit
    for (low, high), (least, most) in zip(trained.spacing, seen.spacing, strict=False):
        same = same and least >= low * (1 - _SAME) and most <= high * (1 + _SAME)
    return same


def range_text(facts: DataFacts) -> str:
    """What is mapped to [0, 1], in words."""
    if facts.range is None:
        return "each signal's own range"
    return f"{facts.range[0]:g} to {facts.range[1]:g}"


def spacing_text(facts: DataFacts) -> str:
    """How far samples lie apart, in words."""
    if facts.spacing is None:
        return "unknown"
    sides = []
    for low, high in facts.spacing:
        sides.append(f"{low:.4g}" if high <= low * (1 + _SAME) else f"{low:.4g}-{high:.4g}")
    text = f"{' x '.join(sides)} {facts.spacing_unit}".rstrip()
    if len(sides) == 1 and facts.spacing_unit == "s" and "-" not in sides[0]:
        text += f" ({1 / float(sides[0]):.4g} a second)"
    return text
