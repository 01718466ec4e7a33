"""Signals in memory as a source, and small untrained runs for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from medfuncta.config import FitConfig
from medfuncta.errors import DataError
from medfuncta.field.siren.config import SirenConfig
from medfuncta.field.siren.field import SirenField
from medfuncta.run import Run
from medfuncta.settings import Config
from medfuncta.signals.domain import Domain, Grid
from medfuncta.signals.signal import Label, Signal, SignalSpec, ValueRange
from medfuncta.sources.source import Source, SourceInfo


class ListSource(Source):
    """Signals from lists; a :class:`DataError` in a list stands for a bad file."""

    def __init__(
        self,
        spec: SignalSpec,
        splits: Mapping[str, Sequence[Signal | DataError]],
        *,
        skip_bad: bool = False,
    ) -> None:
        super().__init__(skip_bad=skip_bad)
        self._spec, self._splits = spec, splits
        self.opened: list[str] = []

    @property
    def own_info(self) -> SourceInfo:
        return SourceInfo("list:test", "CC0", "nobody", "patient", {"window": None})

    @property
    def spec(self) -> SignalSpec:
        return self._spec

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def _read(self, split: str) -> Iterator[Signal]:
        self.opened.append(split)
        for number, entry in enumerate(self._splits[split]):
            if isinstance(entry, DataError):
                self.skip(f"file{number}.dat", entry)
            else:
                yield entry


def make_signal(
    id: str, domain: Domain, channels: int = 1, label: Label = None, seed: int = 0, unit: str = "HU"
) -> Signal:
    """A smooth random signal between -100 and 100."""
    coordinates = domain.coordinates()
    directions = np.random.default_rng(seed).normal(size=(coordinates.shape[1], channels))
    shape = domain.shape if isinstance(domain, Grid) else (domain.points,)
    values = 100 * np.sin(2 * coordinates @ directions).astype(np.float32)
    return Signal.of(
        id, values.reshape(*shape, channels), domain, ValueRange(-100.0, 100.0), unit, label=label
    )


def small_run(spec: SignalSpec, *, seed: int = 0, **fit: int) -> Run:
    """A field that nobody trained."""
    field = SirenConfig(
        dim=spec.dim,
        channels=spec.channels,
        layers=3,
        width=16,
        latent_size=8,
        omega_first=5.0,
        omega_last=5.0,
    )
    settings = {"steps": 2, "batch": 3, **fit}
    network = SirenField(field, torch.Generator().manual_seed(seed))
    return Run(
        network,
        Config(field=field, fit=FitConfig(**settings)),
        spec,
        {"source": "list:test", "val_psnr": 12.5},
    )
