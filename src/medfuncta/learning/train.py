"""The training loop of the shared network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from medfuncta.atomic import write_json
from medfuncta.errors import ConfigError, RunError
from medfuncta.field.field import Field
from medfuncta.field.table import build_field
from medfuncta.learning.checkpoint import Progress, TrainingState
from medfuncta.learning.context import draw_context
from medfuncta.learning.meta_gradient import meta_gradient
from medfuncta.learning.optimiser import WeightAverage, apply_gradients, make_optimisers, rate_at
from medfuncta.learning.outer_loss import outer_derivative
from medfuncta.learning.run_log import RunLog
from medfuncta.learning.sampler import batch_indices
from medfuncta.learning.shared_points import sharing_points
from medfuncta.learning.validate import validation_psnr
from medfuncta.run import METADATA_FILE, Run, default_device
from medfuncta.settings import Config
from medfuncta.signals.psnr import psnr_of
from medfuncta.signals.signal_set import SignalSet

CHECKPOINT = Path("checkpoints") / "last.safetensors"
_BEST_CHECKPOINT = Path("checkpoints") / "best.safetensors"
_CONFIG_FILE = "config.json"
_MAX_SKIPPED_IN_A_ROW = 20
_MAX_RETURNS = 8  # to the best network
LOST = 3.0
"""dB below the best validation: the network is leaving the region where its inner loop is
stable."""
_LOG_EVERY = 10


@dataclass(frozen=True)
class StepReport:
    """What a listener hears after each meta-step.

    Args:
        progress: Steps, seconds, best PSNR so far.
        train_psnr: Of the batch after the inner loop, in dB, from the mean squared error before
            clamping.
        val_psnr: Mean over validation signals in dB, when this step was followed by a validation.
    """

    progress: Progress
    train_psnr: float
    val_psnr: float | None


@dataclass(frozen=True, eq=False)
class Training:
    """Result of a training run: the best shared network on validation signals, and how it went."""

    run: Run
    folder: Path
    progress: Progress

    def __repr__(self) -> str:
        return f"Training({str(self.folder)!r}, {self.run!r})"


def train_network(
    train: SignalSet,
    val: SignalSet,
    out: Path | str,
    config: Config,
    *,
    start: Field | None = None,
    provenance: Mapping[str, Any] | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
    listener: Callable[[StepReport], None] | None = None,
) -> Training:
    """Meta-learn a shared network and write it to the folder ``out``.

    The folder's top level holds the network that was best on ``val`` so far, ``checkpoints/`` the
    state to resume from; both are written at every validation, atomically, so that a run can be
    killed at any moment.

    The inner loop sits at its edge of stability, and a rate that is a little too high loses the
    network sooner or later. When validation falls far below the best, training goes on from the
    best network at half the rate.

    Args:
        train: Training signals.
        val: Validation signals, for choosing the best network.
        out: Run folder; must be new or empty unless ``resume``.
        config: All settings.
        start: A network whose weights to start from, with the same field settings; random ones when
            None.
        provenance: What to note about the data, e.g. its source and licence.
        resume: Continue from the last checkpoint with the same settings.
        device: Where to compute; an accelerator when there is one.
        listener: Called after each meta-step.

    Raises:
        ConfigError: If the batch is larger than the number of training signals.
        RunError: If ``out`` is in use, cannot be resumed, or training diverges.
    """
    out = Path(out)
    if len(train) < config.train.batch:
        raise ConfigError(
            f"{len(train)} training signals for a batch of {config.train.batch}; give --batch "
            f"{len(train)} or less, or more signals"
        )
    if not resume and any((out / name).exists() for name in (METADATA_FILE, CHECKPOINT)):
        raise RunError(
            f"'{out.name}' already holds a run; give --resume to continue it, or another folder"
        )
    outer_derivative(
        config.train.outer_loss
    )  # an unknown one is refused before anything is written
    state = _new_state(config, start, torch.device(device or default_device()))
    if resume:
        state.restore(out / CHECKPOINT, config.to_dict())
    write_json(out / _CONFIG_FILE, config.to_dict())
    log = RunLog(out, state.progress.step)
    try:
        _loop(state, train, val, out, config, provenance or {}, log, listener)
    finally:
        log.close()
    return Training(Run.load(out), out, state.progress)


def _new_state(config: Config, start: Field | None, device: torch.device) -> TrainingState:
    generator = torch.Generator().manual_seed(config.train.seed)
    field = build_field(config.field, generator)
    if start is not None:
        field.load_state_dict(start.state_dict())
    elif config.train.shift_init == "orthogonal":
        field.orthogonalise_shifts(generator)
    field.to(device, getattr(torch, config.train.dtype))
    optimisers = make_optimisers(field, config.train)
    average = WeightAverage(field, config.train.average)
    return TrainingState(field, optimisers, average, generator, Progress())


def _loop(
    state: TrainingState,
    train: SignalSet,
    val: SignalSet,
    out: Path,
    config: Config,
    provenance: Mapping[str, Any],
    log: RunLog,
    listener: Callable[[StepReport], None] | None,
) -> None:
    progress, settings = state.progress, config.train
    skipped_in_a_row = 0
    before, clock = progress.seconds, time.perf_counter()
    while progress.step < settings.steps:
        losses, norm = meta_step(state, train, config)
        skipped_in_a_row = 0 if math.isfinite(norm) else skipped_in_a_row + 1
        if skipped_in_a_row == _MAX_SKIPPED_IN_A_ROW:
            _go_back(
                state,
                out,
                config,
                f"the meta-gradient was not finite {_MAX_SKIPPED_IN_A_ROW} times in a row",
            )
            skipped_in_a_row = 0
        psnr = float(
            psnr_of(losses / (1 if config.inner.channel_mean else config.field.channels)).nanmean()
        )
        progress.seconds = before + time.perf_counter() - clock
        last = progress.step == settings.steps
        val_psnr = None
        if last or progress.step % settings.validate_every == 0:
            val_psnr = _validate(state, val, out, config, provenance)
            state.save(out / CHECKPOINT, config.to_dict())
            progress.seconds = before + time.perf_counter() - clock
        if last or val_psnr is not None or progress.step % _LOG_EVERY == 0:
            log.add(
                progress.step,
                _row(
                    progress, losses, psnr, norm, _rate(state, progress.step - 1, config), val_psnr
                ),
            )
        if listener is not None:
            listener(StepReport(replace(progress), psnr, val_psnr))


def meta_step(state: TrainingState, train: SignalSet, config: Config) -> tuple[torch.Tensor, float]:
    """One meta-step: outer losses of its signals and the norm of its gradient. A gradient that is
    not finite changes nothing."""
    field, progress, settings = state.field, state.progress, config.train
    indices = batch_indices(len(train), settings.batch, progress.step, settings.seed)
    points = train.points(indices).to(field.device, field.dtype)
    contexts = [
        draw_context(points, settings, state.generator) for _ in range(settings.inner_steps)
    ]
    objective = field.objective(channel_mean=config.inner.channel_mean, autocast=settings.autocast)
    result = meta_gradient(
        sharing_points(objective, points),
        field.zero_latents(points.batch),
        points,
        contexts,
        config.inner,
        outer=outer_derivative(settings.outer_loss),
        first_order=settings.first_order,
        memory=settings.memory_mb * 2**20,
    )
    rate = _rate(state, progress.step, config)
    norm = apply_gradients(field, state.optimisers, result.gradients, rate, settings.clip)
    progress.step += 1
    if math.isfinite(norm):
        state.average.update(field)
    else:
        progress.skipped += 1
    return result.losses, norm


def _rate(state: TrainingState, step: int, config: Config) -> float:
    """beta of a meta-step, halved with each return to the best network."""
    return rate_at(step, config.train) / 2**state.progress.returns


def _validate(
    state: TrainingState, val: SignalSet, out: Path, config: Config, provenance: Mapping[str, Any]
) -> float:
    """Validation PSNR. The network is saved when it is the best so far, and replaced by the best
    one when it is lost."""
    progress = state.progress
    field = state.average.averaged(state.field)
    psnr = validation_psnr(field, val, config)
    if progress.best_psnr is None or psnr > progress.best_psnr:
        progress.best_psnr, progress.best_step = psnr, progress.step
        training = {
            **provenance,
            "steps": progress.step,
            "seconds": round(progress.seconds, 1),
            "val_psnr": psnr,
            "torch": torch.__version__,
        }
        Run(field, config, val.spec, training).save(out)
        state.save(out / _BEST_CHECKPOINT, config.to_dict())
    elif psnr < progress.best_psnr - LOST:
        _go_back(
            state, out, config, f"validation fell from {progress.best_psnr:.1f} to {psnr:.1f} dB"
        )
    return psnr


def _go_back(state: TrainingState, out: Path, config: Config, reason: str) -> None:
    """Return to the best network, with half the rate from here on.

    Raises:
        RunError: If there is none yet, or this has happened too often.
    """
    progress = state.progress
    if progress.best_psnr is None or progress.returns == _MAX_RETURNS:
        raise RunError(
            f"{reason} at step {progress.step}; lower the learning rate (now "
            f"{_rate(state, progress.step - 1, config):.2g}) "
            "or check the data with 'medfuncta info'"
        )
    state.go_back(out / _BEST_CHECKPOINT, config.to_dict())


def _row(
    progress: Progress,
    losses: torch.Tensor,
    psnr: float,
    norm: float,
    rate: float,
    val_psnr: float | None,
) -> dict[str, float]:
    row = {
        "seconds": progress.seconds,
        "loss": float(losses.mean()),
        "train_psnr": psnr,
        "gradient_norm": norm,
        "learning_rate": rate,
    }
    return row if val_psnr is None else {**row, "val_psnr": val_psnr}
