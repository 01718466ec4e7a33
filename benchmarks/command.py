"""What the benchmarks' command lines have in common."""

from __future__ import annotations

import os
import platform
import sys
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.case import Case, case_of
from benchmarks.measure import Row, rows_table
from benchmarks.reference import DIFFERENCES, REPLACED, Reference
from medfuncta._src.cli.command import Command
from medfuncta._src.cli.parsing import parsed
from medfuncta._src.config import TrainConfig
from medfuncta._src.errors import MedFunctaError


@dataclass(kw_only=True)
class Benchmark(Command):
    """Options of every benchmark."""

    reference: Path | None = None
    """Checkout of the authors' code to measure beside ours; ours alone without it."""
    threads: int | None = None
    """Threads of both sides; as many as PyTorch takes when not given."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """Measure."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What was measured, as plain data."""

    def run(self) -> dict[str, Any]:
        if self.threads is not None:
            os.environ["OMP_NUM_THREADS"] = str(
                self.threads
            )  # for the processes that memory is measured in
            torch.set_num_threads(self.threads)
        rows = self.rows()
        beside = self.reference is not None
        return {
            "rows": [asdict(row) for row in rows],
            "settings": self.settings(),
            "machine": {
                "processor": platform.machine(),
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
            },
            "replaced": list(REPLACED) if beside else [],
            "differences": list(DIFFERENCES) if beside else [],
        }

    def summary(self, result: dict[str, Any]) -> str:
        lines = [rows_table(Row(**row) for row in result["rows"])]
        lines += [
            f"{name}: {value}"
            for part in ("settings", "machine")
            for name, value in result[part].items()
        ]
        lines += [f"replaced in the reference: {text}" for text in result["replaced"]]
        lines += [f"different: {text}" for text in result["differences"]]
        return "\n".join(lines)


@dataclass(kw_only=True)
class CaseBenchmark(Benchmark):
    """Options of the benchmarks that run at one of the paper's sizes."""

    preset: Literal["ecg", "2d", "3d"] = "ecg"
    """Sizes of the paper's 1D, 2D or 3D network and signals."""
    batch: int | None = None
    """Signals side by side."""
    seed: int = 0
    """Of initial weights and context sets."""

    @property
    def case(self) -> Case:
        """The preset with the options that were given."""
        return case_of(self.preset, {"batch": self.batch, "seed": self.seed})

    def open_reference(self, case: Case) -> Reference | None:
        """Their network, when a checkout was given."""
        return None if self.reference is None else Reference(self.reference, case)

    def settings(self) -> dict[str, Any]:
        return {"preset": self.preset, **asdict(self.case)}


@dataclass(kw_only=True)
class MetaStepBenchmark(CaseBenchmark):
    """Options of those that take meta-steps."""

    memory_mb: int = TrainConfig.memory_mb
    """Our budget for kept activations, in mebibytes."""

    @property
    def case(self) -> Case:
        return replace(super().case, memory_mb=self.memory_mb)


def main(benchmark: type[Command], arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark as a program. Returns 0, or 2 after a user's mistake (one line on standard
    error)."""
    import tyro

    name = f"benchmarks.{Path(sys.argv[0]).stem}"
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        command = parsed(
            lambda: tyro.cli(benchmark, args=words, prog=name), words, f"python -m {name}"
        )
        command.print_result(command.run())
    except MedFunctaError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    return 0
