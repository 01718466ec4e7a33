"""How things are measured: in turn, so that drift of the machine cancels, and memory in a process
of its own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from medfuncta._src.cli.terminal import table
from medfuncta._src.errors import MedFunctaError

T = TypeVar("T")

MEBIBYTE: Final = 2**20
_PEAK_STEPS = 2  # the second one runs on a heap that the first has left behind
_RESET_PEAK = "5"  # proc(5), clear_refs: the peak resident size starts anew


@dataclass(frozen=True)
class Row:
    """One figure.

    Args:
        name: What was measured.
        unit: Of ``ours``, ``reference`` and ``floor``.
        ours, reference: The figure of either side; None where it was not measured.
        floor: The same figure if nothing but the matrix products were computed.
        ratio: ours / reference.
        note: Why a figure is missing, or what it means.
    """

    name: str
    unit: str
    ours: float | None
    reference: float | None = None
    floor: float | None = None
    ratio: float | None = None
    note: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        unit: str,
        ours: float | None,
        reference: float | None = None,
        floor: float | None = None,
        note: str = "",
    ) -> Row:
        """A row whose ratio is that of its figures."""
        ratio = ours / reference if ours is not None and reference else None
        return cls(name, unit, ours, reference, floor, ratio, note)


Steps = Mapping[str, Callable[[], object]]
"""What is timed, by side: ``"ours"``, ``"reference"``, ``"floor"``."""


@dataclass(frozen=True)
class Timings:
    """Seconds of each repeat by side; the n-th of all sides were taken one right after the
    other."""

    seconds: Mapping[str, list[float]]

    def median(self, side: str) -> float | None:
        return statistics.median(self.seconds[side]) if side in self.seconds else None

    def minimum(self, side: str) -> float | None:
        return min(self.seconds[side]) if side in self.seconds else None

    def ratio(self, one: str, other: str) -> float | None:
        """The median of the ratios of neighbours in time."""
        if one not in self.seconds or other not in self.seconds:
            return None
        return statistics.median(
            a / b for a, b in zip(self.seconds[one], self.seconds[other], strict=True)
        )

    def rows(self, name: str) -> list[Row]:
        """Median and minimum, and how near ours is to the floor."""
        rows = [
            Row(
                f"{name}, median",
                "s",
                self.median("ours"),
                self.median("reference"),
                self.median("floor"),
                self.ratio("ours", "reference"),
            ),
            Row.of(
                f"{name}, minimum",
                "s",
                self.minimum("ours"),
                self.minimum("reference"),
                self.minimum("floor"),
            ),
        ]
        if "floor" in self.seconds:
            share = Row.of(
                f"{name}, share of the floor",
                "",
                self.ratio("floor", "ours"),
                self.ratio("floor", "reference"),
            )
            rows.append(share)
        return rows

    def rate_row(self, name: str, unit: str, amounts: Mapping[str, float]) -> Row:
        """Amount a second, from the medians; a side that did another amount is brought to the same
        scale by it."""
        rates = {
            side: amounts[side] / statistics.median(taken) for side, taken in self.seconds.items()
        }
        return Row.of(name, unit, rates.get("ours"), rates.get("reference"), rates.get("floor"))


def in_turn(steps: Steps, repeats: int) -> Timings:
    """Time each step ``repeats`` times, A B C A B C ..., after one warm-up of each."""
    for step in steps.values():
        step()
    seconds: dict[str, list[float]] = {side: [] for side in steps}
    for _ in range(repeats):
        gc.collect()  # so that it is not due on one side's time
        for side, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[side].append(time.perf_counter() - start)
    return Timings(seconds)


def extra_memory(build: Callable[..., Callable[[], object]], *arguments: Any) -> float:
    """Peak resident memory of a step in mebibytes, above what was resident before the first one, in
    a fresh process.

    Args:
        build: Importable function; ``build(*arguments)`` prepares everything and gives the step.
        arguments: Anything that can be pickled.

    Raises:
        MedFunctaError: What the process raised; or that it died (out of memory), or that this
            system does not tell a process's peak.
    """
    if not Path("/proc/self/clear_refs").exists():
        raise MedFunctaError(
            "peak memory is read from /proc, which this system does not have; run this benchmark "
            "on Linux"
        )
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report_peak, args=(sender, build, arguments))
    process.start()
    sender.close()
    try:
        peak = receiver.recv()
    except EOFError as error:
        raise MedFunctaError(
            "a process died while its memory was measured; free some memory or lower --batch"
        ) from error
    finally:
        process.join()
    if isinstance(peak, MedFunctaError):
        raise peak
    return peak


def _report_peak(
    sender: Any, build: Callable[..., Callable[[], object]], arguments: tuple[Any, ...]
) -> None:
    try:
        sender.send(_peak(build(*arguments)))
    except MedFunctaError as error:
        sender.send(error)


def _peak(step: Callable[[], object]) -> float:
    gc.collect()
    before = _resident("VmRSS")

    def steps() -> None:
        for _ in range(_PEAK_STEPS):
            step()

    return peak_memory(steps)[1] - before


def peak_memory(work: Callable[[], T]) -> tuple[T, float]:
    """What the work gives, and the most mebibytes that were resident in this process meanwhile, all
    that it held before included."""
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    result = work()
    return result, _resident("VmHWM")


def _resident(field: str) -> float:
    """A memory field of this process's status, in mebibytes."""
    return _kibibytes(Path("/proc/self/status"), field) / 1024


def forget(folder: Path) -> None:
    """Ask the system to drop what it keeps of these files in memory, so that reading them reads the
    disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())  # what is not yet written cannot be dropped
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def free_memory() -> float:
    """Mebibytes that a new process can take without swapping."""
    return _kibibytes(Path("/proc/meminfo"), "MemAvailable") / 1024


def _kibibytes(path: Path, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", path.read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None, field
    return int(found[1])


def rows_table(rows: Iterable[Row]) -> str:
    """The rows for a person."""
    header = ("", "ours", "reference", "floor", "ours / reference", "")
    cells = [
        (
            row.name,
            _cell(row.ours, row.unit),
            _cell(row.reference, row.unit),
            _cell(row.floor, row.unit),
            _cell(row.ratio, ""),
            row.note,
        )
        for row in rows
    ]
    return table(header, cells)


def _cell(value: float | None, unit: str) -> str:
    return (
        "-"
        if value is None
        else f"{value:,.4g} {unit}".rstrip()
        if abs(value) < 1e4
        else f"{value:,.0f} {unit}".rstrip()
    )
