"""Presets side by side on one source, after equal processor time:
``python -m benchmarks.presets --data npz:cells.npz --presets image components-2d``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.command import main
from benchmarks.measure import Row, extra_memory, rows_table
from medfuncta._src.cli.command import Assignments, Command, assigned
from medfuncta._src.config import Quality
from medfuncta._src.errors import ConfigError
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.learning.train import train_network
from medfuncta._src.presets import sized_for
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.table import open_source
from medfuncta._src.workflow import read_for_training, resolve

_WARM_UP: Final = 3
_TIMED: Final = 10


@dataclass(frozen=True)
class _Trained:
    """One preset after its training.

    Args:
        run: The best network.
        step_seconds: Median of a meta-step, processor time.
        steps: Meta-steps taken.
    """

    run: Run
    step_seconds: float
    steps: int


@dataclass(kw_only=True)
class Presets(Command):
    """Time and memory of a meta-step, and of a fit with its PSNR on validation signals."""

    data: str
    """Where the signals come from, e.g. wfdb:mitbih or npz:cells.npz."""
    presets: tuple[str, ...]
    """Names; ratios are to the first one."""
    set: Assignments = field(default_factory=list)
    """Any setting of all of them, as section.name=value, such as field.latent_size=256."""
    seconds: float = 120.0
    """Processor seconds of each training."""
    signals: int = 64
    """Validation signals that are fitted."""
    qualities: tuple[Quality, ...] = ("fast", "best")
    """How they are fitted."""

    def run(self) -> dict[str, Any]:
        if len(self.presets) < 2:
            raise ConfigError("one preset; expected at least two to put side by side")
        found = {name: list(self._figures(name)) for name in self.presets}
        rows = list(found[self.presets[0]])
        for name in self.presets[1:]:
            for row, first in zip(found[name], found[self.presets[0]], strict=True):
                beside = None if row.unit == "dB" else first.ours
                rows.append(Row.of(row.name, row.unit, row.ours, beside, note=row.note))
        settings = {
            "data": self.data,
            "seconds": self.seconds,
            "signals": self.signals,
            "set": self.set,
        }
        return {"rows": [asdict(row) for row in rows], "settings": settings}

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _figures(self, name: str) -> Iterator[Row]:
        with tempfile.TemporaryDirectory() as folder:
            trained = self._train(name, Path(folder))
        config = trained.run.config
        val = _validation(self.data, self.signals)
        a_signal = 1e3 * trained.step_seconds / config.train.batch
        memory = extra_memory(_meta_steps, self.data, config)
        numbers = f"{config.field.latent_size} numbers a latent, {trained.steps} meta-steps"
        yield Row(f"{name}: a meta-step, a signal", "ms", a_signal, note=numbers)
        yield Row(f"{name}: memory of meta-steps and a validation", "MiB", memory)
        for quality in self.qualities:
            fit = replace(config.fit, quality=quality)
            fitter = Fitter(trained.run.network, config.inner, fit)
            before = time.process_time()
            errors = fitter.fit(val).errors
            rate = len(val) / (time.process_time() - before)
            psnr = float(psnr_of(errors).mean())
            yield Row(f"{name}: fits, {quality}", "signals/s", rate, note="of processor time")
            yield Row(f"{name}: PSNR, {quality}", "dB", psnr)

    def _train(self, name: str, folder: Path) -> _Trained:
        train, val, config = _read(self.data, name, self.set)
        seconds = _step_seconds(train, val, config, folder / "timed")
        steps = max(1, int(self.seconds / seconds))
        config = replace(config, train=replace(config.train, steps=steps, validate_every=steps))
        training = train_network(train, val, folder / "run", config, device="cpu")
        sys.stderr.write(f"{name}: {steps} meta-steps\n")
        return _Trained(training.run, seconds, steps)


def _read(data: str, name: str, assignments: Assignments) -> tuple[SignalSet, SignalSet, Config]:
    source = open_source(data)
    given = assigned(assignments)
    config = resolve(source.spec, name, given)
    train, val = read_for_training(source, config)
    if "latent_size" not in given.get("field", {}):
        config = sized_for(config, train)
    return train, val, config


def _step_seconds(train: SignalSet, val: SignalSet, config: Config, folder: Path) -> float:
    """Median processor time of a meta-step, after some to warm up."""
    steps = _WARM_UP + _TIMED
    few = replace(config.train, steps=steps, validate_every=steps, validate_signals=1)
    clock: list[float] = []
    train_network(
        train,
        val.subset([0]),
        folder,
        replace(config, train=few),
        device="cpu",
        listener=lambda _: clock.append(time.process_time()),
    )
    taken = [after - before for before, after in pairwise(clock)]
    return median(taken[_WARM_UP - 1 : -1])  # the last one holds the validation


def _validation(data: str, count: int) -> SignalSet:
    source = open_source(data)
    return SignalSet.collect(source.spec, islice(source.signals("val"), count))


def _meta_steps(data: str, config: Config) -> Callable[[], object]:
    """Two meta-steps and a validation: what memory is measured of, in a process of its own."""
    source = open_source(data)
    train, val = read_for_training(source, config)
    few = replace(config.train, steps=2, validate_every=2, validate_signals=1, warmup=0)
    few_steps = replace(config, train=few)
    alone = val.subset([0])

    def step() -> object:
        with tempfile.TemporaryDirectory() as folder:
            return train_network(train, alone, Path(folder) / "run", few_steps, device="cpu")

    return step


if __name__ == "__main__":
    sys.exit(main(Presets))
