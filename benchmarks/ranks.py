"""How training scales with ranks on this machine: ``python -m benchmarks.ranks --ranks 1 2``.

Weak scaling: each rank has the same number of signals, so that a meta-step would take the same time
whatever their number, if adding up took none and the machine had a core and its share of memory for
each.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from typing import Any

import torch
from torch.multiprocessing.spawn import spawn

from benchmarks.case import case_of, sample_values
from benchmarks.command import main
from benchmarks.measure import Row, rows_table
from medfuncta._src.cli.command import Command
from medfuncta._src.field.table import build_field
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.meta_step import step_gradient, take_step
from medfuncta._src.learning.optimiser import WeightAverage, make_optimisers
from medfuncta._src.learning.ranks import joined
from medfuncta._src.learning.stored_checkpoint import Progress
from medfuncta._src.signals.mark import DataMark


@dataclass(kw_only=True)
class RanksBenchmark(Command):
    """Seconds of a meta-step against the number of ranks, with the same number of signals each."""

    preset: str = "ecg"
    """ecg, 2d or 3d: the paper's network and signals."""
    ranks: tuple[int, ...] = (1, 2)
    """Numbers of ranks."""
    batch: int = 32
    """Signals of each rank in a meta-step."""
    repeats: int = 5
    """Timed meta-steps, after one that is not."""

    def run(self) -> dict[str, Any]:
        rows = []
        first = core_alone = None
        for count in self.ranks:
            step, core, summing = self._measured(count)
            first, core_alone = first or step, core_alone or core
            name = f"{count} ranks, {self.batch} signals each"
            rows.append(Row(f"{name}: a meta-step", "s", step, ratio=step / first))
            rows.append(Row(f"{name}: of a core for it", "s", core, ratio=core / core_alone))
            rows.append(Row(f"{name}: of that the all-reduce", "s", summing))
            rate = self.batch * count / step
            rows.append(Row(f"{name}: signals", "1/s", rate, ratio=rate * first / self.batch))
        settings = {"preset": self.preset, "batch": self.batch, "cores": os.cpu_count()}
        return {"rows": [asdict(row) for row in rows], "settings": settings}

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _measured(self, count: int) -> tuple[float, float, float]:
        """Medians of the first rank: seconds of a meta-step by the clock and of the core, which
        others on the machine disturb less, and of an all-reduce."""
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        told = get_context("spawn").SimpleQueue()
        arguments = (count, port, self.preset, self.batch, self.repeats, told)
        spawn(_timed_rank, arguments, nprocs=count)
        return told.get()


def _timed_rank(
    rank: int, count: int, port: int, preset: str, batch: int, repeats: int, told: Any
) -> None:
    """The work of one rank: seconds of a meta-step and of its all-reduce go into ``told``."""
    place = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    torch.set_num_threads(1)
    case = replace(case_of(preset, {}), batch=batch * count)
    signals = case.signals(sample_values(case, case.batch))
    config = case.config
    field = build_field(case.field, torch.Generator().manual_seed(0))
    state = TrainingState(
        field,
        make_optimisers(field, config.train),
        WeightAverage(field, 0.0),
        torch.Generator().manual_seed(0),
        Progress(),
        DataMark.of(signals),
    )
    with joined("cpu") as ranks:

        def meta_step() -> None:
            take_step(state, step_gradient(state, signals, config, ranks), config)

        weights = [parameter.detach().clone() for parameter in field.parameters()]
        meta_step()
        step, core = _medians(meta_step, repeats)
        summing, _ = _medians(lambda: ranks.summed(weights), repeats)
    if rank == 0:
        told.put((step, core, summing))


def _medians(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Seconds by the clock, and of this process."""
    clock, process = [], []
    for _ in range(repeats):
        start, own = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - start)
        process.append(time.process_time() - own)
    return statistics.median(clock), statistics.median(process)


if __name__ == "__main__":
    sys.exit(main(RanksBenchmark))
