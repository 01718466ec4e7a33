"""Signals fitted a second, and how well: ``python -m benchmarks.fit``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks import reference as their_side
from benchmarks.case import CASES, Case, sample_values
from benchmarks.command import MetaStepBenchmark, main
from benchmarks.floor import fit_floor
from benchmarks.measure import Row, Steps, in_turn
from benchmarks.ours import Ours
from benchmarks.reference import Reference
from medfuncta._src.config import Quality
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal_set import SignalSet

_UNIT = "signals/s"
_RATE = 1e-4  # of the short training; the paper's is meant for 250,000 meta-steps
_TRAINING_SIGNALS = 256


@dataclass(kw_only=True)
class Fit(MetaStepBenchmark):
    """Latents for unseen signals on full context, both sides with the same shared network.

    The reference takes H = 20 inner steps; ours takes the same ones, and those of another quality.
    """

    batch: int | None = 64
    """Signals fitted side by side, on both sides."""
    batches: tuple[int, ...] = (1, 4, 16)
    """Batches that ours is tried with besides, to find its best."""
    quality: Quality = "fast"
    """Ours also with this one, beside the reference."""
    signals: int = 64
    """Signals to fit."""
    shipped_signals: int = 4
    """So many of them does the reference fit one by one, as it is shipped; its rate does not depend
    on their number."""
    train_seconds: float = 60.0
    """The shared network is trained by ours for so long beforehand, so that the PSNR means
    something."""
    repeats: int = 3
    """Timed fits of each side, after one warm-up, in turn."""

    @property
    def case(self) -> Case:
        return replace(super().case, batch=CASES[self.preset].batch, learning_rate=_RATE)

    def rows(self) -> list[Row]:
        case, batch = self.case, self.batch or self.signals
        ours = Ours(case)
        _train(ours, self.train_seconds)
        values = sample_values(case, self.signals, "test")
        signals = case.signals(values)
        rates = {
            size: self._ours_alone(ours, signals, size) for size in sorted({*self.batches, batch})
        }
        best = max(rates, key=lambda size: rates[size].ours or 0.0)
        if self.reference is None:
            return [*rates.values(), Row.of("PSNR", "dB", _psnr(ours, signals, batch))]
        reference = Reference(self.reference, case)
        reference.load(ours.network.state_dict())
        few = self.shipped_signals
        shipped = [
            row
            for quality in ("paper", self.quality)
            for row in self._beside(
                f"ours {quality}, batch {best}; reference as shipped",
                ours,
                reference,
                values,
                best,
                few,
                1,
                quality,
            )
        ]
        reason = their_side.fit_shortage(self.reference, case, batch)
        if reason:
            batched = [Row.of(f"both batch {batch}", _UNIT, None, note=reason)]
        else:
            batched = [
                row
                for quality in ("paper", self.quality)
                for row in self._beside(
                    f"ours {quality}; both batch {batch}",
                    ours,
                    reference,
                    values,
                    batch,
                    len(values),
                    batch,
                    quality,
                )
            ]
        return [*shipped, *batched, *rates.values()]

    def _ours_alone(self, ours: Ours, signals: SignalSet, batch: int) -> Row:
        steps: Steps = {
            "ours": lambda: ours.fit(signals, batch),
            "floor": fit_floor(ours.case, len(signals)),
        }
        return in_turn(steps, self.repeats).rate_row(
            f"ours alone, batch {batch}", _UNIT, dict.fromkeys(steps, len(signals))
        )

    def _beside(
        self,
        name: str,
        ours: Ours,
        reference: Reference,
        values: np.ndarray,
        batch: int,
        their_signals: int,
        their_batch: int,
        quality: Quality,
    ) -> Iterator[Row]:
        """Rate of both, and PSNR of both on the signals that both have fitted."""
        signals, same = ours.case.signals(values), ours.case.signals(values[:their_signals])
        data = reference.data(values[:their_signals])
        steps: Steps = {
            "ours": lambda: ours.fit(signals, batch, quality),
            "reference": lambda: reference.fit(data, their_batch),
            "floor": fit_floor(ours.case, len(values)),
        }
        amounts = {"ours": len(values), "reference": their_signals, "floor": len(values)}
        yield in_turn(steps, self.repeats).rate_row(name, _UNIT, amounts)
        yield Row.of(
            f"{name}, PSNR",
            "dB",
            _psnr(ours, same, batch, quality),
            reference.psnr(data, their_batch),
            note=f"{their_signals} signals",
        )


def _train(ours: Ours, seconds: float) -> None:
    """Meta-steps on training signals until the time is up."""
    values = sample_values(ours.case, _TRAINING_SIGNALS)
    generator = np.random.default_rng(ours.case.seed)
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        ours.meta_step(
            ours.points(values[generator.choice(len(values), ours.case.batch, replace=False)])
        )


def _psnr(ours: Ours, signals: SignalSet, batch: int, quality: Quality = "paper") -> float:
    return float(psnr_of(ours.fit(signals, batch, quality).errors).mean())


if __name__ == "__main__":
    sys.exit(main(Fit))
