"""What a Python program hands to :meth:`Run.encode` and as ``like`` to :meth:`Run.decode`: arrays,
tensors and images in memory, taken for signals of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
from torch import Tensor

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, DataError, suggest
from medfuncta._src.latents.array_layout import CHANNELS, ArrayLayout
from medfuncta._src.run import Run
from medfuncta._src.signals.data_facts import DataFacts
from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.containers import Channels, is_container, is_meta_tensor, the_image
from medfuncta._src.sources.held import Held, check_given, held_mask, held_signal, plain_array

Ranges: TypeAlias = Any
"""``(low, high)``, ``"each"``, or an array ``[signals, 2]``."""

NAN: Final = "nan"
_ANOTHER_SCALE: Final = 0.01
"""Values that use less of a range than this are hardly in its units, nor are those that lie beyond
it by more than its inverse."""


@dataclass(frozen=True, eq=False)
class Given:
    """Signals as they were given, one after the other.

    Args:
        entries: The signals.
        many: Whether there is an axis that counts them, or a list.
        channels: Where their arrays have channels.
        tensors: Whether they are tensors, or images made of these.
    """

    entries: Sequence[Held]
    many: bool
    channels: Channels
    tensors: bool

    @classmethod
    def of(
        cls,
        spec: SignalSpec,
        given: Any,
        channels: Channels | None = None,
        spacing: float | Sequence[float] | None = None,
    ) -> Given:
        """Take what was given apart.

        Args:
            spec: Of the run.
            given: One signal or many.
            channels: Where the channels are; found where only one answer is possible when None.
            spacing: Distance from sample to sample of arrays and tensors.

        Raises:
            ConfigError, DataError: If it is no signal, of another form than the run's, or leaves
                open where its channels are.
        """
        if channels is not None and channels not in CHANNELS:
            raise ConfigError(f"channels={channels!r}; {suggest(str(channels), CHANNELS)}")
        if isinstance(given, list | tuple):
            return cls._of_list(spec, given, channels, spacing)
        given = the_image("the signal", given)
        if isinstance(given, Signal) or (is_container(given) and not is_meta_tensor(given)):
            tensors = not isinstance(given, Signal) and not hasattr(given, "dataobj")
            entry = _held(spec, "the signal", given, channels, spacing)
            return cls([entry], False, channels or "last", tensors)
        given = plain_array("the signal", given)
        check_given("what was given", given)
        layout = ArrayLayout.of(tuple(given.shape), spec, channels, first=is_meta_tensor(given))
        entries = [given]
        if layout.many:
            entries = list(given)
        if not entries:
            raise DataError("no signal was given; expected at least one")
        held = [
            _held(spec, _name(number, layout.many), entry, layout.channels, spacing)
            for number, entry in enumerate(entries)
        ]
        return cls(held, layout.many, layout.channels, isinstance(given, Tensor))

    @classmethod
    def _of_list(
        cls,
        spec: SignalSpec,
        given: Sequence[Any],
        channels: Channels | None,
        spacing: float | Sequence[float] | None,
    ) -> Given:
        """Signals in a list, each by itself."""
        if not len(given):
            raise DataError("no signal was given; expected at least one")
        check_given("the list of signals", given)
        parts = []
        for number, entry in enumerate(given):
            if isinstance(entry, list | tuple | int | float):
                raise ConfigError(
                    f"signal {number} is a {type(entry).__name__}; expected an array, a tensor, an "
                    "image or a signal; numpy.asarray makes an array of numbers"
                )
            part = cls.of(spec, entry, channels, spacing)
            if part.many:
                raise DataError(
                    f"signal {number} of the list has an axis more than a signal of "
                    f"{counted(spec.dim, 'dimension')}; give one signal an entry"
                )
            parts.append(part)
        entries = [part.entries[0] for part in parts]
        return cls(entries, True, parts[0].channels, parts[0].tensors)

    def __len__(self) -> int:
        return len(self.entries)

    def name(self, number: int) -> str:
        """What an error calls a signal."""
        return _name(number, self.many)

    def masks(self, given: Any) -> Sequence[np.ndarray | None] | None:
        """Where each was observed; None where that is where it is not NaN.

        Raises:
            ConfigError, DataError: If a mask is of another type or shape.
        """
        if isinstance(given, str):
            if given != NAN:
                raise ConfigError(f"mask={given!r}; expected '{NAN}', or arrays of bool")
            return None
        if given is None:
            return [None] * len(self)
        shape = self.entries[0].shape
        stacked = self.many and getattr(given, "ndim", 0) == len(shape) + 1
        listed = stacked or isinstance(given, list | tuple)
        if listed and len(given) != len(self):
            raise DataError(
                f"{counted(len(given), 'mask')} for {counted(len(self), 'signal')}; expected one "
                "for each"
            )
        each = list(given) if listed else [given] * len(self)
        found = []
        for number, (mask, entry) in enumerate(zip(each, self.entries, strict=True)):
            found.append(None if mask is None else held_mask(self.name(number), mask, entry.shape))
        return found

    def signals(self, run: Run, mask: Any = None, ranges: Ranges = None) -> Iterator[Signal]:
        """The signals, normalised as the run's own.

        Args:
            run: Whose.
            mask: Where they were observed.
            ranges: What is mapped to [0, 1].

        Raises:
            ConfigError, DataError: If values are not finite where they were observed, or it is not
                known what is mapped to [0, 1].
        """
        masks = self.masks(mask)
        spans = spans_of(run, ranges, len(self))
        facts = DataFacts.from_training(run.training)
        for number, entry in enumerate(self.entries):
            given = self.values(number, masks)
            span, domain = spans[number] or ValueRange.of(given.seen), entry.domain
            if entry.signal is None:
                domain = placed_as(run.spec, facts, domain)
            elif ranges is None:
                span = entry.signal.range
            _check_scale(self.name(number), given.seen, span, run.spec.unit)
            yield Signal.of(
                id=f"{number:06d}",
                values=given.values,
                domain=domain,
                range=span,
                unit=run.spec.unit,
                mask=given.observed,
                dtype=entry.dtype,
            )

    def values(self, number: int, masks: Sequence[np.ndarray | None] | None) -> Observed:
        """The values of one signal.

        Args:
            number: Which.
            masks: As :meth:`masks` has them.

        Raises:
            DataError: If they are not finite where they were observed, or were observed nowhere.
        """
        entry = self.entries[number]
        values = entry.load()
        observed = _known(values) if masks is None else masks[number]
        if entry.signal is not None and entry.signal.mask is not None:
            own = entry.signal.mask
            observed = own if observed is None else own & observed
        return Observed(values, observed, _seen(self.name(number), values, observed))


@dataclass(frozen=True, eq=False)
class Observed:
    """The values of a signal ``[*shape, channels]``, where they were observed (everywhere when
    None), and those that were, which are finite."""

    values: np.ndarray
    observed: np.ndarray | None
    seen: np.ndarray


def _name(number: int, many: bool) -> str:
    return f"signal {number}" if many else "the signal"


def _held(
    spec: SignalSpec,
    name: str,
    entry: Any,
    channels: Channels | None,
    spacing: float | Sequence[float] | None,
) -> Held:
    held = held_signal(name, entry, channels, spacing)
    spec.check_fits(SignalSpec(held.domain.dim, held.channels))
    return held


def _known(values: np.ndarray) -> np.ndarray:
    """Where no channel is NaN."""
    return np.logical_not(np.isnan(values).any(axis=-1))


def _seen(name: str, values: np.ndarray, observed: np.ndarray | None) -> np.ndarray:
    """The values that were observed, all of them finite.

    Raises:
        DataError: If there is none, or one is not finite.
    """
    seen = values if observed is None else values[observed]
    if not seen.size:
        raise DataError(f"{name} has no value that was observed; expected at least one")
    bad = seen.size - int(np.isfinite(seen).sum())
    if bad:
        raise DataError(
            f"{name} holds {bad} values that are NaN or Inf; give a mask that is True where a "
            f"value was observed, or mask='{NAN}' where NaN marks gaps"
        )
    return seen


def _check_scale(name: str, seen: np.ndarray, span: ValueRange, unit: str) -> None:
    """Raise where values are hardly in the units of the range.

    Raises:
        DataError: If they are far beyond it.
    """
    low, high = float(seen.min()), float(seen.max())
    width = span.high - span.low
    beyond = max(span.low - low, high - span.high) / width
    if beyond > 1 / _ANOTHER_SCALE:
        in_unit = f" {unit}" if unit else ""
        raise DataError(
            f"{name} holds values from {low:.4g} to {high:.4g}; this run maps {span.low:.4g} to "
            f"{span.high:.4g}{in_unit} to [0, 1]: give values in that unit, or say range="
        )


def spans_of(run: Run, ranges: Ranges, count: int) -> list[ValueRange | None]:
    """What is mapped to [0, 1] in each signal; None where it is what the signal spans.

    Args:
        run: Whose range it is where none was given.
        ranges: ``(low, high)``, ``"each"``, ``[signals, 2]`` or None.
        count: Of signals.

    Raises:
        ConfigError, DataError: If the ranges are none, or are not known.
    """
    if ranges is None:
        facts = DataFacts.from_training(run.training)
        if facts is None:
            raise ConfigError(
                "this run does not say what was mapped to [0, 1]; say range=(low, high), or "
                "range='each' for what each signal spans"
            )
        return [None if facts.range is None else ValueRange(*facts.range)] * count
    if isinstance(ranges, str):
        if ranges != "each":
            raise ConfigError(f"range={ranges!r}; expected (low, high), one for each, or 'each'")
        return [None] * count
    check_given("range", ranges)
    try:
        bounds = np.asarray(ranges, float)
    except (TypeError, ValueError):
        bounds = np.empty(0)
    if bounds.shape == (2,):
        bounds = np.tile(bounds, (count, 1))
    if bounds.shape != (count, 2):
        raise ConfigError(
            f"a range of shape {bounds.shape}; expected (low, high), or {count} of them"
        )
    pairs = zip(bounds[:, 0], bounds[:, 1], strict=True)
    return [ValueRange(float(low), float(high)) for low, high in pairs]


def placed_as(spec: SignalSpec, facts: DataFacts | None, domain: Domain) -> Domain:
    """Where a signal lies as the run's own signals do: a spacing counts where theirs did.

    Raises:
        ConfigError: If theirs did, and the signal has none.
    """
    if facts is None or not isinstance(domain, Grid) or spec.dim == 1:
        return domain
    if facts.spacing is None:
        return replace(domain, spacing=None, unit="")
    if domain.spacing is not None:
        return domain
    steps = own_spacing(facts)
    if steps is None:
        raise ConfigError(
            f"signals of this run know the distance between samples ({facts.spacing_unit}), which "
            "differs from one to another; say spacing="
        )
    return replace(domain, spacing=steps, unit=facts.spacing_unit)


def own_spacing(facts: DataFacts) -> tuple[float, ...] | None:
    """The distances between samples that all of a run's signals share; None where they do not."""
    if facts.spacing is None:
        return None
    steps = tuple(high for _, high in facts.spacing)
    same = np.allclose([low for low, _ in facts.spacing], steps, rtol=1e-3)
    return steps if same else None
