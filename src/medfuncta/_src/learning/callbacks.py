"""What a program hears of a training while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medfuncta._src.errors import ConfigError
from medfuncta._src.learning.stored_checkpoint import Progress
from medfuncta._src.run import Run
from medfuncta._src.settings import Config


@dataclass(frozen=True)
class StepReport:
    """What is told after each meta-step.

    Args:
        progress: Steps, seconds, best PSNR so far.
        train_psnr: Of the batch after the inner loop, in dB, from the mean squared error before
            clamping.
        val_psnr: Mean over validation signals in dB, when this step was followed by a validation.
        metrics: The same and more as numbers by name, those of a row of ``metrics.csv``: ``loss``,
            ``train_psnr``, ``gradient_norm``, ``learning_rate``, ``seconds``, and ``val_psnr``
            when there is one.
    """

    progress: Progress
    train_psnr: float
    val_psnr: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)


class TrainingCallback:
    """Hears of a training: ``medfuncta.train(..., callbacks=[MyCallback()])``.

    No method does anything; a subclass writes those that it needs. They are called in the process
    and thread of the training, one callback after the other. What one raises ends the training and
    reaches its caller; the run can be resumed from its last checkpoint.
    """

    def started(self, config: Config, provenance: Mapping[str, Any], folder: Path) -> None:
        """Called before the first meta-step of this session.

        Args:
            config: All settings, as they are fitted to the data.
            provenance: What is known of the data.
            folder: The run.
        """

    def stepped(self, report: StepReport) -> None:
        """Called after each meta-step, when a checkpoint that was due is written."""

    def finished(self, run: Run, progress: Progress) -> None:
        """Called when all steps are done.

        Args:
            run: The network that was best on validation signals.
            progress: How it went.
        """

    def stopped(self, error: BaseException) -> None:
        """Called when the training ends before that: by an error, or by Ctrl-C."""


class Heard(TrainingCallback):
    """Several callbacks as one.

    Args:
        callbacks: They.
        listener: A function that is called after each meta-step.

    Raises:
        ConfigError: If one is no callback.
    """

    def __init__(
        self,
        callbacks: Sequence[TrainingCallback],
        listener: Callable[[StepReport], None] | None = None,
    ) -> None:
        for callback in callbacks:
            if not isinstance(callback, TrainingCallback):
                raise ConfigError(
                    f"a callback is a {type(callback).__name__}; expected an object of a class "
                    "made from medfuncta.TrainingCallback"
                )
        self._callbacks, self._listener = callbacks, listener

    def started(self, config: Config, provenance: Mapping[str, Any], folder: Path) -> None:
        for callback in self._callbacks:
            callback.started(config, provenance, folder)

    def stepped(self, report: StepReport) -> None:
        if self._listener is not None:
            self._listener(report)
        for callback in self._callbacks:
            callback.stepped(report)

    def finished(self, run: Run, progress: Progress) -> None:
        for callback in self._callbacks:
            callback.finished(run, progress)

    def stopped(self, error: BaseException) -> None:
        for callback in self._callbacks:
            callback.stopped(error)

    @contextmanager
    def told_of_the_end(self) -> Iterator[None]:
        """Tells of what ends the block early."""
        try:
            yield
        except BaseException as error:
            self.stopped(error)
            raise
