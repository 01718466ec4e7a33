"""Large signals trained and fitted on all of their points: ``python -m benchmarks.high_resolution
--data 'nifti:DIR?shape=64,64,64'``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.command import main
from benchmarks.measure import Row, peak_memory, rows_table
from medfuncta._src.cli.command import Command
from medfuncta._src.config import Quality
from medfuncta._src.errors import ConfigError
from medfuncta._src.field.field import Field
from medfuncta._src.latents.fit import fit_latents
from medfuncta._src.learning.train import train_network
from medfuncta._src.presets import sized_for
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.workflow import resolve


@dataclass(frozen=True)
class Done:
    """What training on some signals and fitting another one took, and how well that comes back, in
    dB."""

    step_seconds: float
    fit_seconds: float
    psnr: float


@dataclass(kw_only=True)
class HighResolution(Command):
    """Full context in every inner step, in the outer loss and in the fit. The source's own options
    bring its signals to a size."""

    data: tuple[str, ...]
    """Sources, such as 'nifti:hippocampus?shape=64,64,64' or
    'images:fundus?size=1024,1024&grey=true'."""
    steps: int = 8
    """Meta-steps of training, one signal each; at least 2."""
    signals: int = 4
    """Signals to train on; one of the test split is fitted."""
    start_from: Path | None = None
    """A run to go on from, such as one that was trained on the same signals made smaller; random
    weights without it."""
    quality: Quality = "fast"
    """How it is fitted."""

    def run(self) -> dict[str, Any]:
        if self.steps < 2:
            raise ConfigError(
                f"{self.steps} meta-steps; expected at least 2: the last one is timed with the "
                "validation after it"
            )
        start = None if self.start_from is None else Run.load(self.start_from)
        rows = [row for data in self.data for row in self._rows(data, start)]
        settings = {
            "steps": self.steps,
            "signals": self.signals,
            "quality": self.quality,
            "batch": 1,
            "context_ratio": 1.0,
        }
        if start is not None:
            settings["start_from"] = {
                name: start.training.get(name) for name in ("source", "steps", "seconds")
            }
        return {"rows": [asdict(row) for row in rows], "settings": settings}

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _rows(self, data: str, start: Run | None) -> Iterator[Row]:
        source = open_source(data)
        train, test = _first(source, "train", self.signals), _first(source, "test", 1)
        config = self._config(source, start)
        if start is None:
            config = sized_for(config, train)
        name = f"{source.info.name} {' x '.join(map(str, test.headers[0].shape[:-1]))}"
        with tempfile.TemporaryDirectory() as folder:
            network = None if start is None else start.network
            done, peak = peak_memory(
                lambda: _train_and_fit(train, test, Path(folder) / "run", config, network)
            )
        yield Row(f"{name}: points a signal", "", test.headers[0].domain.points)
        yield Row(f"{name}: a meta-step", "s", done.step_seconds)
        yield Row(f"{name}: fit", "s", done.fit_seconds)
        yield Row(
            f"{name}: PSNR of the fit", "dB", done.psnr, note=f"after {self.steps} meta-steps"
        )
        yield Row(
            f"{name}: peak memory of the process",
            "MiB",
            peak,
            note=f"{self.signals + 1} signals among it",
        )

    def _config(self, source: Source, start: Run | None) -> Config:
        """The settings that fit the data, with all points in every context."""
        config = resolve(source.spec, None, start=start)
        train = replace(
            config.train,
            steps=self.steps,
            batch=1,
            context_ratio=1.0,
            warmup=0,
            validate_every=self.steps,
            validate_signals=1,
        )
        return replace(config, train=train, fit=replace(config.fit, batch=1, quality=self.quality))


def _first(source: Source, split: str, count: int) -> SignalSet:
    return SignalSet.collect(source.spec, islice(source.signals(split), count))


def _train_and_fit(
    train: SignalSet, test: SignalSet, folder: Path, config: Config, start: Field | None
) -> Done:
    clock: list[float] = []  # after each meta-step; the last one's time holds the validation
    training = train_network(
        train,
        train.subset([0]),
        folder,
        config,
        start=start,
        device="cpu",
        listener=lambda report: clock.append(report.progress.seconds),
    )
    trained = time.perf_counter()
    fitted = fit_latents(training.run, test, config.fit, device="cpu")
    return Done(
        clock[-2] / (len(clock) - 1), time.perf_counter() - trained, float(psnr_of(fitted.errors))
    )


if __name__ == "__main__":
    sys.exit(main(HighResolution))
