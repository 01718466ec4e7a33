"""Training of the authors' network on a source's signals, as a curve that is measured once and
kept."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.case import Case
from benchmarks.curve import Curve, Moment
from benchmarks.reference import Reference
from medfuncta._src.errors import DataError
from medfuncta._src.learning.sampler import batch_indices
from medfuncta._src.signals.signal_set import SignalSet


@dataclass(frozen=True)
class Schedule:
    """How long to train and how often to look.

    Args:
        steps: Meta-steps at the most.
        seconds: Training time at the most.
        every: Meta-steps between validations; the last one is always followed by one.
    """

    steps: int
    seconds: float
    every: int


@dataclass(frozen=True)
class ReferenceCurves:
    """Curves of one source in a folder, one CSV for each setting.

    Args:
        directory: Checkout of the authors' code.
        folder: Where curves are kept.
        source: Text that names the source.
        train, val: Its signals, all of one shape and with every point observed.
    """

    directory: Path
    folder: Path
    source: str
    train: SignalSet
    val: SignalSet

    def curve(self, case: Case, schedule: Schedule) -> Curve:
        """The kept curve of these settings, or a new one."""
        path = self._path(case, schedule)
        if path.exists():
            return Curve.load(path)
        curve = Curve(tuple(self._measured(case, schedule)))
        curve.save(path)
        return curve

    def _path(self, case: Case, schedule: Schedule) -> Path:
        """A name that says the rate, and by a digest everything else that a curve depends on."""
        settings = {
            "source": self.source,
            "signals": [len(self.train), len(self.val)],
            "threads": torch.get_num_threads(),
            **asdict(case),
            **asdict(schedule),
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
        return self.folder / f"reference-{case.learning_rate:g}-{digest}.csv"

    def _measured(self, case: Case, schedule: Schedule) -> Iterator[Moment]:
        """Validations of a training from scratch; it ends early where the network is no longer
        finite."""
        train, val = (stacked(signals) for signals in (self.train, self.val))
        reference = Reference(self.directory, case)
        val_data = reference.data(val)
        seconds, step, last = 0.0, 0, False
        while not last:
            data = reference.data(train[batch_indices(len(train), case.batch, step, case.seed)])
            start = time.perf_counter()
            reference.meta_step(data)
            seconds += time.perf_counter() - start
            step += 1
            last = step == schedule.steps or seconds > schedule.seconds
            if last or step % schedule.every == 0:
                moment = Moment(step, seconds, reference.psnr(val_data, case.batch))
                if not math.isfinite(moment.psnr):
                    return
                tell(f"reference, rate {case.learning_rate:g}", moment)
                yield moment


def stacked(signals: SignalSet) -> np.ndarray:
    """Normalised values ``[signals, points, channels]``; the authors' code has a grid of its own,
    whatever the signals' spacings are.

    Raises:
        DataError: If signals differ in shape or have points that were not observed.
    """
    shapes = {header.shape for header in signals.headers}
    if signals.observed is not None or len(shapes) > 1:
        raise DataError(
            "signals of different shapes or with masked points, which the authors' code cannot "
            "read; "
            "give the source an option that brings all of them to one shape"
        )
    return signals.points(range(len(signals))).values.numpy()


def tell(name: str, moment: Moment) -> None:
    """One line of progress on standard error."""
    sys.stderr.write(
        f"{name}: {moment.step} meta-steps, {moment.seconds:.0f} s, {moment.psnr:.2f} dB\n"
    )
