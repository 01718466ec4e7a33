"""A small field, and latent sets made of random numbers, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.writer import LatentSetWriter
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Label, Signal, SignalHeader, SignalSpec, ValueRange
from medfuncta._src.sources.source import SourceInfo

LATENT = 6
AFFINE = np.array([[2.0, 0, 0, -10], [0, 3, 0, -20], [0, 0, 1, 0], [0, 0, 0, 1]])


def make_run() -> Run:
    config = SirenConfig(dim=2, layers=4, width=8, latent_size=LATENT, omega_first=5, omega_last=10)
    return Run(SirenField(config), Config(field=config), SignalSpec(dim=2, channels=1))


def header(id: str, label: Label = 0) -> SignalHeader:
    grid = Grid((5, 4), (2.0, 3.0), AFFINE, "mm")
    values = np.zeros((5, 4, 1), np.float32)
    return Signal.of(
        id,
        values,
        grid,
        ValueRange(-1000.0, 500.0),
        "HU",
        label=label,
        dtype="int16",
        metadata={"site": "Ulm"},
    ).header


def make_info(
    run: Run,
    *,
    dtype: str = "float32",
    task: str = "binary-class",
    names: Sequence[str] = ("well", "ill"),
) -> SetInfo:
    spec = SignalSpec(
        dim=2, channels=1, unit="HU", modality="ct", label_names=tuple(names), task=task
    )
    source = SourceInfo(
        "nifti:lungs", "CC BY-SA 4.0", "Made up for a test", "patient", {"resample": "none"}
    )
    return SetInfo(run.fingerprint, LATENT, spec, source, {"steps": 3}, dtype)


def random_latents(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.01, (rows, LATENT)).astype(np.float32)


SetMaker = Callable[..., LatentSet]


def write_set(
    folder: Path,
    *,
    dtype: str = "float32",
    task: str = "binary-class",
    latents: np.ndarray | None = None,
    prefix: str = "",
    **rows: int,
) -> LatentSet:
    """``write_set(folder, train=5, val=2)`` writes a set with so many rows, three to four a
    shard."""
    run = make_run()
    info = make_info(run, dtype=dtype, task=task)
    writer = LatentSetWriter(folder, run, info, shard_bytes=3 * LATENT * np.dtype(dtype).itemsize)
    for split, count in rows.items():
        target = writer.split(split)
        if target is None:
            continue
        numbers = random_latents(count) if latents is None else latents
        for start in range(0, count, 2):
            ids = [f"{prefix}{split}-{i}" for i in range(start, min(start + 2, count))]
            psnr = 30 + np.arange(start, start + len(ids), dtype=np.float32)
            headers = [header(id, label=(start + i) % 2) for i, id in enumerate(ids)]
            target.append(
                table_of(info, headers, numbers[start : start + len(ids)], psnr), last_id=ids[-1]
            )
        writer.finish_split(target)
    return writer.finish()
