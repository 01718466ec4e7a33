"""The training loop of the shared network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from medfuncta._src.disk.atomic import remove_leftovers
from medfuncta._src.disk.lock import writing
from medfuncta._src.disk.places import place
from medfuncta._src.errors import ConfigError, RunError
from medfuncta._src.field.device import usable_device
from medfuncta._src.field.field import Field
from medfuncta._src.field.table import build_field, field_kind
from medfuncta._src.learning.augment import augmented_points, check_augmentations
from medfuncta._src.learning.callbacks import Heard, StepReport, TrainingCallback
from medfuncta._src.learning.checkpoint import Progress, TrainingState
from medfuncta._src.learning.context import context_points, draw_context
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.learning.optimiser import (
    WeightAverage,
    apply_gradients,
    make_optimisers,
    rate_at,
)
from medfuncta._src.learning.outer_loss import outer_derivative
from medfuncta._src.learning.run_log import RunLog
from medfuncta._src.learning.sampler import batch_indices
from medfuncta._src.learning.shared_points import sharing_points
from medfuncta._src.learning.validate import validation_psnr
from medfuncta._src.run import Run
from medfuncta._src.run_names import METADATA_FILE
from medfuncta._src.settings import Config
from medfuncta._src.signals.mark import DataMark
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.signals.signal_set import SignalSet

CHECKPOINT = Path("checkpoints") / "last.safetensors"
_BEST_CHECKPOINT = Path("checkpoints") / "best.safetensors"
_MAX_SKIPPED_IN_A_ROW = 20
_MAX_RETURNS = 8  # to the best network
LOST = 3.0
"""dB below the best validation: the network is leaving the region where its inner loop is
stable."""
_LOG_EVERY = 10
_SIDE_NORM = 1.0
"""Of the gradient of a field's own loss, at the most: little beside a meta-gradient."""


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
    callbacks: Sequence[TrainingCallback] = (),
) -> Training:
    """Meta-learn a shared network and write it to the folder ``out``.

    The folder's top level holds the network that was best on ``val`` so far, ``checkpoints/`` the
    state to resume from; both are written at every validation, atomically, so that a run can be
    killed at any moment. While it is trained, no other training may write there.

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
        resume: Continue from the last checkpoint with the same settings and signals.
        device: Where to compute; an accelerator when there is one.
        listener: Called after each meta-step.
        callbacks: What hears of the training from its start to its end.

    Raises:
        ConfigError: If the batch is larger than the number of training signals, or the device is
            not there.
        RunError: If ``out`` holds a run, cannot be resumed, or training diverges.
        MedFunctaError: If ``out`` is being written by another process, or the disk is full.
    """
    out = Path(out)
    if len(train) < config.train.batch:
        raise ConfigError(
            f"{len(train)} training signals for a batch of {config.train.batch}; give --batch "
            f"{len(train)} or less, or more signals"
        )
    # Unknown words are refused before anything is written.
    outer_derivative(config.train.outer_loss)
    check_augmentations(config.train.augment)
    heard = Heard(callbacks, listener)
    device = usable_device(device)
    kind = field_kind(config.field.kind)
    config = replace(config, field=kind.fitted_to(config.field, train))
    learn_from = None if resume or start is not None else train
    with writing(out):
        holds_run = (out / METADATA_FILE).exists() or (out / CHECKPOINT).exists()
        if holds_run and not resume:
            raise RunError(
                f"'{out.name}' already holds a run; give --resume to continue it, or another folder"
            )
        remove_leftovers(out)
        saving = _Saving(out, config, val.spec, provenance or {})
        state = _new_state(config, start, learn_from, device, DataMark.of(train))
        if resume:
            _resume(state, saving)
        knows = start is not None or state.field.starts_trained
        log = RunLog(out, state.progress.step)
        with heard.told_of_the_end():
            heard.started(config, saving.provenance, out)
            try:
                if knows and state.progress.best_psnr is None:
                    _validate(state, val, saving)  # no end is worse than such a start
                _loop(state, train, val, saving, log, heard)
            finally:
                log.close()
            training = Training(Run.load(out), out, state.progress)
            heard.finished(training.run, replace(state.progress))
        return training


@dataclass(frozen=True, eq=False)
class _Saving:
    """What a run folder is told besides the network.

    Args:
        folder: The run.
        config: All settings.
        spec: The kind of its signals.
        provenance: What is known of the data.
    """

    folder: Path
    config: Config
    spec: SignalSpec
    provenance: Mapping[str, Any]

    def checkpoint(self, state: TrainingState, name: Path) -> None:
        """Write the state."""
        state.save(place(self.folder, *name.parts), self.config.to_dict())

    def network(self, state: TrainingState) -> None:
        """Write the network of a state, which is the best so far."""
        progress = state.progress
        training = {
            **self.provenance,
            "steps": progress.step,
            "seconds": round(progress.seconds, 1),
            "val_psnr": progress.best_psnr,
            "torch": torch.__version__,
        }
        field = state.average.averaged(state.field)
        Run(field, self.config, self.spec, training).save(self.folder)


def _resume(state: TrainingState, saving: _Saving) -> None:
    """Go on where the last session was stopped, wherever that was.

    The best network has a checkpoint of its own, which is written before the network and before
    the last checkpoint of that moment: what a kill in between has left out is made from it.

    Raises:
        RunError: If there is nothing to go on from, or it is damaged or of another run.
    """
    folder, settings = saving.folder, saving.config.to_dict()
    last, best = (place(folder, *name.parts) for name in (CHECKPOINT, _BEST_CHECKPOINT))
    if not last.exists() and best.exists():
        last = best
    state.restore(last, settings)
    if state.progress.best_psnr is None or not best.exists():
        return
    try:
        Run.load(folder)
    except RunError:
        of_best = _new_state(saving.config, None, None, state.field.device, state.data)
        of_best.restore(best, settings)
        saving.network(of_best)


def untrained(signals: SignalSet, config: Config) -> tuple[Field, Config]:
    """The network before its first meta-step, and the settings as they are fitted to the signals.

    A field that takes from the signals what needs no training, such as one of components, is of use
    as it is.

    Args:
        signals: Training signals.
        config: All settings.
    """
    fitted = field_kind(config.field.kind).fitted_to(config.field, signals)
    config = replace(config, field=fitted)
    generator = torch.Generator().manual_seed(config.train.seed)
    field = _started(config, None, signals, generator)
    return field.to(getattr(torch, config.train.dtype)), config


def _started(
    config: Config,
    start: Field | None,
    learn_from: SignalSet | None,
    generator: torch.Generator,
) -> Field:
    """A field with its first weights."""
    field = build_field(config.field, generator)
    if start is not None:
        field.load_state_dict(start.state_dict())
    elif config.train.shift_init == "orthogonal":
        field.orthogonalise_shifts(generator)
    if learn_from is not None:
        field.learn_start(learn_from, generator)
    return field


def _new_state(
    config: Config,
    start: Field | None,
    learn_from: SignalSet | None,
    device: torch.device,
    data: DataMark,
) -> TrainingState:
    generator = torch.Generator().manual_seed(config.train.seed)
    field = _started(config, start, learn_from, generator)
    field.to(device, getattr(torch, config.train.dtype))
    optimisers = make_optimisers(field, config.train)
    average = WeightAverage(field, config.train.average)
    return TrainingState(field, optimisers, average, generator, Progress(), data)


def _loop(
    state: TrainingState,
    train: SignalSet,
    val: SignalSet,
    saving: _Saving,
    log: RunLog,
    heard: TrainingCallback,
) -> None:
    config = saving.config
    progress, settings = state.progress, config.train
    skipped_in_a_row = 0
    before, clock = progress.seconds, time.perf_counter()
    while progress.step < settings.steps:
        losses, norm = meta_step(state, train, config)
        skipped_in_a_row = 0 if math.isfinite(norm) else skipped_in_a_row + 1
        if skipped_in_a_row == _MAX_SKIPPED_IN_A_ROW:
            _go_back(
                state,
                saving,
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
            val_psnr = _validate(state, val, saving)
            saving.checkpoint(state, CHECKPOINT)
            progress.seconds = before + time.perf_counter() - clock
        rate = _rate(state, progress.step - 1, config)
        row = _row(progress, losses, psnr, norm, rate, val_psnr)
        if last or val_psnr is not None or progress.step % _LOG_EVERY == 0:
            log.add(progress.step, row)
        heard.stepped(StepReport(replace(progress), psnr, val_psnr, row))


def meta_step(state: TrainingState, train: SignalSet, config: Config) -> tuple[torch.Tensor, float]:
    """One meta-step: outer losses of its signals and the norm of its gradient. A gradient that is
    not finite changes nothing."""
    field, progress, settings = state.field, state.progress, config.train
    indices = batch_indices(len(train), settings.batch, progress.step, settings.seed)
    drawn = augmented_points(train, indices, settings.augment, progress.step, settings.seed)
    points = drawn.to(field.device, field.dtype)
    contexts = [
        draw_context(points, settings, state.generator) for _ in range(settings.inner_steps)
    ]
    objective = field.objective(channel_mean=config.inner.channel_mean, autocast=settings.autocast)
    with torch.no_grad():
        initial = field.initial_latents(context_points(points, contexts[0]))
    result = meta_gradient(
        sharing_points(objective, points),
        initial,
        points,
        contexts,
        config.inner,
        outer=outer_derivative(settings.outer_loss),
        first_order=settings.first_order,
        memory=settings.memory_mb * 2**20,
    )
    gradients = _with_side_loss(result.gradients, state, points)
    rate = _rate(state, progress.step, config)
    norm = apply_gradients(field, state.optimisers, gradients, rate, settings.clip)
    progress.step += 1
    if math.isfinite(norm):
        state.average.update(field)
    else:
        progress.skipped += 1
    return result.losses, norm


def _with_side_loss(
    gradients: dict[str, torch.Tensor], state: TrainingState, points: Points
) -> dict[str, torch.Tensor]:
    """The gradients with those of the field's own loss, where it has one, clipped by themselves so
    that they do not shrink the others."""
    field = state.field
    with torch.enable_grad():
        loss = field.side_loss(points, state.generator)
    if loss is None:
        return gradients
    names, parameters = zip(*field.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    scale = (_SIDE_NORM / torch.nn.utils.get_total_norm(found)).clamp(max=1.0)
    return {name: gradients[name] + scale * own for name, own in zip(names, found, strict=True)}


def _rate(state: TrainingState, step: int, config: Config) -> float:
    """beta of a meta-step, halved with each return to the best network."""
    return rate_at(step, config.train) / 2**state.progress.returns


def _validate(state: TrainingState, val: SignalSet, saving: _Saving) -> float:
    """Validation PSNR. The network is saved when it is the best so far, and replaced by the best
    one when it is lost."""
    progress = state.progress
    psnr = validation_psnr(state.average.averaged(state.field), val, saving.config)
    if progress.best_psnr is None or psnr > progress.best_psnr:
        progress.best_psnr, progress.best_step = psnr, progress.step
        saving.checkpoint(state, _BEST_CHECKPOINT)
        saving.network(state)
    elif psnr < progress.best_psnr - LOST:
        _go_back(state, saving, f"validation fell from {progress.best_psnr:.1f} to {psnr:.1f} dB")
    return psnr


def _go_back(state: TrainingState, saving: _Saving, reason: str) -> None:
    """Return to the best network, with half the rate from here on.

    Raises:
        RunError: If there is none yet, or this has happened too often.
    """
    progress = state.progress
    if progress.best_psnr is None or progress.returns == _MAX_RETURNS:
        raise RunError(
            f"{reason} at step {progress.step}; lower the learning rate (now "
            f"{_rate(state, progress.step - 1, saving.config):.2g}) "
            "or check the data with 'medfuncta info'"
        )
    state.go_back(place(saving.folder, *_BEST_CHECKPOINT.parts), saving.config.to_dict())


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
