"""Settings of a field of components."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from math import prod
from typing import Annotated, Final, TypeAlias

import numpy as np
from msgspec import Meta

from medfuncta._src.config import LATER, FieldConfig, Word
from medfuncta._src.errors import ConfigError
from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.signal_set import SignalSet

_Side: TypeAlias = Annotated[int, Meta(ge=2, le=4096)]
_HalfSide: TypeAlias = Annotated[float, Meta(gt=0, le=1)]
_MOST_NUMBERS: Final = 2**26
"""Of one signal on its way through the field, all layers together: 256 MiB."""
_MOST_PRODUCTS: Final = 2**35
"""Of one signal on its way through the field: seconds on a core."""
_ROUNDING: Final = 1e-5
_UNSEEN_SIDE: Final = 32
"""Nodes an axis, at the least, as long as no data has been seen."""


@dataclass(frozen=True, kw_only=True)
class ComponentsConfig(FieldConfig):
    """Sizes of a field of components.

    Args:
        grid: Nodes along each axis of the grid on which values are made; those of the training
            signals when empty.
        half_sides: Half the length of each side of the box that the grid fills, in coordinates;
            that of the training signals when empty.
        most_nodes: Nodes along one axis, at the most, where the grid follows from the data.
        modes: Cosines along an axis, at the most, that the mean and the components are made of.
        layers: Convolutions of the refinement, the first and the last one included.
        width: Channels between the convolutions.
        kernel: Nodes along an axis that a convolution sees.
        squeeze: Nodes along an axis that become channels before the first convolution.
        completion: Convolutions of a second network, which fills in what was not observed of a
            signal before its latent is fitted; 0 for none, so that the latent alone tells it.
        component_rate: What the learning rate of the mean and the components is multiplied by: they
            start where linear methods end.

    Raises:
        ConfigError: If a setting is out of its bounds, or there are more components than numbers
            they could be made of.
    """

    kind: Word = "components"
    grid: Annotated[tuple[_Side, ...], Meta(max_length=3)] = ()
    half_sides: Annotated[tuple[_HalfSide, ...], Meta(max_length=3)] = ()
    most_nodes: _Side = 256
    modes: _Side = 64
    layers: Annotated[int, Meta(ge=2, le=32)] = 4
    width: Annotated[int, Meta(ge=1, le=1024)] = 32
    kernel: Annotated[int, Meta(ge=1, le=31)] = 3
    squeeze: Annotated[int, Meta(ge=1, le=16)] = 1
    completion: Annotated[int, Meta(ge=0, le=32)] = field(default=0, metadata=LATER)
    component_rate: Annotated[float, Meta(ge=0, le=1e6)] = 0.03

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("grid", "half_sides"):
            numbers = getattr(self, name)
            if len(numbers) not in (0, self.dim):
                raise ConfigError(
                    f"setting 'field.{name}' has {len(numbers)} numbers; expected {self.dim}, one "
                    "an axis, or none to take those of the data"
                )
        if self.completion == 1:
            raise ConfigError("setting 'field.completion' is 1; expected 0 for none, or 2 and more")
        if self.kernel % 2 == 0:
            raise ConfigError(f"setting 'field.kernel' is {self.kernel}; expected an odd number")
        self._check_cost()
        most = self.features * self.channels
        if self.latent_size > most:
            raise ConfigError(
                f"setting 'field.latent_size' is {self.latent_size}; the components of signals of "
                f"this grid are made of {most} numbers (cosines times channels), and a latent has "
                f"no more; set field.latent_size={most} or less, or take larger signals"
            )

    def _check_cost(self) -> None:
        """Raise where one signal would ask for more memory or time than any field of ours."""
        cells = prod(-(-nodes // self.squeeze) for nodes in self.nodes)
        ends = self.channels * self.squeeze**self.dim
        numbers = cells * (2 * ends + self.layers * self.width)
        weights = 2 * ends * self.width + (self.layers - 2) * self.width**2
        products = cells * self.kernel**self.dim * weights
        if numbers > _MOST_NUMBERS or products > _MOST_PRODUCTS:
            shape = " x ".join(map(str, self.nodes))
            raise ConfigError(
                f"a field on {shape} nodes with {self.layers} layers of width {self.width}, kernel "
                f"{self.kernel} and squeeze {self.squeeze} asks for {numbers:,} numbers and "
                f"{products:,} products a signal; expected at most {_MOST_NUMBERS:,} and "
                f"{_MOST_PRODUCTS:,}: lower one, or field.most_nodes"
            )

    @property
    def nodes(self) -> tuple[int, ...]:
        """Nodes along each axis; as long as no data has been seen, enough for the components."""
        needed = math.ceil(self.latent_size ** (1 / self.dim)) + 1
        return self.grid or (max(_UNSEEN_SIDE, needed),) * self.dim

    @property
    def box(self) -> tuple[float, ...]:
        """Half the length of each side."""
        return self.half_sides or (1.0,) * self.dim

    @property
    def cosines(self) -> tuple[int, ...]:
        """Cosines along each axis."""
        return tuple(min(self.modes, nodes) for nodes in self.nodes)

    @property
    def features(self) -> int:
        """Products of cosines, one an axis."""
        return prod(self.cosines)


def fitted_to(config: ComponentsConfig, signals: SignalSet) -> ComponentsConfig:
    """The settings with the grid and the box of these signals, where none were given.

    The box holds every signal; nodes lie as densely as samples of the signal in the middle.
    """
    domains = [header.domain for header in signals.headers]
    box = config.half_sides
    largest = np.array([_half_sides(domain) for domain in domains]).max(axis=0)
    if not box:
        box = tuple(largest.tolist())
    if (largest > np.array(box) * (1 + _ROUNDING)).any():
        raise ConfigError(
            f"setting 'field.half_sides' is {box}; the signals reach to "
            f"{tuple(largest.round(6).tolist())}, expected at least that, or nothing to take it"
        )
    grid = config.grid
    if not grid:
        densities = np.array([_samples_per_length(domain) for domain in domains])
        wanted = np.round(np.median(densities, axis=0) * np.array(box))
        nodes = wanted.clip(2, config.most_nodes).astype(int)
        grid = tuple(nodes.tolist())
    return replace(config, grid=grid, half_sides=box)


def _half_sides(domain: Domain) -> np.ndarray:
    if isinstance(domain, Grid):
        return np.array(domain.half_sides)
    sides = np.subtract(domain.high, domain.low)
    return sides / sides.max()


def _samples_per_length(domain: Domain) -> np.ndarray:
    """Samples along each axis for each half side of length 1."""
    half_sides = _half_sides(domain)
    if isinstance(domain, Grid):
        return np.array(domain.shape) / half_sides
    along_the_longest = domain.points ** (1 / domain.dim)
    return np.full(domain.dim, along_the_longest)
