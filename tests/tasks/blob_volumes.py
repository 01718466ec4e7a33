"""Volumes with a ball of random place and size, latents fitted by hand, and their label maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.writer import LatentSetWriter
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.contents import Contents, LabelMap, LabelMaps, Survey
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.splitting import Item

SHAPE = (10, 12, 9)
AFFINE = np.diag([1.0, 1.5, 2.0, 1.0])
GRID = Grid(SHAPE, (1.0, 1.5, 2.0), AFFINE, "mm")
SPEC = SignalSpec(3, 1)


def blob_source(
    signals: Mapping[str, Sequence[Signal]], masks: Mapping[str, np.ndarray | None]
) -> Source:
    """Balls with their label maps, which are looked up by the ids of signals."""
    by_id = {signal.id: signal for found in signals.values() for signal in found}
    items = [
        Item(id=signal.id, name=signal.id, group=signal.id, split=split)
        for split, found in signals.items()
        for signal in found
    ]
    contents = Contents(
        name="list:test",
        items=items,
        read=lambda item: by_id[item.id],
        survey=lambda: Survey(SPEC),
        licence="CC0",
        citation="nobody",
        split_by="patient",
        details={"window": None},
    )
    return with_masks(Source(contents), masks)


def with_masks(source: Source, masks: Mapping[str, np.ndarray | None]) -> Source:
    """The balls with other label maps."""

    def read(item: Item) -> LabelMap | None:
        mask = masks[item.id]
        return None if mask is None else LabelMap(mask, GRID)

    return Source(replace(source.contents, label_maps=LabelMaps({1: "ball"}, read)))


def blob_run() -> Run:
    """A field of one hidden width whose shifts are large, so that features move with the latent."""
    field = SirenConfig(
        dim=3, layers=4, width=32, latent_size=4, omega_first=4, omega_last=4, residual=False
    )
    network = SirenField(field, torch.Generator().manual_seed(0))
    return Run(network, Config(field=field), SPEC)


def write_blobs(folder: Path, **sizes: int) -> tuple[LatentSet, Source]:
    """The latent of a ball is its centre and radius; the last signal of a split has no label map
    when there are more than six."""
    coordinates, run = GRID.coordinates(), blob_run()
    masks: dict[str, np.ndarray | None] = {}
    signals: dict[str, list[Signal]] = {}
    info = SetInfo(run.fingerprint, 4, SPEC, blob_source({}, {}).info)
    writer = LatentSetWriter(folder, run, info)
    generator = np.random.default_rng(0)
    for split, count in sizes.items():
        centres = generator.uniform(-0.35, 0.35, (count, 3))
        radii = generator.uniform(0.35, 0.6, count)
        signals[split] = []
        for number, (centre, radius) in enumerate(zip(centres, radii, strict=True)):
            mask = (np.linalg.norm(coordinates - centre, axis=1) < radius).reshape(SHAPE)
            id = f"{split}-{number}"
            values = mask[..., None].astype(np.float32)
            signals[split].append(
                Signal.of(
                    id,
                    values,
                    GRID,
                    ValueRange(0.0, 1.0),
                    metadata={"radius": float(radius), "site": "Ulm"},
                )
            )
            masks[id] = mask.astype(np.int16)
        if count > 6:
            masks[f"{split}-{count - 1}"] = None
        target = writer.split(split)
        assert target is not None
        latents = np.column_stack([centres, radii]).astype(np.float32)
        headers = [signal.header for signal in signals[split]]
        target.append(
            table_of(info, headers, latents, np.full(count, 30, np.float32)), last_id=headers[-1].id
        )
        writer.finish_split(target)
    return writer.finish(), blob_source(signals, masks)
