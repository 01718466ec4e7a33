"""Writing, reading, checking and searching a large latent set, beside the bare disk:
``python -m benchmarks.latent_set``."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from benchmarks.command import main
from benchmarks.measure import Row, forget, rows_table
from medfuncta._src.cli.command import Command
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.table import build_field
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.validate import validate
from medfuncta._src.latents.writer import LatentSetWriter, SplitWriter
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import SignalHeader, SignalSpec, ValueRange
from medfuncta._src.sources.source import SourceInfo
from medfuncta._src.tasks.search.faiss_index import FaissIndex
from medfuncta._src.tasks.search.hits import all_blocks
from medfuncta._src.tasks.search.neighbours import nearest
from medfuncta._src.types import ArrayLatents

GIGABYTE: Final = 1e9
T = TypeVar("T")
_PLAIN_BYTES: Final = 2**30
_BLOCK: Final = 2**24
_NEIGHBOURS: Final = 10
_DIRECTIONS: Final = 64


@dataclass(kw_only=True)
class LatentSetBenchmark(Command):
    """Write synthetic latents, read, check and search them; everything is removed afterwards."""

    rows: int = 100_000
    """Signals."""
    latent_size: int = 2048
    """P."""
    block: int = 8192
    """Signals handed to the writer at a time."""
    queries: int = 1000
    """Signals to find the neighbours of."""
    folder: Path | None = None
    """Where to write; a temporary folder when not given."""

    def run(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            rows = self._measure(Path(name))
        rows.append(
            Row(
                "peak memory of the process",
                "MB",
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            )
        )
        return {
            "rows": [asdict(row) for row in rows],
            "settings": {"rows": self.rows, "latent_size": self.latent_size, "block": self.block},
        }

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _measure(self, folder: Path) -> list[Row]:
        disk = _plain_speeds(folder / "plain")
        amount = self.rows * self.latent_size * 4 / GIGABYTE
        rows = _rows("write", amount, disk["write"], *self._write(folder / "set"))
        latent_set = LatentSet.open(folder / "set")
        steps: dict[str, Callable[[], object]] = {
            "read every latent": lambda: sum(
                len(rows.latents) for rows in latent_set.split("train").batches()
            ),
            "validate": lambda: validate(latent_set),
        }
        for name, step in steps.items():
            forget(folder)
            rows += _rows(name, amount, disk["read"], *_timed(step)[1:])
        forget(folder)
        taken = _timed(lambda: LatentSet.open(folder / "set").row(f"signal-{self.rows - 1}"))[1]
        return [
            *rows,
            Row("find one row by id", "s", taken),
            *self._search(latent_set, folder / "index"),
        ]

    def _search(self, latent_set: LatentSet, path: Path) -> list[Row]:
        """Neighbours of new latents by comparing all, and by an index that is made, dropped and
        opened again."""
        queries = _latents(np.random.default_rng(1), self.queries, self.latent_size)
        one, many = "one query", f"{self.queries:,} queries"
        exact, *taken = _timed(lambda: nearest(queries, all_blocks(latent_set), _NEIGHBOURS))
        rows = [
            Row(f"search, {many}", "s", taken[0]),
            Row(f"search, {many}, processor time", "s", taken[1]),
        ]
        rows.append(
            Row(
                f"search, {one}",
                "s",
                _timed(lambda: nearest(queries[:1], all_blocks(latent_set), _NEIGHBOURS))[1],
            )
        )
        rows.append(
            Row(
                "make an index", "s", _timed(lambda: FaissIndex.open(path, latent_set, "cosine"))[1]
            )
        )
        rows.append(Row("size of the index", "MB", path.stat().st_size / 1e6))
        index, taken, _ = _timed(lambda: FaissIndex.open(path, latent_set, "cosine"))
        rows.append(Row("open the index", "s", taken))
        rows.append(
            Row(
                f"search by index, {one}",
                "s",
                _timed(lambda: index.search(queries[:1], _NEIGHBOURS))[1],
            )
        )
        found, taken, _ = _timed(lambda: index.search(queries, _NEIGHBOURS))
        shared = [len(np.intersect1d(*pair)) for pair in zip(exact.rows, found.rows, strict=True)]
        note = f"of the {_NEIGHBOURS} nearest"
        return [
            *rows,
            Row(f"search by index, {many}", "s", taken),
            Row("found by index", "%", 100 * float(np.mean(shared)) / _NEIGHBOURS, note=note),
        ]

    def _write(self, folder: Path) -> tuple[float, float]:
        """The seconds of :func:`_timed` that writing took, without those of making the latents
        up."""
        field = SirenConfig(layers=3, width=8, latent_size=self.latent_size)
        run = Run(build_field(field), Config(field=field), SignalSpec(2, 1))
        spec = SignalSpec(2, 1, (8, 8), label_names=("a", "b", "c"), task="multi-class")
        info = SetInfo(run.fingerprint, self.latent_size, spec, SourceInfo("synthetic", "CC0 1.0"))
        writer = LatentSetWriter(folder, run, info)
        target = writer.split("train")
        assert target is not None
        generator = np.random.default_rng(0)
        spent = np.zeros(2)
        for start in range(0, self.rows, self.block):
            headers = [_header(i) for i in range(start, min(start + self.block, self.rows))]
            latents = _latents(generator, len(headers), self.latent_size)
            psnr = generator.normal(35, 3, len(headers))
            spent += _timed(partial(_append, target, info, headers, latents, psnr))[1:]
        spent += _timed(lambda: (writer.finish_split(target), writer.finish()))[1:]
        return float(spent[0]), float(spent[1])


def _append(
    target: SplitWriter,
    info: SetInfo,
    headers: list[SignalHeader],
    latents: ArrayLatents,
    psnr: np.ndarray,
) -> None:
    target.append(table_of(info, headers, latents, psnr), last_id=headers[-1].id)


def _latents(generator: np.random.Generator, rows: int, size: int) -> ArrayLatents:
    """Like those of real signals: a few directions hold most of what they differ in."""
    directions = np.random.default_rng(0).standard_normal((_DIRECTIONS, size), np.float32)
    spread = generator.standard_normal((rows, _DIRECTIONS), np.float32)
    return spread @ directions + generator.standard_normal((rows, size), np.float32)


def _header(index: int) -> SignalHeader:
    return SignalHeader(
        id=f"signal-{index}",
        domain=Grid((8, 8)),
        channels=1,
        range=ValueRange(0.0, 255.0),
        label=index % 3,
    )


def _rows(name: str, amount: float, speed: float, wall: float, processor: float) -> list[Row]:
    """What took so long, beside the disk alone; the processor's share tells a busy machine from a
    slow program."""
    return [
        Row(name, "s", wall, floor=amount / speed),
        Row(f"{name}, speed", "GB/s", amount / wall, floor=speed),
        Row(f"{name}, processor time", "s", processor),
    ]


def _timed(step: Callable[[], T]) -> tuple[T, float, float]:
    """What a step gives, its seconds on the wall, and those of the processor."""
    started, used = time.perf_counter(), time.process_time()
    result = step()
    return result, time.perf_counter() - started, time.process_time() - used


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

    speeds = {"write": _PLAIN_BYTES / GIGABYTE / _timed(write)[1]}
    forget(path.parent)
    speeds["read"] = _PLAIN_BYTES / GIGABYTE / _timed(read)[1]
    path.unlink()
    return speeds


if __name__ == "__main__":
    raise SystemExit(main(LatentSetBenchmark))
