"""Small trainings in memory, and how well what was learned does on held-out signals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch

from medfuncta._src.config import FitConfig
from medfuncta._src.errors import DataError
from medfuncta._src.field.field import Field
from medfuncta._src.learning.checkpoint import Progress, TrainingState
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.learning.optimiser import WeightAverage, make_optimisers
from medfuncta._src.learning.train import meta_step, untrained
from medfuncta._src.settings import Config, override
from medfuncta._src.signals.mark import DataMark
from medfuncta._src.signals.psnr import psnr_of, psnr_of_one
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.table import open_source
from medfuncta._src.studies.clock import clock_of
from medfuncta._src.studies.network import spread_out
from medfuncta._src.tasks.evaluate.metrics import structural_similarity
from medfuncta._src.types import Latents

_CHECKS: Final = 5
"""How often a training is measured."""
COLLAPSED: Final = 15.0
"""dB: a network that does no better shows a grey signal of about the right brightness, or none."""


@dataclass(frozen=True)
class CurvePoint:
    """A training at one moment.

    Args:
        step: Meta-steps so far.
        seconds: That they took, without measuring (:mod:`medfuncta._src.studies.clock`).
        psnr: Mean PSNR of held-out signals, in dB.
    """

    step: int
    seconds: float
    psnr: float


@dataclass(frozen=True)
class Reached:
    """What a training reached.

    Args:
        psnr: Mean PSNR of held-out signals, in dB; a signal that was lost counts 0.
        ssim: Their mean SSIM; None for traces.
        seconds: That the meta-steps took.
        skipped: Meta-steps whose gradient was not finite.
        parameters: Of the shared network.
        curve: On the way there.
    """

    psnr: float
    ssim: float | None
    seconds: float
    skipped: int
    parameters: int
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True, eq=False)
class Learned:
    """A network that was trained, with what it was trained on.

    Args:
        field: The network.
        config: All settings.
        train: What it has learned from.
        held_out: What it is measured on.
        reached: How it went.
    """

    field: Field
    config: Config
    train: SignalSet
    held_out: SignalSet
    reached: Reached


Step = Callable[[TrainingState, SignalSet, Config], Any]
"""One meta-step: moves the state on by one step."""


def trained(settings: Mapping[str, Any]) -> Reached:
    """Train a network as the settings of a cell say, and measure it."""
    return learn(settings).reached


Change = Callable[[TrainingState, Config], None]
"""What is changed before the first meta-step."""


def learn(
    settings: Mapping[str, Any], step: Step = meta_step, change: Change | None = None
) -> Learned:
    """Train a network as the settings of a cell say.

    Args:
        settings: Those of :meth:`medfuncta._src.studies.plan.Plan.training`.
        step: What a meta-step does.
        change: What is changed before the first one.
    """
    train, held_out, config = prepared(settings)
    return learn_from(train, held_out, config, settings["device"], step, change)


def learn_from(
    train: SignalSet,
    held_out: SignalSet,
    config: Config,
    device: str,
    step: Step = meta_step,
    change: Change | None = None,
) -> Learned:
    """Train a network on these signals.

    Args:
        train: To learn from.
        held_out: To be measured on.
        config: Settings that suit them (:func:`suited`).
        device: Where.
        step: What a meta-step does.
        change: What is changed before the first one.
    """
    state, config = begun(train, config, device)
    if change is not None:
        change(state, config)
    reached = measured_training(state, train, held_out, config, step)
    field = state.average.averaged(state.field)
    return Learned(field, config, train, held_out, reached)


def prepared(settings: Mapping[str, Any]) -> tuple[SignalSet, SignalSet, Config]:
    """Training signals, held-out signals, and the settings with dimension, channels and batch of
    the data."""
    train, held_out = read(settings["data"], settings["signals"])
    return train, held_out, suited(Config.from_dict(settings["config"]), train)


def suited(config: Config, train: SignalSet) -> Config:
    """Settings with dimension, channels and batch of the training signals."""
    field = replace(config.field, dim=train.spec.dim, channels=train.spec.channels)
    batch = min(config.train.batch, len(train))
    return override(replace(config, field=field), {"train": {"batch": batch}})


@lru_cache(maxsize=2)
def read(data: str, signals: int) -> tuple[SignalSet, SignalSet]:
    """The training split of a source, and so many signals of its test split, evenly spread.

    Raises:
        MedFunctaError: If it cannot be read or lacks a split.
    """
    source = open_source(data)
    for split in ("train", "test"):
        if split not in source.splits:
            raise DataError(f"{source.info.name} has no split '{split}'; studies need train, test")
    train = SignalSet.collect(source.spec, source.signals("train"))
    return train, SignalSet.collect(source.spec, spread_out(source.signals("test"), signals))


def begun(train: SignalSet, config: Config, device: str) -> tuple[TrainingState, Config]:
    """A training before its first meta-step."""
    field, config = untrained(train, config)
    field.to(device)
    generator = torch.Generator().manual_seed(config.train.seed)
    optimisers = make_optimisers(field, config.train)
    average = WeightAverage(field, config.train.average)
    state = TrainingState(field, optimisers, average, generator, Progress(), DataMark.of(train))
    return state, config


def measured_training(
    state: TrainingState,
    train: SignalSet,
    held_out: SignalSet,
    config: Config,
    step: Step = meta_step,
) -> Reached:
    """Train to the end, measuring on the way; clocks stand still meanwhile."""
    steps, curve, seconds = config.train.steps, [], 0.0
    clock = clock_of(str(state.field.device))
    checks = {round(steps * share / _CHECKS) for share in range(1, _CHECKS + 1)}
    quality = Quality(math.nan, None)
    for number in range(1, steps + 1):
        began = clock()
        step(state, train, config)
        seconds += clock() - began
        if number in checks:
            quality = quality_of(state.average.averaged(state.field), held_out, config)
            curve.append(CurvePoint(number, seconds, quality.psnr))
    parameters = sum(p.numel() for p in state.field.parameters())
    return Reached(
        quality.psnr,
        quality.ssim,
        seconds=seconds,
        skipped=state.progress.skipped,
        parameters=parameters,
        curve=tuple(curve),
    )


@dataclass(frozen=True)
class Quality:
    """How well held-out signals come back, on average; as in :class:`Reached`."""

    psnr: float
    ssim: float | None


def quality_of(
    field: Field, signals: SignalSet, config: Config, fit: FitConfig | None = None
) -> Quality:
    """Fit held-out signals with H inner steps, or as ``fit`` says, and compare."""
    fitter = Fitter(field, config.inner, fit or config.fit)
    fitted = fitter.fit(signals)
    psnr = float(psnr_of(fitted.errors.nan_to_num(nan=1.0)).mean())
    similarities = []
    for index, values in enumerate(decoded(field, fitted.latents, signals)):
        found = _similarity(signals, index, values)
        if found is not None:
            similarities.append(found)
    return Quality(psnr, float(np.mean(similarities)) if similarities else None)


_BATCH: Final = 32
"""Signals that are decoded at a time."""


@torch.no_grad()
def decoded(field: Field, latents: Latents, signals: SignalSet) -> list[np.ndarray]:
    """Values of signals on their own grids, clamped to [0, 1], ``[*shape, channels]`` each; 0 where
    a latent is not finite."""
    restored = []
    for which, batch in signals.batches(_BATCH):
        rows = latents[which.start : which.stop].to(field.device, field.dtype)
        points = batch.to(field.device, field.dtype)
        found = field.values_of(rows, points.count)(points.coordinates)
        values = found.nan_to_num(nan=0.0).clamp(0, 1).float().cpu().numpy()
        for row, index in enumerate(which):
            header = signals.headers[index]
            restored.append(values[row, : header.domain.points].reshape(header.shape))
    return restored


def _similarity(signals: SignalSet, index: int, values: np.ndarray) -> float | None:
    expected = signals.normalised(index).reshape(values.shape).clip(0, 1)
    return structural_similarity(expected, values, np.ones(values.shape[:-1], bool))


def psnr_between(expected: np.ndarray, got: np.ndarray) -> float:
    """PSNR of values clamped to [0, 1]."""
    error = np.square(expected.clip(0, 1).astype(np.float64) - got.clip(0, 1)).mean()
    return psnr_of_one(float(error))
