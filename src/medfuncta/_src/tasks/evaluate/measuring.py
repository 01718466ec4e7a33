"""Signals and how well each comes back, measured here or by workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch

from medfuncta._src.cluster.crew import crew_of
from medfuncta._src.cluster.worker import Work
from medfuncta._src.config import FitConfig
from medfuncta._src.latents.fit_blocks import RunParcel, device_of
from medfuncta._src.latents.round_trip import round_trip
from medfuncta._src.run import Run
from medfuncta._src.signals.signal import Signal
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, measure

Device = torch.device | str | None


@dataclass(frozen=True)
class Labour:
    """Who fits, decodes and compares.

    Args:
        device: Where to compute; an accelerator when there is one.
        workers, cluster: As of :func:`~medfuncta._src.latents.create.create_latent_set`; this
            process when both are None.
        on_loss: Called with the number of workers that died, where one did.
    """

    device: Device = None
    workers: int | None = None
    cluster: str | None = None
    on_loss: Callable[[int], None] | None = None

    def measured(
        self, run: Run, signals: Iterable[Signal], config: FitConfig
    ) -> Iterator[tuple[Signal, SignalMetrics]]:
        """Each signal and how well it comes back, in their order; one batch is in memory at a time,
        and with workers some for each of them."""
        device = None if self.device is None else str(self.device)

        def job() -> MeasureJob:
            return MeasureJob(RunParcel.of(run), config, device)

        batches = batches_of(signals, config.batch)
        with crew_of(self.workers, self.cluster, job) as crew:
            if crew is None:
                for batch in batches:
                    yield from zip(batch, _measured(run, config, self.device, batch), strict=True)
                return
            sent: deque[list[Signal]] = deque()
            for metrics in crew.in_order(_noted(batches, sent)):
                yield from zip(sent.popleft(), metrics, strict=True)
            if crew.lost and self.on_loss is not None:
                self.on_loss(crew.lost)


def batches_of(signals: Iterable[Signal], size: int) -> Iterator[list[Signal]]:
    """Signals, so many at a time."""
    stream = iter(signals)
    while batch := list(islice(stream, size)):
        yield batch


def _noted(batches: Iterable[list[Signal]], sent: deque[list[Signal]]) -> Iterator[list[Signal]]:
    """The batches, each noted before it is sent."""
    for batch in batches:
        sent.append(batch)
        yield batch


def _measured(
    run: Run, config: FitConfig, device: Device, batch: Sequence[Signal]
) -> list[SignalMetrics]:
    found = round_trip(run, batch, config=config, device=device)
    return [measure(original, copy) for original, copy in zip(batch, found, strict=True)]


@dataclass(frozen=True, eq=False)
class MeasureJob:
    """The job of workers that measure.

    Args:
        run: The shared network.
        config: Steps and batch of a fit.
        device: Where to compute, as the user says.
    """

    run: RunParcel
    config: FitConfig
    device: str | None

    def begin(self, place: int) -> Work:
        return partial(_measured, self.run.opened(), self.config, device_of(self.device, place))
