"""Where latents are decoded to, in which units and in which form, as :meth:`Run.decode` is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, DataError, suggest
from medfuncta._src.latents.array_layout import CHANNELS
from medfuncta._src.latents.given import (
    NAN,
    Given,
    Ranges,
    own_spacing,
    placed_as,
    spans_of,
)
from medfuncta._src.run import Run
from medfuncta._src.signals.data_facts import DataFacts
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import SignalSpec, ValueRange
from medfuncta._src.sources.containers import Channels, channels_at
from medfuncta._src.sources.held import Held, check_given, check_readable


@dataclass(frozen=True, eq=False)
class CoordinatesOf:
    """Coordinates in [-1, 1] where one signal, or every one, is decoded, ``[points, dim]``."""

    coordinates: Tensor


@dataclass(frozen=True, eq=False)
class Target:
    """Where latents are decoded to, and in which form.

    Args:
        run: Whose they are.
        count: Of latents.
        like: What they were made of, or should look like.
        channels: Where the channels go.
        facts: What the run noted of its data.
    """

    run: Run
    count: int
    like: Given | None
    channels: Channels
    facts: DataFacts | None

    @classmethod
    def of(
        cls,
        run: Run,
        count: int,
        like: Any,
        channels: Channels | None,
        spacing: float | Sequence[float] | None,
    ) -> Target:
        """The target that was asked for.

        Raises:
            ConfigError, DataError: If ``like`` is no signal of the run, or not one for each latent.
        """
        facts = DataFacts.from_training(run.training)
        if like is None:
            return cls(run, count, None, _channels_of(run.spec, channels), facts)
        given = Given.of(run.spec, like, channels, spacing)
        if len(given) not in (1, count):
            raise DataError(
                f"{counted(len(given), 'signal')} in like for {counted(count, 'latent')}; expected "
                "one for each, or a "
                "single one"
            )
        return cls(run, count, given, given.channels, facts)

    def _place_in_like(self, number: int) -> int:
        """Which signal of ``like`` one latent's should look like."""
        assert self.like is not None
        return number if len(self.like) > 1 else 0

    def entry(self, number: int) -> Held:
        """The signal that one latent's should look like."""
        assert self.like is not None
        return self.like.entries[self._place_in_like(number)]

    def places(
        self, shape: int | Sequence[int] | None, grid: Domain | None, coordinates: Any
    ) -> Sequence[Domain | CoordinatesOf]:
        """Where each is decoded.

        Raises:
            ConfigError, DataError: If that is not known, said twice, or of another dimension.
        """
        given = {"shape": shape, "grid": grid, "coordinates": coordinates}
        said = [name for name, value in given.items() if value is not None]
        if len(said) > 1:
            raise ConfigError(f"got both {' and '.join(said)}; give one of them")
        if coordinates is not None:
            return list(_points_of(coordinates, self.count, self.run.spec.dim))
        if grid is not None:
            return [self._placed(_checked(grid, self.run.spec.dim))] * self.count
        each = self.count if self.like is not None and len(self.like) > 1 else 1
        own = [self._own(number, shape) for number in range(each)]
        if shape is not None:
            sides = [shape] if isinstance(shape, int | np.integer) else shape
            own = [_reshaped(domain, sides) for domain in own]
        return own if each > 1 else own * self.count

    def _placed(self, domain: Domain) -> Domain:
        """A grid that the user has made, in the box of the run's signals."""
        facts = self.facts
        known = not isinstance(domain, Grid) or domain.spacing is not None
        if known or facts is None or facts.spacing is None or domain.dim == 1:
            return placed_as(self.run.spec, facts, domain)
        raise ConfigError(
            f"grid has no spacing, and signals of this run have one ({facts.spacing_unit}); give "
            "the grid its own, or say shape="
        )

    def _own(self, number: int, shape: int | Sequence[int] | None) -> Domain:
        """The samples of a signal itself."""
        spec, facts = self.run.spec, self.facts
        if self.like is not None:
            entry = self.entry(number)
            if entry.signal is not None:
                return entry.domain
            return placed_as(spec, facts, entry.domain)
        steps = None if facts is None else own_spacing(facts)
        alike = facts is None or facts.spacing is None or steps is not None
        if spec.shape is not None and alike:
            return Grid(spec.shape, steps, unit="" if facts is None else facts.spacing_unit)
        if shape is not None and (spec.dim == 1 or facts is None or facts.spacing is None):
            return Grid((1,) * spec.dim)  # each side spans [-1, 1] whatever the shape
        raise ConfigError(
            "signals of this run have shapes of their own; say where to decode by like= (what was "
            "encoded), grid= or coordinates="
        )

    def spans(self, ranges: Ranges, mask: Any) -> list[ValueRange]:
        """The units of each signal.

        Args:
            ranges: As they were given.
            mask: Where the signals of ``like`` were observed; where they are not NaN when None.

        Raises:
            ConfigError, DataError: If they are not known.
        """
        own = None
        if self.like is not None:
            own = self.like.masks(NAN if mask is None else mask)
        found: list[ValueRange] = []
        for number, span in enumerate(spans_of(self.run, ranges, self.count)):
            if ranges is None and self.like is not None:
                signal = self.entry(number).signal
                span = span if signal is None else signal.range
            if span is None and (self.like is None or len(self.like) < self.count):
                raise ConfigError(
                    "each signal of this run was mapped to [0, 1] by what it spans itself; say "
                    "like= (what was encoded) or range= (low and high of each), or range=(0, 1) "
                    "for values as they are in the network"
                )
            if span is None:
                assert self.like is not None
                span = ValueRange.of(self.like.values(self._place_in_like(number), own).seen)
            found.append(span)
        return found

    def made(self, number: int, values: Tensor, place: Domain | CoordinatesOf) -> Any:
        """Values ``[*shape, channels]`` in the form that was asked for."""
        entry = None if self.like is None else self.entry(number)
        if entry is not None and isinstance(place, Grid):
            if entry.signal is not None:
                array = values.detach().cpu().numpy()
                return entry.signal.with_values(array, domain=place)
            if entry.container is not None:
                return entry.container.remake(values, place)
        return channels_at(values, self.channels)


def _points_of(given: Any, count: int, dim: int) -> Sequence[CoordinatesOf]:
    """Coordinates of each signal.

    Raises:
        DataError: If they are of another shape, or not finite.
    """
    try:
        plain = numbers_of(given, "coordinates")
    except (TypeError, ValueError):
        raise DataError(
            f"coordinates were given as {type(given).__name__}; expected [points, {dim}]"
        ) from None
    if dim == 1 and plain.ndim == 1:
        plain = plain.unsqueeze(-1)
    shape = tuple(plain.shape)
    fits = plain.ndim in (2, 3) and shape[-1] == dim and 0 not in shape
    if not fits or plain.is_complex() or (plain.ndim == 3 and shape[0] != count):
        raise DataError(
            f"coordinates of shape {shape} for {counted(count, 'latent')}; expected [points, "
            f"{dim}], or "
            f"[{count}, points, {dim}]"
        )
    if not plain.isfinite().all():
        raise DataError(
            "coordinates hold NaN or Inf; expected numbers, those in the box in [-1, 1]"
        )
    if plain.ndim == 3:
        return [CoordinatesOf(own) for own in plain]
    return [CoordinatesOf(plain)] * count


def _channels_of(spec: SignalSpec, channels: Any) -> Channels:
    """Where a result has its channels: as was said, or none of one and the last axis of several.

    Raises:
        ConfigError, DataError: If that is another word, or they cannot be there.
    """
    if channels is None:
        return "none" if spec.channels == 1 else "last"
    if channels not in CHANNELS:
        raise ConfigError(f"channels={channels!r}; {suggest(str(channels), CHANNELS)}")
    if channels == "none" and spec.channels > 1:
        raise DataError(
            f"channels='none' for a run of {counted(spec.channels, 'channel')}; expected 'first' "
            "or 'last'"
        )
    return channels


def numbers_of(given: Any, what: str) -> Tensor:
    """Numbers that need not be an array yet, as a tensor; complex ones stay what they are.

    Args:
        given: The numbers.
        what: What an error calls them.

    Raises:
        DataError: If they would take far more memory than they have, or cannot be read.
        TypeError, ValueError: If they are no numbers, or rows of several lengths.
    """
    check_given(what, given)
    check_readable(what, given)
    if isinstance(given, Tensor):
        return given if given.layout == torch.strided else given.to_dense()
    array = np.asarray(given)
    if array.dtype.kind == "c":
        return torch.from_numpy(array.copy())
    return torch.from_numpy(np.array(array, float))


def _checked(domain: Any, dim: int) -> Domain:
    if not isinstance(domain, Grid | Scatter):
        raise ConfigError(
            f"grid is a {type(domain).__name__}; expected a Grid or Scatter of medfuncta (shape= "
            "takes numbers, like= an image)"
        )
    if domain.dim != dim:
        raise DataError(f"a grid of {counted(domain.dim, 'dimension')}; this run expects {dim}")
    return domain


def _reshaped(domain: Domain, sides: Sequence[int]) -> Domain:
    if not isinstance(domain, Grid):
        raise ConfigError("shape= for scattered samples; say grid= or coordinates=")
    return domain.with_shape(sides)
