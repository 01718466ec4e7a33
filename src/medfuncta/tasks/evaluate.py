"""How well a shared network reconstructs signals that it has not seen: fit, decode on their own points, compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from medfuncta.config import FitConfig
from medfuncta.errors import DataError
from medfuncta.field.run import Run
from medfuncta.latents.decode import reconstruct
from medfuncta.latents.fit import fit_latents
from medfuncta.signals.signal import Signal, SignalSpec
from medfuncta.signals.signal_set import SignalSet
from medfuncta.sources.source import Skipped, Source, SourceInfo
from medfuncta.tasks.labels import class_names
from medfuncta.tasks.metrics import SignalMetrics, Summary, measure, summarise
from medfuncta.tasks.pictures import Example, choose_examples

Device = torch.device | str | None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation found.

    Args:
        source: The data set.
        spec: What its signals have in common.
        split: Which part of it.
        skipped: Files that were left out.
        run: Fingerprint, parameters and latent size of the shared network, and its training provenance.
        fit: How latents were fitted.
        seconds: Wall time of reading, fitting, decoding and comparing.
        signals: One entry a signal, in the source's order.
        examples: The best, the median and the worst signal to look at; empty unless a report was asked for.
    """

    source: SourceInfo
    spec: SignalSpec
    split: str
    skipped: Sequence[Skipped]
    run: Mapping[str, Any]
    fit: FitConfig
    seconds: float
    signals: Sequence[SignalMetrics]
    examples: Sequence[Example] = ()

    @property
    def summary(self) -> Summary:
        """Statistics over all signals."""
        return summarise(self.signals)

    @property
    def by_class(self) -> dict[str, Summary]:
        """Statistics by class name; a multi-label signal counts in each of its classes, one without a label in none."""
        members: defaultdict[str, list[SignalMetrics]] = defaultdict(list)
        for metrics in self.signals:
            for name in class_names(metrics.label, self.spec.label_names):
                members[name].append(metrics)
        return {name: summarise(members[name]) for name in sorted(members)}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single signals, ready for JSON: ``psnr.mean``, ``psnr.median``, ``ssim.mean``, ... nested."""
        return {
            **self.summary.to_dict(),
            "by_class": {name: summary.to_dict() for name, summary in self.by_class.items()},
            "split": self.split,
            "unit": self.spec.unit,
            "source": asdict(self.source),
            "skipped": [asdict(entry) for entry in self.skipped],
            "run": dict(self.run),
            "fit": asdict(self.fit),
            "seconds": self.seconds,
        }


def evaluate(
    run: Run,
    source: Source,
    *,
    split: str = "test",
    config: FitConfig | None = None,
    device: Device = None,
    out: Path | str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Fit the signals of a split, decode each on its own points and compare; one batch of signals is in memory at a time.

    Args:
        run: The shared network.
        source: Where the signals come from.
        split: Which of them.
        config: H and the batch; the run's own when not given.
        device: Where to compute; an accelerator when there is one.
        out: Write ``report.json``, ``signals.csv``, ``reconstructions.png`` and ``report.html`` into this folder. The three signals in
            the picture are read and fitted once more, so that no others need to be kept.
        progress: Called with the number of signals done.

    Raises:
        DataError: If the data does not fit the run, has no such split or no signal in it, or a file is bad and not to be skipped.
    """
    config = config or run.config.fit
    run.spec.check_fits(source.spec)
    began = perf_counter()
    metrics: list[SignalMetrics] = []
    for original, reconstruction in _reconstructions(run, source.spec, source.signals(split), config, device):
        metrics.append(_measure(original, reconstruction))
        if progress is not None:
            progress(len(metrics))
    if not metrics:
        raise DataError(f"no signals in the split '{split}' of {source.info.name}; expected at least one")
    seconds = perf_counter() - began
    examples = _examples(run, source, split, metrics, config, device) if out is not None else []
    skipped = tuple(source.skipped)
    evaluation = Evaluation(source.info, source.spec, split, skipped, _describe(run), config, seconds, metrics, examples)
    if out is not None:
        from medfuncta.tasks.report import write_report  # draws pictures

        write_report(evaluation, Path(out))
    return evaluation


def _reconstructions(
    run: Run, spec: SignalSpec, signals: Iterable[Signal], config: FitConfig, device: Device
) -> Iterator[tuple[Signal, Signal | None]]:
    """Each signal and what its latent decodes to, or None where that is not finite."""
    stream = iter(signals)
    while batch := list(islice(stream, config.batch)):
        collected = SignalSet.collect(spec, batch)
        fit = fit_latents(run, collected, config, device=device)
        for original, header, latent, error in zip(batch, collected.headers, fit.latents, fit.errors, strict=True):
            yield original, reconstruct(run, latent, header) if error.isfinite() else None


def _measure(original: Signal, reconstruction: Signal | None) -> SignalMetrics:
    if reconstruction is None:
        return SignalMetrics.failure(original.id, original.label, original.domain.points)
    return measure(original, reconstruction)


def _examples(run: Run, source: Source, split: str, metrics: Sequence[SignalMetrics], config: FitConfig, device: Device) -> list[Example]:
    chosen = choose_examples(metrics)
    ids = {m.id for m in chosen.values()}
    wanted = (signal for signal in source.signals(split) if signal.id in ids)
    again = _reconstructions(run, source.spec, wanted, config, device)
    pairs = {original.id: (original, reconstruction) for original, reconstruction in again if reconstruction is not None}
    return [Example(rank, m, *pairs[m.id]) for rank, m in chosen.items()]


def _describe(run: Run) -> dict[str, Any]:
    return {
        "fingerprint": run.fingerprint,
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "latent_size": run.config.field.latent_size,
        "training": dict(run.training),
    }
