"""The result of an evaluation: every signal's metrics, and where they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medfuncta._src.config import FitConfig
from medfuncta._src.door.wording import counted, printable
from medfuncta._src.latents.likeness import Likeness
from medfuncta._src.result import Result, to_json
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.sources.source import Skipped, SourceInfo
from medfuncta._src.tasks.drawing.figure import class_names
from medfuncta._src.tasks.evaluate.baselines import Baselines
from medfuncta._src.tasks.evaluate.metrics import SignalMetrics, Summary, summarise
from medfuncta._src.tasks.evaluate.pictures import Example


@dataclass(frozen=True)
class EvaluatedRun(Result):
    """The shared network of an evaluation.

    Args:
        fingerprint: Of its weights.
        parameters: How many numbers it has.
        latent_size: How many numbers a latent has.
        training: Where it comes from.
    """

    fingerprint: str
    parameters: int
    latent_size: int
    training: Mapping[str, Any]


@dataclass(frozen=True)
class FieldPoint(Result):
    """Another shared network on the same signals.

    Args:
        name: What it is called, such as that of its folder.
        kind: Of its field.
        numbers: That a latent has.
        psnr: Mean over signals, in dB; None where none was finite.
        fingerprint: Of its weights.
    """

    name: str
    kind: str
    numbers: int
    psnr: float | None
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Evaluation(Result):
    """What an evaluation found.

    Args:
        source: The data set.
        spec: What its signals have in common.
        split: Which part of it.
        skipped: Files that were left out.
        run: The shared network.
        fit: How latents were fitted.
        seconds: Wall time of reading, fitting, decoding and comparing.
        signals: One entry a signal, in the source's order.
        examples: The best, the median and the worst signal to look at; empty unless a report was
            asked for.
        baselines: What needs no network, beside it; None unless asked for.
        compared: Other shared networks on the same signals.
        remarks: What a user should know of the data, and how it differs from that which the run was
            trained on; one sentence each.
        likeness: The data beside what the network was trained on.
    """

    source: SourceInfo
    spec: SignalSpec
    split: str
    skipped: Sequence[Skipped]
    run: EvaluatedRun
    fit: FitConfig
    seconds: float
    signals: Sequence[SignalMetrics]
    examples: Sequence[Example] = ()
    baselines: Baselines | None = None
    compared: Sequence[FieldPoint] = ()
    remarks: Sequence[str] = ()
    likeness: Likeness | None = None

    def __repr__(self) -> str:
        mean = self.summary.psnr.mean
        quality = "no finite PSNR" if mean is None else f"mean PSNR {mean:.2f} dB"
        remarks = f", {counted(len(self.remarks), 'remark')}" if self.remarks else ""
        return printable(
            f"Evaluation({counted(len(self.signals), 'signal')} of {self.source.name} "
            f"({self.split}), {quality}{remarks})"
        )

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

    @property
    def fields(self) -> list[tuple[int, float]]:
        """Numbers of a latent and mean PSNR of every shared network that has one, this one first:
        points of a curve."""
        points = [(self.run.latent_size, self.summary.psnr.mean)]
        points += [(other.numbers, other.psnr) for other in self.compared]
        return [(numbers, psnr) for numbers, psnr in points if psnr is not None]

    @property
    def gap(self) -> str:
        """Why the principal components have no figure beside one of the networks, as a sentence;
        ``""`` where they have one or were not asked for."""
        if self.baselines is None:
            return ""
        return self.baselines.gap([self.run.latent_size, *(o.numbers for o in self.compared)])

    def to_json(self) -> dict[str, Any]:
        """Everything but the single signals: ``psnr.mean``, ``psnr.median``, ``ssim.mean``, ...
        nested."""
        beside = {}
        if self.baselines is not None:
            beside["baselines"] = self.baselines.to_json()
        if self.compared:
            beside["compared"] = to_json(self.compared)
        return {
            **self.summary.to_json(),
            **beside,
            "likeness": to_json(self.likeness),
            "by_class": to_json(self.by_class),
            "split": self.split,
            "unit": self.spec.unit,
            "source": to_json(self.source),
            "skipped": to_json(self.skipped),
            "remarks": list(self.remarks),
            "run": to_json(self.run),
            "fit": to_json(self.fit),
            "seconds": self.seconds,
        }
