"""A latent set whose classes are blobs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latents.sets import LATENT, header, make_info, make_run
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.writer import LatentSetWriter


def blob_latents(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Latents at -1 or +1 along every axis, by class, with some noise."""
    noise = np.random.default_rng(seed).normal(0, 0.3, (len(labels), LATENT))
    return (2 * labels[:, None] - 1 + noise).astype(np.float32)


def write_blob_set(
    folder: Path, sizes: dict[str, int], *, labelled: bool = True, psnr: float | None = None
) -> LatentSet:
    """Signals ``<split>-<number>`` of the classes well and ill in turn; PSNR grows with the number
    unless one is given."""
    run = make_run()
    info = make_info(run)
    writer = LatentSetWriter(folder, run, info)
    for seed, (split, count) in enumerate(sizes.items()):
        labels = np.arange(count) % 2
        headers = [
            header(f"{split}-{i}", label=int(labels[i]) if labelled else None) for i in range(count)
        ]
        decibels = (
            30 + np.arange(count, dtype=np.float32)
            if psnr is None
            else np.full(count, psnr, np.float32)
        )
        target = writer.split(split)
        assert target is not None
        target.append(
            table_of(info, headers, blob_latents(labels, seed), decibels), last_id=headers[-1].id
        )
        writer.finish_split(target)
    return writer.finish()
