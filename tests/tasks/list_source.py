"""Signals in memory as a source, and small untrained runs for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from medfuncta._src.config import FitConfig
from medfuncta._src.errors import DataError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Domain, Grid
from medfuncta._src.signals.signal import Label, Signal, SignalSpec, ValueRange
from medfuncta._src.sources.contents import Contents, LabelMaps, Survey
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.splitting import Item, whole_splits


def list_source(
    spec: SignalSpec,
    splits: Mapping[str, Sequence[Signal | DataError]],
    *,
    skip_bad: bool = False,
    opened: list[str] | None = None,
    label_maps: LabelMaps | None = None,
) -> Source:
    """Signals from lists.

    Args:
        spec: Of all signals.
        splits: By name; a :class:`DataError` in a list stands for a bad file.
        skip_bad: Leave these out.
        opened: Gets the name of each split that is read.
        label_maps: Of its signals.
    """
    skips = Skips(skip_bad=skip_bad)

    def read(split: Item) -> Iterator[Signal]:
        if opened is not None:
            opened.append(split.name)
        for number, entry in enumerate(splits[split.name]):
            if isinstance(entry, DataError):
                skips.skip(f"file{number}.dat", entry)
            else:
                yield entry

    contents = Contents(
        name="list:test",
        items=whole_splits(splits),
        many=True,
        read=read,
        survey=lambda: Survey(spec),
        label_maps=label_maps,
        licence="CC0",
        citation="nobody",
        split_by="patient",
        details={"window": None},
    )
    return Source(contents, skips)


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


def small_run(spec: SignalSpec, *, seed: int = 0, latent_size: int = 8, **fit: int) -> Run:
    """A field that nobody trained."""
    field = SirenConfig(
        dim=spec.dim,
        channels=spec.channels,
        layers=3,
        width=16,
        latent_size=latent_size,
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
