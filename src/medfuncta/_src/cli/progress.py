"""Progress and notices on standard error, where they never mix with a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from medfuncta._src.cli.terminal import tell
from medfuncta._src.door.wording import counted
from medfuncta._src.learning.callbacks import StepReport
from medfuncta._src.sources.source import Source
from medfuncta._src.status import status_hidden

_NAMED = 5  # bad files that are named one by one


@contextmanager
def training_progress(steps: int) -> Iterator[Callable[[StepReport], None]]:
    """A bar with meta-steps a second, PSNR and time left; gives the listener that moves it."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.2f} steps/s"),
        TextColumn("train {task.fields[train]:.2f} dB"),
        TextColumn("val {task.fields[val]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with _shown_when_used(Progress(*columns, console=Console(stderr=True))) as (bar, start):
        task = bar.add_task("training", total=steps, speed=0.0, train=0.0, val="-")

        def listen(report: StepReport) -> None:
            start()
            progress = report.progress
            val = "-" if progress.best_psnr is None else f"{progress.best_psnr:.2f} dB"
            bar.update(
                task,
                completed=progress.step,
                speed=progress.step / progress.seconds,
                train=report.train_psnr,
                val=val,
            )

        yield listen


@contextmanager
def _shown_when_used(progress: Progress) -> Iterator[tuple[Progress, Callable[[], None]]]:
    """A display and what starts it. It leaves no trace when it was never started, so that a mistake
    found before gets its one line; once started, no other line says that something is going on."""
    with ExitStack() as shown:

        def start() -> None:
            if not progress.live.is_started:
                shown.enter_context(status_hidden())
                shown.callback(progress.stop)
                progress.start()

        yield progress, start


def report_skipped(source: Source) -> None:
    """Name the files that were left out."""
    for entry in source.skipped[:_NAMED]:
        tell(f"left out {entry.name}: {entry.reason}")
    if len(source.skipped) > _NAMED:
        tell(f"left out {len(source.skipped) - _NAMED} more")


def report_losses(losses: Sequence[int]) -> None:
    """Say how many workers died, where some did."""
    lost = sum(losses)
    if lost:
        tell(f"{counted(lost, 'worker')} died; others fitted their signals, each once")
