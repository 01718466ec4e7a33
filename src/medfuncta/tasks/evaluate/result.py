"""The result of an evaluation: every signal's metrics, and where they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medfuncta.config import FitConfig
from medfuncta.signals.signal import SignalSpec
from medfuncta.sources.source import Skipped, SourceInfo
from medfuncta.tasks.drawing.labels import class_names
from medfuncta.tasks.evaluate.metrics import SignalMetrics, Summary, summarise
from medfuncta.tasks.evaluate.pictures import Example


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation found.

    Args:
        source: The data set.
        spec: What its signals have in common.
        split: Which part of it.
        skipped: Files that were left out.
        run: Fingerprint, parameters and latent size of the shared network, and its training
            provenance.
        fit: How latents were fitted.
        seconds: Wall time of reading, fitting, decoding and comparing.
        signals: One entry a signal, in the source's order.
        examples: The best, the median and the worst signal to look at; empty unless a report was
            asked for.
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
        """Statistics by class name; a multi-label signal counts in each of its classes, one without
        a label in none."""
        members: defaultdict[str, list[SignalMetrics]] = defaultdict(list)
        for metrics in self.signals:
            for name in class_names(metrics.label, self.spec.label_names):
                members[name].append(metrics)
        return {name: summarise(members[name]) for name in sorted(members)}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single signals, ready for JSON: ``psnr.mean``, ``psnr.median``,
        ``ssim.mean``, ... nested."""
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
