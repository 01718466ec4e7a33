"""Fitting a data set with workers, and while they are killed: ``python -m benchmarks.workers --data
wfdb:mitbih``."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.command import main
from benchmarks.measure import Row, rows_table
from medfuncta._src.cli.command import Command, given
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run
from medfuncta._src.settings import override
from medfuncta._src.sources.table import open_source

_LOCAL: Final = "spawn_main"
_ACTOR: Final = "ray::_Actor"
"""What the command lines of workers hold: of ours, and of Ray's."""


@dataclass(frozen=True)
class _Way:
    """A way to fit.

    Args:
        name: In the table.
        threads: Of this process.
        workers, cluster: As ``medfuncta fit`` takes them.
    """

    name: str
    threads: int = 1
    workers: int | None = None
    cluster: str | None = None


@dataclass
class _Fit:
    """What a fit took.

    Args:
        seconds: In all.
        marks: When how many signals were done.
        lost: Workers that died.
    """

    seconds: float = 0.0
    marks: list[tuple[float, int]] = field(default_factory=list)
    lost: int = 0

    @property
    def rate(self) -> float:
        """Signals a second from the first block on, so that no start of a process counts."""
        (first, before), (last, after) = self.marks[0], self.marks[-1]
        return (after - before) / max(last - first, 1e-9)


@dataclass(kw_only=True)
class Workers(Command):
    """Signals fitted a second by one process and by several, each set compared with that of one
    process with one thread; with ``--kill-every``, while workers are killed with signal 9."""

    data: str
    """Source."""
    run_folder: str = "pretrained:ecg"
    """The shared network."""
    split: str = "all"
    """Which signals."""
    steps: int | None = None
    """Inner steps of a fit; the run's own when not given."""
    batch: int | None = None
    """Signals of a block; the run's own when not given."""
    workers: int = 2
    """Processes of one thread each."""
    kill_every: float | None = None
    """Seconds between two kills of a worker; then only the fit of one process and those of workers
    are made."""
    cluster: tuple[str, ...] = ("local",)
    """Where workers run: local, ray, or both."""
    reference_set: Path | None = None
    """The set that one process has written with the same options, so that it is not made again."""
    folder: Path | None = None
    """Where sets are written, and removed from; a temporary folder of the system when not given."""

    def run(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            rows = list(self._rows(Path(name)))
        settings = {"data": open_source(self.data).info.name, "workers": self.workers}
        return {
            "rows": [asdict(row) for row in rows],
            "settings": {**settings, "kill_every": self.kill_every, "steps": self.steps},
        }

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _rows(self, folder: Path) -> Iterator[Row]:
        reference = self.reference_set or folder / "reference"
        if self.reference_set is None:
            one = _Way("1 process of 1 thread")
            yield from self._rates(one.name, self._fit(one, reference), reference, reference)
        for way in self._ways():
            out = folder / "set"
            fit = self._fit(way, out)
            yield from self._rates(way.name, fit, out, reference)
            shutil.rmtree(out)

    def _ways(self) -> list[_Way]:
        ways = []
        if self.kill_every is None:
            ways.append(_Way(f"1 process of {self.workers} threads", threads=self.workers))
        for cluster in self.cluster:
            name = f"{self.workers} workers of 1 thread, {cluster}"
            ways.append(_Way(name, workers=self.workers, cluster=cluster))
        return ways

    def _fit(self, way: _Way, out: Path) -> _Fit:
        run = Run.load(self.run_folder)
        config = override(run.config.fit, given(batch=self.batch), "fit.").with_steps(self.steps)
        source = open_source(self.data)
        found = _Fit()
        torch.set_num_threads(way.threads)
        began = time.perf_counter()
        with _killing(None if way.workers is None else self.kill_every):
            create_latent_set(
                run,
                source,
                out,
                config=config,
                splits=[self.split],
                progress=lambda done: found.marks.append((time.perf_counter(), done)),
                workers=way.workers,
                cluster=way.cluster,
                on_loss=lambda lost: setattr(found, "lost", lost),
            )
        found.seconds = time.perf_counter() - began
        return found

    def _rates(self, name: str, fit: _Fit, out: Path, reference: Path) -> Iterator[Row]:
        split = LatentSet.open(out).split(self.split)
        ids = split.ids
        twice = len(ids) - len(set(ids))
        same = _shards(out) == _shards(reference)
        note = f"{len(ids):,} signals, {twice} twice, " + ("same files" if same else "OTHER files")
        yield Row.of(f"{name}, from the first block on", "signals/s", fit.rate)
        yield Row.of(f"{name}, in all", "s", fit.seconds, note=note)
        if self.kill_every is not None:
            yield Row.of(f"{name}, workers killed", "", float(fit.lost))


def _shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}


@contextmanager
def _killing(every: float | None) -> Iterator[None]:
    """Within, one worker is killed every so many seconds.

    Raises:
        MedFunctaError: If this system does not list its processes.
    """
    if every is None:
        yield
        return
    if not Path("/proc/self/stat").exists():
        raise MedFunctaError("workers are found in /proc; run this benchmark on Linux")
    over = threading.Event()
    draws = random.Random(0)

    def kill_on() -> None:
        while not over.wait(every):
            found = _workers()
            if found:
                with suppress(ProcessLookupError):
                    os.kill(draws.choice(found), signal.SIGKILL)

    thread = threading.Thread(target=kill_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _workers() -> list[int]:
    """The processes of workers that this one has begun."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            words = (path / "cmdline").read_bytes().decode("utf-8", "replace")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if words.startswith(_ACTOR) or (_LOCAL in words and parent == os.getpid()):
                found.append(int(path.name))
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main(Workers))
