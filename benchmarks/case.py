"""What is measured: sizes of the network, of the signals and of a meta-step, the same for ours and
for the authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Final

import numpy as np

from medfuncta._src.config import InnerConfig, TrainConfig
from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

FIT_STEPS: Final = 20
"""H."""
_SAMPLES: Final = {1: "sample:ecg", 2: "sample:slices", 3: "sample:volumes"}


@dataclass(frozen=True)
class Case:
    """One setting, in the form that the authors' code has: omega grows by a fixed amount, residual
    sums, a mean over channels.

    Args:
        field: The network.
        shape: Samples of a signal along each axis.
        batch: Signals a meta-step.
        context_ratio: gamma.
        inner_steps: G.
        learning_rate: beta; the paper's.
        seed: Of initial weights and of context sets.
        memory_mb: Our budget for kept activations.
    """

    field: SirenConfig
    shape: tuple[int, ...]
    batch: int
    context_ratio: float
    inner_steps: int = 10
    learning_rate: float = 3e-6
    seed: int = 0
    memory_mb: int = TrainConfig.memory_mb

    @property
    def points(self) -> int:
        """Points of a signal."""
        return prod(self.shape)

    @property
    def context_points(self) -> int:
        """Points of a signal that an inner step sees; the authors' code rounds down."""
        return int(self.context_ratio * self.points)

    @property
    def config(self) -> Config:
        """The same setting for our package."""
        train = TrainConfig(
            batch=self.batch,
            inner_steps=self.inner_steps,
            context_ratio=self.context_ratio,
            learning_rate=self.learning_rate,
            warmup=0,
            schedule="constant",
            seed=self.seed,
            memory_mb=self.memory_mb,
        )
        return Config(self.field, InnerConfig(1e-2, channel_mean=True), train)

    @property
    def domain(self) -> Scatter:
        """The samples where the authors' code puts them: on the corners of [-1, 1], not at voxel
        centres."""
        axes = [np.linspace(-1, 1, count) for count in self.shape]
        positions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        return Scatter(positions, (-1.0,) * len(axes), (1.0,) * len(axes))

    def signals(self, values: np.ndarray) -> SignalSet:
        """Values in [0, 1], ``[signals, points, channels]``, as signals on :attr:`domain`."""
        domain, whole = self.domain, ValueRange(0, 1)
        signals = [
            Signal.of(f"s{index}", value, domain, whole) for index, value in enumerate(values)
        ]
        return SignalSet.collect(SignalSpec(len(self.shape), self.field.channels), signals)

    def for_signals_like(self, spec: SignalSpec) -> Case:
        """The same setting for signals of a data set.

        Raises:
            ConfigError: If they are of another dimension or have no common shape, which the
                authors' code needs.
        """
        if spec.dim != self.field.dim or spec.shape is None:
            raise ConfigError(
                f"signals of {spec.dim} dimensions and shape {spec.shape}; expected "
                f"{self.field.dim} and one common shape: "
                "choose another --preset, or an option of the source that brings all signals to "
                "one shape"
            )
        return replace(self, shape=spec.shape, field=replace(self.field, channels=spec.channels))


def _authors_field(
    dim: int, layers: int, width: int, latent_size: int, increment: float
) -> SirenConfig:
    return SirenConfig(
        dim=dim,
        layers=layers,
        width=width,
        latent_size=latent_size,
        omega_first=10.0,
        omega_last=10.0 + (layers - 1) * increment,
        omega_increment=increment,
        residual=True,
        shift_first=True,
        output_offset=0.5,
    )


CASES: Final = {
    "ecg": Case(_authors_field(1, 8, 64, 64, 10.0), (187,), 64, 1.0),
    "2d": Case(_authors_field(2, 15, 256, 2048, 5.0), (64, 64), 2, 0.25),
    "3d": Case(_authors_field(3, 15, 256, 8192, 5.0), (32, 32, 32), 1, 0.25),
}
"""The networks of the paper's Table 6 with the omegas of the authors' configuration files."""


def case_of(name: str, changes: Mapping[str, object]) -> Case:
    """A case by name, with those settings replaced that are not None.

    Raises:
        ConfigError: If there is none of this name.
    """
    if name not in CASES:
        raise ConfigError(f"unknown preset '{name}'; {suggest(name, CASES)}")
    return replace(
        CASES[name], **{key: value for key, value in changes.items() if value is not None}
    )  # type: ignore[arg-type]


def sample_values(case: Case, count: int, split: str = "train") -> np.ndarray:
    """``count`` real signals that come with the package, resampled to the case's shape,
    ``[count, points, channels]`` in [0, 1].

    There are a few hundred of them at the most; they repeat when more are asked for.
    """
    from medfuncta._src.sources.table import open_source

    source = open_source(_SAMPLES[case.field.dim])
    signals = SignalSet.collect(source.spec, source.signals(split))
    values = [
        _resampled(signals.signal(index % len(signals)), case.shape) for index in range(count)
    ]
    return np.repeat(np.stack(values), case.field.channels, axis=-1)


def _resampled(signal: Signal, shape: tuple[int, ...]) -> np.ndarray:
    """The signal's nearest samples on a grid of another shape, as points."""
    assert isinstance(signal.domain, Grid)
    nearest = [
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for old, new in zip(signal.domain.shape, shape, strict=True)
    ]
    return signal.range.normalise(signal.values)[np.ix_(*nearest)].reshape(-1, signal.channels)
