"""Writing, checking and reading a large latent set, beside what the disk does with the same bytes: ``python -m benchmarks.latent_set``."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.command import main
from benchmarks.measure import Row, forget, rows_table
from medfuncta.cli.command import Command
from medfuncta.config import Config, FieldConfig
from medfuncta.field.latent_field import LatentField
from medfuncta.field.run import Run
from medfuncta.latents.info import SetInfo
from medfuncta.latents.latent_set import LatentSet
from medfuncta.latents.schema import table_of
from medfuncta.latents.validate import validate
from medfuncta.latents.writer import LatentSetWriter
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta.signals.signal_set import SignalHeader
from medfuncta.sources.source import SourceInfo

GIGABYTE: Final = 1e9
_PLAIN_BYTES: Final = 2**30
_BLOCK: Final = 2**24


@dataclass(kw_only=True)
class LatentSetBenchmark(Command):
    """Write synthetic latents, check them, read them; everything is removed afterwards."""

    rows: int = 100_000
    """Signals."""
    latent_size: int = 2048
    """P."""
    block: int = 32768
    """Signals handed to the writer at a time."""
    folder: Path | None = None
    """Where to write; a temporary folder when not given."""

    def run(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            rows = self._measure(Path(name))
        rows.append(Row("peak memory of the process", "MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
        return {
            "rows": [asdict(row) for row in rows],
            "settings": {"rows": self.rows, "latent_size": self.latent_size, "block": self.block},
        }

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _measure(self, folder: Path) -> list[Row]:
        disk = _plain_speeds(folder / "plain")
        amount = self.rows * self.latent_size * 4 / GIGABYTE
        rows = _rows("write", amount, disk["write"], *_seconds(lambda: self._write(folder / "set")))
        latent_set = LatentSet.open(folder / "set")
        steps: dict[str, Callable[[], object]] = {
            "read every latent": lambda: sum(len(rows.latents) for rows in latent_set.split("train").batches()),
            "validate": lambda: validate(latent_set),
        }
        for name, step in steps.items():
            forget(folder)
            rows += _rows(name, amount, disk["read"], *_seconds(step))
        forget(folder)
        taken, _ = _seconds(lambda: LatentSet.open(folder / "set").row(f"signal-{self.rows - 1}"))
        return [*rows, Row("find one row by id", "s", taken)]

    def _write(self, folder: Path) -> None:
        field = FieldConfig(layers=3, width=8, latent_size=self.latent_size)
        run = Run(LatentField(field), Config(field=field), SignalSpec(2, 1))
        spec = SignalSpec(2, 1, (8, 8), label_names=("a", "b", "c"), task="multi-class")
        info = SetInfo(run.fingerprint, self.latent_size, spec, SourceInfo("synthetic", "CC0 1.0"))
        writer = LatentSetWriter(folder, run, info)
        target = writer.split("train")
        assert target is not None
        generator = np.random.default_rng(0)
        latents = generator.standard_normal((self.block, self.latent_size), np.float32)
        for start in range(0, self.rows, self.block):
            count = min(self.block, self.rows - start)
            headers = [_header(start + i) for i in range(count)]
            latents[:, 0] = start
            target.append(table_of(info, headers, latents[:count], generator.normal(35, 3, count)), last_id=headers[-1].id)
        writer.finish_split(target)
        writer.finish()


_VALUES = np.zeros((8, 8, 1), np.float32)


def _header(index: int) -> SignalHeader:
    return SignalHeader(Signal(f"signal-{index}", _VALUES, Grid((8, 8)), ValueRange(0.0, 255.0), label=index % 3))


def _rows(name: str, amount: float, speed: float, wall: float, processor: float) -> list[Row]:
    """What took so long, beside the disk alone; the processor's share tells a busy machine from a slow program."""
    return [
        Row(name, "s", wall, floor=amount / speed),
        Row(f"{name}, speed", "GB/s", amount / wall, floor=speed),
        Row(f"{name}, processor time", "s", processor),
    ]


def _seconds(step: Callable[[], object]) -> tuple[float, float]:
    """On the wall, and of the processor."""
    started, used = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - started, time.process_time() - used


def _plain_speeds(path: Path) -> dict[str, float]:
    """Gigabytes a second of one plain file, written to the disk and read back from it."""
    content = np.random.default_rng(0).bytes(_BLOCK)

    def write() -> None:
        with path.open("wb") as file:
            for _ in range(_PLAIN_BYTES // _BLOCK):
                file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def read() -> None:
        with path.open("rb") as file:
            while file.read(_BLOCK):
                pass

    speeds = {"write": _PLAIN_BYTES / GIGABYTE / _seconds(write)[0]}
    forget(path.parent)
    speeds["read"] = _PLAIN_BYTES / GIGABYTE / _seconds(read)[0]
    path.unlink()
    return speeds


if __name__ == "__main__":
    raise SystemExit(main(LatentSetBenchmark))
