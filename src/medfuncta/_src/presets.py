"""Settings that go together, by name.

``paper-*`` are those of the paper (Table 6 and section 4.4), learning rate and length included;
they want a large GPU. The others were chosen by measurement on two CPU cores (docs/log.md) and are
sized for the kind of data that their name says. ``components-*`` are those of a field that starts
as principal components (:mod:`medfuncta._src.field.components`), and the ones taken where none is
named; ``trace``, ``image`` and ``volume`` are small networks of the paper's kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from medfuncta._src.config import FitConfig, InnerConfig, TrainConfig
from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.field.components.config import ComponentsConfig
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.signals.signal_set import SignalSet

_PAPER_TRAIN = TrainConfig(
    steps=250_000, learning_rate=3e-6, warmup=0, clip=0.0, validate_every=5000, validate_signals=256
)


def _paper(field: SirenConfig, batch: int, gamma: float) -> Config:
    return Config(
        field,
        InnerConfig(1e-2),
        replace(_PAPER_TRAIN, batch=batch, context_ratio=gamma),
        FitConfig(20, batch),
    )


def _quick(
    field: SirenConfig, train: TrainConfig, inner: InnerConfig, fit_batch: int = 64
) -> Config:
    return Config(field, inner, train, FitConfig(20, fit_batch))


def _from_components(field: ComponentsConfig, train: TrainConfig, fit_batch: int = 16) -> Config:
    train = replace(
        train, inner_steps=2, outer_loss="log", average=0.98, weight_decay=0.0, warmup=50, clip=5.0
    )
    return Config(field, InnerConfig(0.4, momentum=0.5), train, FitConfig(10, fit_batch))


PRESETS: Final[Mapping[str, Config]] = {
    "paper-1d": _paper(
        SirenConfig(
            dim=1,
            channels=1,
            layers=8,
            width=64,
            latent_size=64,
            omega_first=20.0,
            omega_last=200.0,
        ),
        64,
        1.0,
    ),
    "paper-2d": _paper(
        SirenConfig(
            dim=2,
            channels=1,
            layers=15,
            width=256,
            latent_size=2048,
            omega_first=20.0,
            omega_last=400.0,
        ),
        24,
        0.25,
    ),
    "paper-2d-128": _paper(
        SirenConfig(
            dim=2,
            channels=1,
            layers=15,
            width=256,
            latent_size=8192,
            omega_first=30.0,
            omega_last=300.0,
        ),
        8,
        0.25,
    ),
    "paper-2d-224": _paper(
        SirenConfig(
            dim=2,
            channels=1,
            layers=15,
            width=256,
            latent_size=16384,
            omega_first=30.0,
            omega_last=300.0,
        ),
        4,
        0.10,
    ),
    "paper-3d": _paper(
        SirenConfig(
            dim=3,
            channels=1,
            layers=15,
            width=256,
            latent_size=8192,
            omega_first=20.0,
            omega_last=300.0,
        ),
        4,
        0.25,
    ),
    "trace": _quick(
        SirenConfig(
            dim=1,
            channels=1,
            layers=6,
            width=64,
            latent_size=64,
            omega_first=20.0,
            omega_last=80.0,
            residual=True,
        ),
        TrainConfig(
            steps=2000,
            batch=16,
            learning_rate=2.5e-4,
            shift_init="orthogonal",
            optimiser="muon",
            outer_loss="log",
            average=0.98,
        ),
        InnerConfig(2e-2, momentum=0.5),
    ),
    "image": _quick(
        SirenConfig(
            dim=2,
            channels=1,
            layers=6,
            width=64,
            latent_size=512,
            omega_first=20.0,
            omega_last=80.0,
            residual=True,
        ),
        TrainConfig(
            steps=1000,
            batch=8,
            learning_rate=4e-4,
            context_ratio=0.5,
            context="stratified",
            optimiser="muon",
            outer_loss="log",
            average=0.98,
        ),
        InnerConfig(8e-2, momentum=0.5),
    ),
    "volume": _quick(
        SirenConfig(
            dim=3,
            channels=1,
            layers=6,
            width=64,
            latent_size=2048,
            omega_first=20.0,
            omega_last=80.0,
            residual=True,
        ),
        TrainConfig(
            steps=400,
            batch=2,
            learning_rate=3e-4,
            context_ratio=0.1,
            context="stratified",
            optimiser="muon",
            outer_loss="log",
            average=0.95,
            validate_every=100,
            validate_signals=16,
        ),
        InnerConfig(0.2, momentum=0.5),
        fit_batch=4,
    ),
    "components-1d": _from_components(
        ComponentsConfig(
            dim=1, channels=1, latent_size=64, kernel=9, modes=256, component_rate=0.1
        ),
        TrainConfig(steps=2000, batch=32, learning_rate=1e-3, augment=("elastic",)),
    ),
    "components-2d": _from_components(
        ComponentsConfig(
            dim=2, channels=1, latent_size=256, squeeze=2, modes=64, component_rate=3e-3
        ),
        TrainConfig(steps=2000, batch=8, learning_rate=3e-3),
    ),
    "components-3d": _from_components(
        ComponentsConfig(
            dim=3,
            channels=1,
            latent_size=512,
            most_nodes=64,
            squeeze=2,
            modes=20,
            component_rate=3e-3,
        ),
        TrainConfig(steps=1000, batch=4, learning_rate=3e-3, validate_signals=16),
        fit_batch=4,
    ),
}
"""Every preset; its ``field.channels`` (and, where it is general, ``field.dim``) are replaced by
those of the data."""

_SMALL: Final = {1: "trace", 2: "image", 3: "volume"}
_NUMBERS_A_SIDE: Final = 3.5
"""Of a latent, for the side of a square with as many points as a signal has: 64 for a heartbeat of
187 samples, 128 for 28 x 28 points, 256 for 64 x 64, 512 for 128 x 128 or 32 x 32 x 32."""
_MOST_NUMBERS: Final = 2048
_FEW_NUMBERS: Final = 256
_NUMBERS_A_SIGNAL: Final = 4
"""Numbers of a latent for each training signal, at the most, beyond a few: what they stand for is
learned from these."""


def preset(name: str) -> Config:
    """The settings of one preset.

    Raises:
        ConfigError: If there is none of this name; the nearest one is named.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset '{name}'; {suggest(name, PRESETS)}")
    return PRESETS[name]


def preset_for(spec: SignalSpec, kind: str | None = None) -> str:
    """The preset that fits signals of this kind on an ordinary machine, for this kind of field or
    for the best one."""
    if kind is None or kind == ComponentsConfig.kind:
        return f"components-{spec.dim}d"
    return _SMALL[spec.dim]


def sized_for(config: Config, signals: SignalSet) -> Config:
    """The settings with a latent as large as these training signals are worth: a power of two near
    3.5 times the square root of their points, less where they are few."""
    points = float(np.median([header.domain.points for header in signals.headers]))
    size = 2 ** max(3, round(math.log2(_NUMBERS_A_SIDE * math.sqrt(points))))
    most = min(_MOST_NUMBERS, max(_FEW_NUMBERS, _NUMBERS_A_SIGNAL * len(signals)))
    while size > most:
        size //= 2
    return replace(config, field=replace(config.field, latent_size=size))


def fitted_to(config: Config, spec: SignalSpec) -> Config:
    """The settings with dimension and channels of the data.

    Raises:
        ConfigError: If the preset is for signals of another dimension.
    """
    if config.field.dim != spec.dim:
        fitting = [name for name, candidate in PRESETS.items() if candidate.field.dim == spec.dim]
        raise ConfigError(
            f"settings for {config.field.dim}D signals, but the data is {spec.dim}D; take one of: "
            f"{', '.join(fitting)}"
        )
    return replace(config, field=replace(config.field, channels=spec.channels))
