"""Data beside the data that a network was trained on: whether it is the same, how it differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from medfuncta.result import Result
from medfuncta.signals.profile import Profile

_SAME_RANGE: Final = 0.01
"""Of its width that a range may be moved by and still be called the same."""
_SAME_OWN_RANGE: Final = 0.5
"""The same, where every signal has a range of its own."""
_SAME_STEP: Final = 0.05
"""The share that a spacing may be longer or shorter by."""
_SAME_SIDE: Final = 1.25
"""The factor between numbers of samples."""
_SAME_MEAN: Final = 0.5
"""Standard deviations that the mean value may lie apart."""
_SAME_SPREAD: Final = 1.5
"""The factor between standard deviations."""
_MOST_ANCESTORS: Final = 64


@dataclass(frozen=True)
class Trait(Result):
    """One thing that data is known by.

    Args:
        name: Such as ``"spacing"``.
        trained: What it was in training, in words.
        here: What it is.
        differs: Whether the network was made for something else.
    """

    name: str
    trained: str
    here: str
    differs: bool


@dataclass(frozen=True)
class Likeness(Result):
    """Data beside what a network was trained on.

    Args:
        trained_on: Names of the sources that the network has learned from, the last one first;
            empty where the run does not say.
        source: The name of this one.
        trained: What the signals of training were like; None where the run does not say.
        here: What these are like.
    """

    json_keys = ("trained_on", "foreign", "traits")

    trained_on: tuple[str, ...]
    source: str
    trained: Profile | None
    here: Profile | None

    @classmethod
    def of(cls, training: Mapping[str, Any], source: str, here: Profile | None) -> Likeness:
        """Compare.

        Args:
            training: What a run says of its training.
            source: The name of the data.
            here: What its signals are like.
        """
        names = tuple(dict.fromkeys(_ancestors(training)))
        return cls(names, source, Profile.from_json(training.get("data")), here)

    @property
    def foreign(self) -> bool:
        """Whether the network has never learned from this source, as far as names tell."""
        return bool(self.trained_on) and self.source not in self.trained_on

    @property
    def traits(self) -> list[Trait]:
        """What is known of both, trait by trait."""
        if self.trained is None or self.here is None:
            return []
        return list(_traits(self.trained, self.here))

    @property
    def differences(self) -> list[Trait]:
        """The traits in which the data is unlike that of training."""
        return [trait for trait in self.traits if trait.differs]

    @property
    def remarks(self) -> list[str]:
        """What a person who reads a figure should know first, a line each."""
        lines = []
        if self.foreign:
            lines.append(
                f"foreign data: the network was trained on {self.trained_on[0]} and has never seen "
                f"{self.source}"
            )
        for trait in self.differences:
            lines.append(f"{trait.name}: {trait.here}; the network was trained on {trait.trained}")
        return lines


def _ancestors(training: Mapping[str, Any]) -> Iterator[str]:
    """The sources of a run, of the run that it was started from, and so on."""
    step: Any = training
    for _ in range(_MOST_ANCESTORS):
        if not isinstance(step, Mapping):
            return
        if isinstance(step.get("source"), str):
            yield step["source"]
        step = step.get("started_from")


def _traits(trained: Profile, here: Profile) -> Iterator[Trait]:
    yield Trait("unit", _unit(trained), _unit(here), trained.unit != here.unit)
    yield Trait("range mapped to [0, 1]", _range(trained), _range(here), _moved(trained, here))
    if trained.mean is not None and here.mean is not None:
        yield Trait("values in it", _values(trained), _values(here), _other_values(trained, here))
    if trained.rate is not None and here.rate is not None:
        apart = _apart(trained.rate, here.rate)
        yield Trait("sampling rate", f"{trained.rate:.4g} Hz", f"{here.rate:.4g} Hz", apart)
    else:
        yield Trait("spacing", _spacing(trained), _spacing(here), _other_spacing(trained, here))
    yield Trait("samples", _samples(trained), _samples(here), _outside(trained, here))
    others = trained.channels != here.channels
    yield Trait("channels", f"{trained.channels}", f"{here.channels}", others)


def _unit(profile: Profile) -> str:
    return profile.unit or "none"


def _range(profile: Profile) -> str:
    return f"{profile.low:.4g} to {profile.high:.4g}"


def _moved(trained: Profile, here: Profile) -> bool:
    """Whether another range is mapped to [0, 1]."""
    tolerated = _SAME_RANGE
    if trained.own_ranges:
        tolerated = _SAME_OWN_RANGE
    width = trained.high - trained.low
    moves = (abs(trained.low - here.low), abs(trained.high - here.high))
    return max(moves) > tolerated * width


def _values(profile: Profile) -> str:
    return f"{profile.mean:.3f} ± {profile.std:.3f}"


def _other_values(trained: Profile, here: Profile) -> bool:
    """Whether normalised values lie elsewhere, or are spread more or less."""
    assert trained.mean is not None and here.mean is not None
    assert trained.std is not None and here.std is not None
    least = 1e-6  # of data that is constant
    wider = (here.std + least) / (trained.std + least)
    moved = abs(here.mean - trained.mean) / (trained.std + least)
    return moved > _SAME_MEAN or not 1 / _SAME_SPREAD <= wider <= _SAME_SPREAD


def _apart(trained: float, here: float) -> bool:
    return abs(here / trained - 1) > _SAME_STEP


def _spacing(profile: Profile) -> str:
    if profile.spacing is None:
        return "unknown"
    steps = " x ".join(f"{step:.4g}" for step in profile.spacing)
    return f"{steps} {profile.spacing_unit}".rstrip()


def _other_spacing(trained: Profile, here: Profile) -> bool:
    """Whether samples lie closer or farther; not where one of them does not know."""
    if trained.spacing is None or here.spacing is None:
        return False
    if trained.spacing_unit != here.spacing_unit or len(trained.spacing) != len(here.spacing):
        return True
    return any(map(_apart, trained.spacing, here.spacing))


def _samples(profile: Profile) -> str:
    sides = []
    for low, high in zip(profile.smallest, profile.largest, strict=True):
        sides.append(str(low) if low == high else f"{low}-{high}")
    return " x ".join(sides)


def _outside(trained: Profile, here: Profile) -> bool:
    """Whether signals have many more samples along an axis than any of training, or many fewer."""
    if len(trained.smallest) != len(here.smallest):
        return True
    for known, new in zip(trained.smallest, here.smallest, strict=True):
        if new * _SAME_SIDE < known:
            return True
    for known, new in zip(trained.largest, here.largest, strict=True):
        if new > known * _SAME_SIDE:
            return True
    return False
