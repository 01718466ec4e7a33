"""A latent set of smooth signals with latents of a small untrained field, beside its source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from medfuncta._src.latents.decode import reconstruct
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.writer import LatentSetWriter
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.sources.source import Source
from tasks.list_source import list_source, make_signal, small_run


def write_fitted_set(
    folder: Path,
    shape: tuple[int, ...],
    channels: int = 1,
    opened: list[str] | None = None,
    **sizes: int,
) -> tuple[LatentSet, Source]:
    """Signals that the field reconstructs exactly, so that all that is lost is lost by
    quantisation."""
    spec = SignalSpec(len(shape), channels, shape, unit="HU")
    run = small_run(spec)
    with torch.no_grad():  # values inside [0, 1], where quality is measured
        run.network.last.weight.mul_(0.5)
        run.network.last.bias.fill_(0.5)
    info = SetInfo(run.fingerprint, 8, spec, list_source(spec, {}).info)
    writer = LatentSetWriter(folder, run, info)
    generator = np.random.default_rng(0)
    signals = {}
    for split, count in sizes.items():
        latents = generator.normal(0, 0.3, (count, 8)).astype(np.float32)
        headers = [make_signal(f"{split}-{n}", Grid(shape), channels).header for n in range(count)]
        signals[split] = [
            reconstruct(run, torch.from_numpy(row), header)
            for row, header in zip(latents, headers, strict=True)
        ]
        target = writer.split(split)
        assert target is not None
        target.append(
            table_of(info, headers, latents, np.full(count, 60, np.float32)), last_id=headers[-1].id
        )
        writer.finish_split(target)
    return writer.finish(), list_source(spec, signals, opened=opened)
