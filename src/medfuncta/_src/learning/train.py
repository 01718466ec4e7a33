"""The training loop of the shared network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from medfuncta._src.disk.atomic import remove_leftovers
from medfuncta._src.disk.lock import writing
from medfuncta._src.errors import ConfigError, RunError
from medfuncta._src.field.device import usable_device
from medfuncta._src.field.field import Field
from medfuncta._src.field.table import build_field, field_kind
from medfuncta._src.learning.augment import check_augmentations
from medfuncta._src.learning.callbacks import Heard, StepReport, TrainingCallback
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.loading import Loading
from medfuncta._src.learning.meta_step import (
    StepGradient,
    rate_of,
    step_gradient,
    step_loading,
    take_step,
)
from medfuncta._src.learning.optimiser import WeightAverage, make_optimisers
from medfuncta._src.learning.outer_loss import outer_derivative
from medfuncta._src.learning.ranks import RankLost, Ranks
from medfuncta._src.learning.run_log import RunLog
from medfuncta._src.learning.saving import RunFolder, Saving
from medfuncta._src.learning.stored_checkpoint import Progress
from medfuncta._src.learning.validate import validation_psnr
from medfuncta._src.process import undisturbed
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.mark import DataMark
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal_set import SignalSet

_MAX_SKIPPED_IN_A_ROW = 20
_MAX_RETURNS = 8  # to the best network
LOST = 3.0
"""dB below the best validation: the network is leaving the region where its inner loop is
stable."""
_LOG_EVERY = 10


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
    ranks: Ranks | None = None,
) -> Training:
    """Meta-learn a shared network and write it to the folder ``out``.

    The folder's top level holds the network that was best on ``val`` so far, ``checkpoints/`` the
    state to resume from; both are written at every validation, atomically, so that a run can be
    killed at any moment. What Ctrl-C or SIGTERM interrupts, or the loss of another process, is
    written down at once. While it is trained, no other training may write there.

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
        ranks: The processes that train together
            (:func:`~medfuncta._src.learning.ranks.joined`), each of which calls this with the same
            arguments; this one alone, on ``device``, when None. The first of them writes and is
            heard.

    Raises:
        ConfigError: If the batch is larger than the number of training signals or smaller than that
            of processes, or the device is not there.
        RunError: If ``out`` holds a run, cannot be resumed, or training diverges.
        RankLost: If another process has ended.
        MedFunctaError: If ``out`` is being written by another process, or the disk is full.
    """
    out, ranks = Path(out), ranks or Ranks(usable_device(device))
    _check_batch(len(train), config.train.batch, ranks.count)
    # Unknown words are refused before anything is written.
    outer_derivative(config.train.outer_loss)
    check_augmentations(config.train.augment)
    heard = Heard(callbacks, listener) if ranks.first else Heard(())
    kind = field_kind(config.field.kind)
    config = replace(config, field=kind.fitted_to(config.field, train))
    mark = DataMark.of(train)

    def new_state(learn_from: SignalSet | None = None) -> TrainingState:
        return _new_state(config, start, learn_from, ranks.device, mark)

    with _held(out, ranks):
        saving: Saving = Saving(config)
        state = None
        if ranks.first:
            saving = RunFolder(config, out, val.spec, provenance or {}, ranks.job)
            resume = _goes_on(out, resume, ranks, saving)
            state = new_state(None if resume or start is not None else train)
            if resume:
                saving.resume(state, new_state)
        state = state or new_state()
        state.share(ranks)
        knows = start is not None or state.field.starts_trained
        with _logged(out, state, ranks) as log, heard.told_of_the_end():
            heard.started(config, provenance or {}, out)
            session = _Session(state, train, val, saving, ranks, heard, log)
            if knows and state.progress.best_psnr is None:
                session.validate()  # no end is worse than such a start
            session.go_on()
            ranks.wait()  # until the first has written everything
            training = Training(Run.load(out), out, state.progress)
            heard.finished(training.run, replace(state.progress))
        return training


def _check_batch(signals: int, batch: int, ranks: int) -> None:
    """Raise where there are too few signals for a batch, or too few in it for the ranks."""
    if signals < batch:
        raise ConfigError(
            f"{signals} training signals for a batch of {batch}; give --batch {signals} or less, "
            "or more signals"
        )
    if batch < ranks:
        raise ConfigError(
            f"a batch of {batch} for {ranks} processes, each of which needs a part of it; give "
            f"--batch {ranks} or more, or start fewer processes"
        )


@contextmanager
def _held(out: Path, ranks: Ranks) -> Iterator[None]:
    """Within, this training alone writes into the folder of the run."""
    if not ranks.first:
        yield
        return
    with writing(out):
        yield


def _goes_on(out: Path, resume: bool, ranks: Ranks, saving: RunFolder) -> bool:
    """Whether training goes on from a checkpoint: where that is asked for, or the job that wrote it
    was started again.

    Raises:
        RunError: If the folder holds a run that is neither.
    """
    resume = resume or (ranks.restarted and saving.of_this_job())
    if saving.holds_run() and not resume:
        raise RunError(
            f"'{out.name}' already holds a run; give --resume to continue it, or another folder"
        )
    remove_leftovers(out)
    return resume


@contextmanager
def _logged(
    out: Path, state: TrainingState, ranks: Ranks
) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """What writes a row of the log of the run, which the first rank keeps."""
    if not ranks.first:
        yield lambda step, row: None
        return
    log = RunLog(out, state.progress.step)
    try:
        yield log.add
    finally:
        log.close()


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


def meta_step(state: TrainingState, train: SignalSet, config: Config) -> tuple[torch.Tensor, float]:
    """One meta-step: outer losses of its signals and the norm of its gradient. A gradient that is
    not finite changes nothing."""
    found = step_gradient(state, train, config, Ranks(state.field.device))
    return found.losses, take_step(state, found, config)


@dataclass(eq=False)
class _Session:
    """Training from one start of the program to its end.

    Args:
        state: All that a meta-step changes.
        train: Training signals.
        val: Validation signals.
        saving: What is left in the folder.
        ranks: Who trains.
        heard: Who is told.
        log: Writes a row of the log.
    """

    state: TrainingState
    train: SignalSet
    val: SignalSet
    saving: Saving
    ranks: Ranks
    heard: TrainingCallback
    log: Callable[[int, Mapping[str, float]], None]

    def __post_init__(self) -> None:
        self.clock = _Clock(self.state.progress)

    def go_on(self) -> None:
        """Until all steps are done; where it is interrupted before, what was done is saved."""
        try:
            with step_loading(self.state, self.train, self.saving.config, self.ranks) as load:
                self._loop(load)
        except (KeyboardInterrupt, RankLost):
            with undisturbed():
                self.clock.look()
                self.saving.stopped(self.state)
            raise

    def _loop(self, load: Loading) -> None:
        state, config = self.state, self.saving.config
        skipped_in_a_row = 0
        if state.due is not None:
            self._after(state.due)
        while state.progress.step < config.train.steps:
            found = step_gradient(state, self.train, config, self.ranks, load)
            with undisturbed():
                norm = take_step(state, found, config)
                self.clock.look()
                row = self._row(found, norm)
                if self._validates():
                    state.due = row
                elif state.progress.step % _LOG_EVERY == 0:
                    self.log(state.progress.step, row)
            skipped_in_a_row = 0 if math.isfinite(norm) else skipped_in_a_row + 1
            if skipped_in_a_row == _MAX_SKIPPED_IN_A_ROW:
                times = f"{_MAX_SKIPPED_IN_A_ROW} times in a row"
                self._go_back(f"the meta-gradient was not finite {times}")
                skipped_in_a_row = 0
            self._after(row)

    def _validates(self) -> bool:
        """Whether this meta-step is followed by a validation."""
        step, settings = self.state.progress.step, self.saving.config.train
        return step == settings.steps or step % settings.validate_every == 0

    def _after(self, row: dict[str, float]) -> None:
        """What follows a meta-step: a validation where it is due, a checkpoint where it is time,
        and a word to whoever listens."""
        val_psnr = None
        if self.state.due is not None:
            val_psnr = self.validate()
            row = {**row, "seconds": self.state.progress.seconds, "val_psnr": val_psnr}
        self.saving.in_time(self.state)
        train_psnr = row.get("train_psnr", math.nan)
        progress = replace(self.state.progress)
        self.heard.stepped(StepReport(progress, train_psnr, val_psnr, row))

    def _row(self, found: StepGradient, norm: float) -> dict[str, float]:
        """What the log says of the meta-step that was just taken."""
        config, progress = self.saving.config, self.state.progress
        channels = 1 if config.inner.channel_mean else config.field.channels
        return {
            "seconds": progress.seconds,
            "loss": float(found.losses.mean()),
            "train_psnr": float(psnr_of(found.losses / channels).nanmean()),
            "gradient_norm": norm,
            "learning_rate": rate_of(self.state, progress.step - 1, config),
        }

    def validate(self) -> float:
        """Validation PSNR. The network is saved when it is the best so far, and replaced by the
        best one when it is lost. Where it follows a meta-step, a row of the log and a checkpoint
        come after it."""
        state, progress = self.state, self.state.progress
        network = state.average.averaged(state.field)
        psnr = validation_psnr(network, self.val, self.saving.config, self.ranks)
        with undisturbed():
            self.clock.look()
            row, state.due = state.due, None
            if row is not None:
                row = {**row, "seconds": progress.seconds, "val_psnr": psnr}
                self.log(progress.step, row)
            if progress.best_psnr is None or psnr > progress.best_psnr:
                progress.best_psnr, progress.best_step = psnr, progress.step
                self.saving.best(state)
            elif psnr < progress.best_psnr - LOST:
                self._go_back(f"validation fell from {progress.best_psnr:.1f} to {psnr:.1f} dB")
            if row is not None:
                self.saving.last(state)
        return psnr

    def _go_back(self, reason: str) -> None:
        """Return to the best network, with half the rate from here on.

        Raises:
            RunError: If there is none yet, or this has happened too often.
        """
        progress = self.state.progress
        if progress.best_psnr is None or progress.returns == _MAX_RETURNS:
            rate = rate_of(self.state, progress.step - 1, self.saving.config)
            raise RunError(
                f"{reason} at step {progress.step}; lower the learning rate (now {rate:.2g}) "
                "or check the data with 'medfuncta info'"
            )
        self.saving.go_back(self.state)
        self.state.share(self.ranks)


class _Clock:
    """Tells a training how long it takes, over all sessions."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._before, self._start = progress.seconds, time.perf_counter()

    def look(self) -> None:
        """Note the time in the progress."""
        self._progress.seconds = self._before + time.perf_counter() - self._start
