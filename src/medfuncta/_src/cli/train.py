"""``medfuncta train``."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from medfuncta._src.cli.command import GOES_ON, Assignments, Command, assigned, given
from medfuncta._src.cli.terminal import tell
from medfuncta._src.config import Batch, Steps
from medfuncta._src.process import Stop
from medfuncta._src.result import Result

_USELESS: Final = 7.8
"""dB of validation below which nothing was learned: values drawn at random have it."""


@dataclass(kw_only=True)
class Train(Command):
    """Meta-learn a shared network on the training split of a source."""

    data: str
    """Where the signals come from: kind:path[?option=value], e.g. wfdb:mitbih, npz:cells.npz,
    nifti:volumes, sample:ecg."""
    out: Path
    """Folder of the run to write."""
    preset: str | None = None
    """Settings by name; without it the ones that fit the data on this machine."""
    config: Path | None = None
    """TOML file with the sections [field], [inner], [train], [fit]; overrides the preset."""
    start_from: Path | None = None
    """Folder of a run whose network to go on from, or a name such as pretrained:ecg, on other data
    or with other settings; its settings stand in for a preset."""
    steps: Steps | None = None
    """Meta-steps."""
    batch: Batch | None = None
    """Signals a meta-step."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    """Seed of every random draw."""
    set: Assignments = field(default_factory=list)
    """Any other setting, as section.name=value; overrides the file."""
    resume: bool = False
    """Continue the run in --out from its last checkpoint."""
    skip_bad: bool = False
    """Leave out files that cannot be read, name and count them."""
    cache: Path | None = None
    """Folder where signals that were read once are kept, outside memory: for sets that are larger
    than it or slow to read."""
    device: str | None = None
    """cpu, cuda, mps, ...; an accelerator when there is one."""

    def code_when_stopped(self, stop: Stop) -> int:
        """0 for SIGTERM where all meta-steps that were taken are saved: a batch system that takes a
        machine away should not count that for a failure."""
        if stop.by is signal.SIGTERM and self._goes_on:
            return 0
        return stop.exit_code

    @property
    def _goes_on(self) -> bool:
        """Whether there is something to go on from."""
        return any((self.out / "checkpoints").glob("*.safetensors"))

    def when_stopped(self) -> str:
        if self._goes_on:
            return f"{GOES_ON}, with --resume"
        return "it has no checkpoint yet; start the same command again"

    def may_tell(self, *, stopped: bool) -> bool:
        if "RANK" not in os.environ:
            return True
        from medfuncta._src.learning.ranks import is_first, may_tell_of_a_fault

        return is_first() if stopped else may_tell_of_a_fault()

    def run(self) -> Trained:
        from medfuncta._src.learning.ranks import joined

        with joined(self.device) as ranks:
            return self._run(first=ranks.first)

    def print_result(self, result: Trained) -> None:
        if self.may_tell(stopped=True):
            super().print_result(result)

    def _run(self, *, first: bool) -> Trained:
        from medfuncta._src.cli.progress import report_skipped, training_progress
        from medfuncta._src.run import Run
        from medfuncta._src.sources.table import open_source
        from medfuncta._src.workflow import begun_with, resolve, train

        source = open_source(self.data, skip_bad=self.skip_bad)
        layers = self.layers()
        start = None if self.start_from is None else Run.load(self.start_from)
        preset = self.preset
        if self.resume and preset is None and start is None:
            preset = begun_with(self.out, source.spec)
        steps = resolve(source.spec, preset, *layers, start=start).train.steps
        remarks: list[str] = []

        def remarked(found: Sequence[str]) -> None:
            """Say it now, where a training can still be stopped, and not again at the end."""
            remarks.extend(found)
            for remark in found:
                tell(f"! {remark}")

        with training_progress(steps) as listener:
            training = train(
                source,
                self.out,
                preset,
                settings=merged(layers),
                start_from=start,
                resume=self.resume,
                cache=self.cache,
                device=self.device,
                listener=listener,
                remarked=remarked,
            )
        if first:
            report_skipped(source)
        progress = training.progress
        if progress.best_psnr is not None and progress.best_psnr < _USELESS:
            useless = (
                f"the network is of no use: {progress.best_psnr:.1f} dB is no better than noise; "
                "where the meta-steps were few take more, else lower train.learning_rate or "
                "inner.step_size, or go back to the preset's settings"
            )
            if first:
                tell(f"! {useless}")
            remarks.insert(0, useless)
        return Trained(
            self.out,
            steps=progress.step,
            seconds=round(progress.seconds, 1),
            psnr=progress.best_psnr,
            best_step=progress.best_step,
            skipped_steps=progress.skipped,
            returns=progress.returns,
            skipped_files=len(source.skipped),
            parameters=sum(p.numel() for p in training.run.network.parameters()),
            remarks=remarks,
        )

    def layers(self) -> list[dict[str, Any]]:
        """The settings of the file, of ``--set`` and of the flags; each overrides those before,
        which are checked all the same."""
        from medfuncta._src.settings import read_config_file

        layers = []
        if self.config is not None:
            layers.append(read_config_file(self.config))
        layers.append(assigned(self.set))
        layers.append({"train": given(steps=self.steps, batch=self.batch, seed=self.seed)})
        return layers

    def summary(self, result: Trained) -> str:
        text = (
            f"{result.run}: {result.steps} meta-steps in {result.seconds:.0f} s, "
            f"best validation PSNR {result.psnr:.2f} dB at step {result.best_step}"
        )
        if result.returns:
            text += f", gone back to {result.returns} times at half the rate"
        if result.steps and not result.best_step:
            text += " (the start is kept: no later network was better on validation signals)"
        if result.skipped_steps:
            text += f", {result.skipped_steps} steps with a gradient that was not finite"
        data = f"--data '{self.data}'"
        return f"{text}\nnext: medfuncta evaluate {result.run} {data} --out report"


def merged(layers: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings by section, each as the last layer has it."""
    settings: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, values in layer.items():
            settings[section] = {**settings.get(section, {}), **values}
    return settings


@dataclass(frozen=True)
class Trained(Result):
    """The run that was written.

    Args:
        run: Its folder.
        steps: Meta-steps that were taken.
        seconds: How long that took.
        psnr: The best on the validation split, in decibels.
        best_step: When that was.
        skipped_steps: Steps with a gradient that was not finite.
        returns: How often training went back to the best step.
        skipped_files: Files that could not be read.
        parameters: Numbers of the shared network.
        remarks: What a user should know of the data, one sentence each.
    """

    run: Path
    steps: int
    seconds: float
    psnr: float | None
    best_step: int
    skipped_steps: int
    returns: int
    skipped_files: int
    parameters: int
    remarks: Sequence[str] = ()
