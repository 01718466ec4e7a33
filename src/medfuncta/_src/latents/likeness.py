"""Data beside the data that a network was trained on: whether it is the same, how it differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from medfuncta._src.result import Result
from medfuncta._src.signals.data_facts import (
    DataFacts,
    Reach,
    range_text,
    reach_remark,
    remarks_for,
    same_range,
    same_spacing,
    sides_text,
    spacing_text,
)
from medfuncta._src.signals.signal import SignalSpec

_SAME_SIDE: Final = 1.25
"""The factor that a signal may have more samples by along an axis, or fewer."""
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
        foreign: Whether the network has never learned from this source, as far as names tell.
        traits: What is known of both.
        remarks: What a reader of the figures should know first, a sentence each.
    """

    json_keys = ("trained_on", "foreign", "traits")

    trained_on: tuple[str, ...]
    source: str
    foreign: bool
    traits: tuple[Trait, ...]
    remarks: tuple[str, ...]

    @classmethod
    def of(
        cls,
        spec: SignalSpec,
        training: Mapping[str, Any],
        source: str,
        here: DataFacts,
        reach: Reach | None = None,
    ) -> Likeness:
        """Compare.

        Args:
            spec: The signals that a run is for.
            training: What it says of its training.
            source: The name of the data.
            here: What its signals are like.
            reach: How far they reach beyond the box of the run's field, where it has one.
        """
        names = tuple(dict.fromkeys(_ancestors(training)))
        foreign = bool(names) and source not in names
        remarks = []
        if foreign:
            remarks.append(
                f"foreign data: the network was trained on {names[0]} and has never seen {source}"
            )
        remarks += reach_remark(reach)
        if training:
            remarks += remarks_for(spec, training, here)
        traits: tuple[Trait, ...] = ()
        trained = DataFacts.from_training(training)
        if trained is not None:
            traits = tuple(_traits(trained, here))
            remarks += _of_values(trained, here)
        if reach is not None:
            sides = sides_text(reach.largest)
            traits += (Trait("sides", sides_text(reach.box), sides, reach.beyond > 0),)
        return cls(names, source, foreign, traits, tuple(remarks))

    @property
    def differences(self) -> list[Trait]:
        """The traits in which the data is unlike that of training."""
        return [trait for trait in self.traits if trait.differs]


def _ancestors(training: Mapping[str, Any]) -> Iterator[str]:
    """The sources of a run, of the run that it was started from, and so on."""
    step: Any = training
    for _ in range(_MOST_ANCESTORS):
        if not isinstance(step, Mapping):
            return
        if isinstance(step.get("source"), str):
            yield step["source"]
        step = step.get("started_from")


def _traits(trained: DataFacts, here: DataFacts) -> Iterator[Trait]:
    yield Trait("unit", trained.unit or "none", here.unit or "none", trained.unit != here.unit)
    moved = not same_range(trained, here)
    yield Trait("mapped to [0, 1]", range_text(trained), range_text(here), moved)
    if trained.mean is not None and here.mean is not None:
        yield Trait("values in it", _values(trained), _values(here), _other_values(trained, here))
    apart = not same_spacing(trained, here)
    yield Trait("spacing", spacing_text(trained), spacing_text(here), apart)
    if trained.sizes is not None and here.sizes is not None:
        yield Trait("samples", _samples(trained), _samples(here), _other_sizes(trained, here))
    others = trained.channels != here.channels
    yield Trait("channels", f"{trained.channels}", f"{here.channels}", others)


def _of_values(trained: DataFacts, here: DataFacts) -> list[str]:
    """A sentence where normalised values are unlike those of training."""
    if trained.mean is None or here.mean is None or not _other_values(trained, here):
        return []
    return [
        f"values mapped to [0, 1] are {_values(here)}; the run was trained on {_values(trained)}"
    ]


def _values(facts: DataFacts) -> str:
    return f"{facts.mean:.3f} ± {facts.std:.3f}"


def _other_values(trained: DataFacts, here: DataFacts) -> bool:
    """Whether normalised values lie elsewhere, or are spread more or less."""
    assert trained.mean is not None and here.mean is not None
    least = 1e-6  # of data that is constant
    spread, known = (here.std or 0.0) + least, (trained.std or 0.0) + least
    moved = abs(here.mean - trained.mean) / known
    return moved > _SAME_MEAN or not 1 / _SAME_SPREAD <= spread / known <= _SAME_SPREAD


def _samples(facts: DataFacts) -> str:
    sides = []
    for low, high in facts.sizes or ():
        sides.append(str(low) if low == high else f"{low}-{high}")
    return " x ".join(sides)


def _other_sizes(trained: DataFacts, here: DataFacts) -> bool:
    """Whether signals have many more samples along an axis than any of training, or many fewer."""
    known, new = trained.sizes or (), here.sizes or ()
    if len(known) != len(new):
        return True
    for (fewest, most), (low, high) in zip(known, new, strict=True):
        if low * _SAME_SIDE < fewest or high > most * _SAME_SIDE:
            return True
    return False
