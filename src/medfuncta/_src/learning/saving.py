"""What a training leaves in its folder: the best network, and checkpoints to go on from."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from medfuncta._src.disk.places import move, place, remove_file
from medfuncta._src.disk.refusals import disk_told
from medfuncta._src.errors import RunError
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.stored_checkpoint import DamagedCheckpoint, written_by
from medfuncta._src.run import Run
from medfuncta._src.run_names import METADATA_FILE
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal import SignalSpec

CHECKPOINT: Final = Path("checkpoints") / "last.safetensors"
"""The newest one; ``last-1.safetensors`` beside it is the one before."""
BEST_CHECKPOINT: Final = Path("checkpoints") / "best.safetensors"


@dataclass(eq=False)
class Saving:
    """What a rank leaves in the folder of the run: of all but the first one nothing.

    Args:
        config: All settings.
    """

    config: Config

    def last(self, state: TrainingState) -> None:
        """A checkpoint to go on from."""

    def in_time(self, state: TrainingState) -> None:
        """The same, where the last one was written long enough ago."""

    def stopped(self, state: TrainingState) -> None:
        """The same, where something has happened since: nothing that was finished is lost."""

    def best(self, state: TrainingState) -> None:
        """The best network so far, and its checkpoint."""

    def resume(self, state: TrainingState, unlearned: Callable[[], TrainingState]) -> None:
        """Take the state of where the last session was stopped."""

    def go_back(self, state: TrainingState) -> None:
        """Take the best network so far."""


@dataclass(eq=False)
class RunFolder(Saving):
    """What the first rank leaves.

    Args:
        folder: The run.
        spec: The kind of its signals.
        provenance: What is known of the data.
        job: What the job is called, where it may be started again.
    """

    folder: Path
    spec: SignalSpec
    provenance: Mapping[str, Any]
    job: str = ""
    _saved: int = field(default=0, init=False)
    _when: float = field(default_factory=lambda: time.monotonic(), init=False)

    def last(self, state: TrainingState) -> None:
        keep = self.config.train.keep_checkpoints
        for number in range(keep - 1, 0, -1):
            newer = self._place(_numbered(number - 1))
            if newer.exists():
                with disk_told(newer.name):
                    move(newer, self.folder, *_numbered(number).parts)
        self._write(state, CHECKPOINT)
        for path in self._older():
            if int(path.stem.removeprefix("last-")) >= keep:
                with disk_told(path.name):
                    remove_file(self.folder, CHECKPOINT.parts[0], path.name)
        self._saved, self._when = state.progress.step, time.monotonic()

    def in_time(self, state: TrainingState) -> None:
        minutes = self.config.train.checkpoint_minutes
        if minutes and time.monotonic() - self._when >= 60 * minutes:
            self.last(state)

    def stopped(self, state: TrainingState) -> None:
        if state.progress.step != self._saved:
            self.last(state)

    def best(self, state: TrainingState) -> None:
        self._write(state, BEST_CHECKPOINT)
        self._network(state)

    def resume(self, state: TrainingState, unlearned: Callable[[], TrainingState]) -> None:
        """Take the state of where the last session was stopped, wherever that was.

        A checkpoint that is not as it was written is named in a warning, and the one before is
        taken, last of all that of the best network. This is written before the network and before
        the last checkpoint of that moment: what a kill in between has left out is made from it.

        Args:
            state: To be changed.
            unlearned: Makes another state of this run.

        Raises:
            RunError: If there is nothing to go on from, or it is damaged or of another run.
        """
        self._restore(state)
        self._saved = state.progress.step
        best = self._place(BEST_CHECKPOINT)
        if state.progress.best_psnr is None or not best.exists():
            return
        try:
            Run.load(self.folder)
        except RunError:
            of_best = unlearned()
            of_best.restore(best, self.config.to_dict())
            self._network(of_best)

    def go_back(self, state: TrainingState) -> None:
        state.go_back(self._place(BEST_CHECKPOINT), self.config.to_dict())

    def holds_run(self) -> bool:
        """Whether there is a run in the folder, or what one can go on from."""
        ours = (self.folder / METADATA_FILE, self._place(CHECKPOINT), *self._older())
        return any(path.exists() for path in ours)

    def of_this_job(self) -> bool:
        """Whether the job that this process is of has written a checkpoint here before it was
        started again."""
        for path in self._candidates():
            try:
                if self.job and written_by(path)[1] == self.job:
                    return True
            except DamagedCheckpoint:
                continue
        return False

    def _restore(self, state: TrainingState) -> None:
        settings, candidates = self.config.to_dict(), self._candidates()
        for path, before in zip(candidates, [*candidates[1:], None], strict=True):
            try:
                state.restore(path, settings)
            except DamagedCheckpoint as error:
                if before is None:
                    raise
                said = str(error).partition(";")[0]
                warnings.warn(f"{said}; going on from {before.name}, an earlier one", stacklevel=2)
            else:
                return

    def _candidates(self) -> list[Path]:
        """What there is to go on from, the newest first; that of the best network comes after all
        others."""
        last, best = self._place(CHECKPOINT), self._place(BEST_CHECKPOINT)
        found = [path for path in (last, *self._older(), best) if path.exists()]
        return found or [last]

    def _older(self) -> list[Path]:
        """The checkpoints before the last one, the newest first."""
        numbered = {}
        for path in self._place(CHECKPOINT).parent.glob("last-*.safetensors"):
            number = path.stem.removeprefix("last-")
            if number.isdecimal() and len(number) < 6:
                numbered[int(number)] = path
        return [numbered[number] for number in sorted(numbered)]

    def _write(self, state: TrainingState, name: Path) -> None:
        state.save(self._place(name), self.config.to_dict(), self.job)

    def _network(self, state: TrainingState) -> None:
        progress = state.progress
        training = {
            **self.provenance,
            "steps": progress.step,
            "seconds": round(progress.seconds, 1),
            "val_psnr": progress.best_psnr,
            "torch": torch.__version__,
        }
        network = state.average.averaged(state.field)
        Run(network, self.config, self.spec, training).save(self.folder)

    def _place(self, name: Path) -> Path:
        return place(self.folder, *name.parts)


def saved_step(folder: Path) -> int | None:
    """After which meta-step the last checkpoint of a run was written; None where there is none, as
    in a run that was published, or it does not say."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        return written_by(path)[0]
    except RunError:
        return None


def _numbered(number: int) -> Path:
    """The checkpoint that so many were written after."""
    if number == 0:
        return CHECKPOINT
    return CHECKPOINT.with_stem(f"{CHECKPOINT.stem}-{number}")
