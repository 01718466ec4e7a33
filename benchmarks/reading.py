"""Whether training waits for the disk: ``python -m benchmarks.reading --data wfdb:mitbih
nifti:hippocampus``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from benchmarks.command import main
from benchmarks.measure import Row, forget, rows_table
from medfuncta._src.cli.command import Command
from medfuncta._src.learning.callbacks import StepReport
from medfuncta._src.learning.train import train_network
from medfuncta._src.settings import Config
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.cached_split import cached_split
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.workflow import resolve


@dataclass(frozen=True, eq=False)
class ClockedSet(SignalSet):
    """A set that notes how long each of its batches took to get ready.

    Args:
        seconds: One entry a batch.
    """

    seconds: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, signals: SignalSet) -> ClockedSet:
        return cls(**{part.name: getattr(signals, part.name) for part in fields(signals)})

    def points(self, indices: Sequence[int]) -> Points:
        start = time.perf_counter()
        batch = super().points(indices)
        self.seconds.append(time.perf_counter() - start)
        return batch


@dataclass(kw_only=True)
class Reading(Command):
    """What reading takes before training begins, and which share of a meta-step it takes then, from
    memory and from the cache."""

    data: tuple[str, ...]
    """Sources."""
    preset: str | None = None
    """Settings of the meta-step; without it the ones that fit the data."""
    steps: int = 10
    """Meta-steps that are timed, after one that is not."""
    batch: int | None = None
    """Signals a meta-step; the preset's when not given."""
    folder: Path | None = None
    """Where the cache is put, and removed from; a temporary folder of the system when not given."""

    def run(self) -> dict[str, Any]:
        rows = [row for data in self.data for row in self._rows(data)]
        return {
            "rows": [asdict(row) for row in rows],
            "settings": {"steps": self.steps, "preset": self.preset, "batch": self.batch},
        }

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _rows(self, data: str) -> list[Row]:
        source = open_source(data)
        name = source.info.name
        config = self._config(source)
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            cache = Path(folder) / "cache"
            read, in_memory = _timed(
                lambda: SignalSet.collect(source.spec, source.signals("train"))
            )
            written, _ = _timed(lambda: cached_split(source, "train", cache))
            opened, _ = _timed(lambda: cached_split(source, "train", cache))
            forget(cache)
            shares = {
                "memory": in_memory,
                "the cache on the disk": cached_split(source, "train", cache),
            }
            size = in_memory.values.nbytes / 2**20
            rows = [
                Row(f"{name}: read {len(in_memory):,} signals", "s", read),
                Row(f"{name}: read them into the cache", "s", written, note=f"{size:,.1f} MiB"),
                Row(f"{name}: open the cache", "s", opened),
            ]
            for where, signals in shares.items():
                step, batch = _meta_step(signals, config, Path(folder) / f"run-{len(rows)}")
                rows.append(
                    Row(
                        f"{name}: share of reading, {where}",
                        "%",
                        100 * batch / step,
                        note=f"{1e3 * batch:.2f} ms of {step:.3f} s",
                    )
                )
        return rows

    def _config(self, source: Source) -> Config:
        """As training has it, but for a validation at the end that is next to nothing."""
        train = {"steps": self.steps + 2, "validate_every": self.steps + 2, "validate_signals": 1}
        given = {} if self.batch is None else {"batch": self.batch}
        return resolve(source.spec, self.preset, {"train": {**train, **given}, "fit": {"steps": 1}})


def _meta_step(signals: SignalSet, config: Config, out: Path) -> tuple[float, float]:
    """Mean seconds of a meta-step of the training loop, and of getting its batch ready, without the
    first step and the last."""
    clocked = ClockedSet.of(signals)
    ends: list[float] = []

    def listen(report: StepReport) -> None:
        ends.append(report.progress.seconds)

    config = replace(
        config, train=replace(config.train, batch=min(config.train.batch, len(signals)))
    )
    train_network(clocked, signals.subset([0]), out, config, listener=listen)
    steps = len(ends) - 2
    return (ends[-2] - ends[0]) / steps, sum(clocked.seconds[1:-1]) / steps


def _timed(read: Callable[[], SignalSet]) -> tuple[float, SignalSet]:
    start = time.perf_counter()
    signals = read()
    return time.perf_counter() - start, signals


if __name__ == "__main__":
    sys.exit(main(Reading))
