"""Volumes with a ball of random place and size, latents fitted by hand, and their label maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from medfuncta.field.siren.config import SirenConfig
from medfuncta.field.siren.field import SirenField
from medfuncta.latents.info import SetInfo
from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.schema import table_of
from medfuncta.latents.writer import LatentSetWriter
from medfuncta.run import Run
from medfuncta.settings import Config
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal, SignalSpec, ValueRange
from tasks.list_source import ListSource

SHAPE = (10, 12, 9)
AFFINE = np.diag([1.0, 1.5, 2.0, 1.0])
SPEC = SignalSpec(3, 1)


class BlobSource(ListSource):
    """Balls with their label maps."""

    masks: dict[str, np.ndarray | None]

    @property
    def mask_names(self) -> dict[int, str]:
        return {1: "ball"}

    def mask_of(self, signal_id: str) -> np.ndarray | None:
        return self.masks[signal_id]


def blob_run() -> Run:
    """A field of one hidden width whose shifts are large, so that features move with the latent."""
    field = SirenConfig(
        dim=3, layers=4, width=32, latent_size=4, omega_first=4, omega_last=4, residual=False
    )
    network = SirenField(field, torch.Generator().manual_seed(0))
    return Run(network, Config(field=field), SPEC)


def write_blobs(folder: Path, **sizes: int) -> tuple[LatentSet, BlobSource]:
    """The latent of a ball is its centre and radius; the last signal of a split has no label map
    when there are more than six."""
    grid = Grid(SHAPE, (1.0, 1.5, 2.0), AFFINE, "mm")
    coordinates, run = grid.coordinates(), blob_run()
    source = BlobSource(SPEC, {})
    source.masks, signals = {}, {}
    info = SetInfo(run.fingerprint, 4, SPEC, source.info)
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
                    grid,
                    ValueRange(0.0, 1.0),
                    metadata={"radius": float(radius), "site": "Ulm"},
                )
            )
            source.masks[id] = mask.astype(np.int16)
        if count > 6:
            source.masks[f"{split}-{count - 1}"] = None
        target = writer.split(split)
        assert target is not None
        latents = np.column_stack([centres, radii]).astype(np.float32)
        headers = [signal.header for signal in signals[split]]
        target.append(
            table_of(info, headers, latents, np.full(count, 30, np.float32)), last_id=headers[-1].id
        )
        writer.finish_split(target)
    source._splits = signals
    return writer.finish(), source
