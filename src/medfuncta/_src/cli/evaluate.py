"""``medfuncta evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from medfuncta._src.cli.command import Cluster, Command, Workers, given
from medfuncta._src.cli.terminal import table
from medfuncta._src.config import InnerSteps, Quality
from medfuncta._src.door.wording import counted
from medfuncta._src.result import Result, to_json
from medfuncta._src.status import counting

if TYPE_CHECKING:
    from medfuncta._src.run import Run
    from medfuncta._src.tasks.evaluate import Evaluation
    from medfuncta._src.tasks.evaluate.metrics import Summary


@dataclass(frozen=True, eq=False)
class Evaluated(Result):
    """An evaluation and where its report is.

    Args:
        evaluation: What was found.
        out: Folder of the report; None when none was asked for.
    """

    evaluation: Evaluation
    out: Path | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.evaluation.to_json(), "out": to_json(self.out)}


@dataclass(kw_only=True)
class Evaluate(Command):
    """Fit signals that training has not seen, decode them, and say how well they come back."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder that 'medfuncta train --out' wrote."""
    data: str
    """Where the signals come from: kind:path[?option=value], e.g. wfdb:mitbih, nifti:volumes,
    sample:ecg."""
    split: str | None = None
    """Which part of the data: train, val, test, or all of it, for data that training has never
    seen. The test split when not given; all of data without splits, such as a single file."""
    out: Path | None = None
    """Folder for report.json, signals.csv, reconstructions.png and report.html."""
    steps: InnerSteps | None = None
    """H, inner steps of a fit; the run's own when not given."""
    quality: Quality | None = None
    """paper: H inner steps; fast: five and three Gauss-Newton steps, quicker and closer; best: on
    from paper until it gets no better."""
    baselines: bool = False
    """Put the lowest cosines and the principal components of the training split beside the field,
    at as many numbers as a latent has, and as a curve."""
    compare: Annotated[tuple[Path, ...], arg(metavar="RUN ...")] = ()
    """Runs of other latent sizes, or of other fields, that are to stand beside this one: in the
    table, the report and its curve of PSNR over numbers stored."""
    skip_bad: bool = False
    """Leave out files that cannot be read, name and count them."""
    device: str | None = None
    """cpu, cuda, mps, ...; an accelerator when there is one."""
    workers: Workers = None
    """Fit, decode and compare in so many processes of one thread each; in this one when not
    given."""
    cluster: Cluster = None
    """Where workers run: local, ray (the cluster of RAY_ADDRESS, or one on this machine), or
    ray:ADDRESS; as many as suit it without --workers."""

    def run(self) -> Evaluated:
        from medfuncta._src.cli.progress import report_losses, report_skipped
        from medfuncta._src.sources.table import open_source
        from medfuncta._src.tasks.evaluate import evaluate

        run = self._load(self.run_folder)
        source = open_source(self.data, skip_bad=self.skip_bad)
        compare = {}
        for name, folder in _named(self.compare).items():
            compare[name] = self._load(folder)
        losses = []
        with counting("fitting signals") as progress:
            evaluation = evaluate(
                run,
                source,
                split=self.split,
                device=self.device,
                out=self.out,
                baselines=self.baselines,
                compare=compare,
                progress=progress,
                workers=self.workers,
                cluster=self.cluster,
                on_loss=losses.append,
            )
        report_skipped(source)
        report_losses(losses)
        return Evaluated(evaluation, self.out)

    def _load(self, folder: Path) -> Run:
        """A run whose fits are those that were asked for."""
        from medfuncta._src.run import Run
        from medfuncta._src.settings import override

        run = Run.load(folder)
        fit = override(run.config.fit, given(quality=self.quality), "fit.")
        config = replace(run.config, fit=fit.with_steps(self.steps))
        return replace(run, config=config)

    def summary(self, result: Evaluated) -> str:
        from medfuncta._src.signals.psnr import BEST_PSNR
        from medfuncta._src.tasks.evaluate.report import curve_table, likeness_table

        evaluation = result.evaluation
        summary = evaluation.summary
        lines = []
        for remark in evaluation.remarks:
            lines.append(f"! {remark}")
        lines.append(_quality_table(evaluation, summary))
        if evaluation.baselines is not None or evaluation.compared:
            lines.append(table(*curve_table(evaluation)))
        if evaluation.gap:
            lines.append(evaluation.gap)
        if evaluation.by_class:
            lines.append(_class_table(evaluation))
        if summary.failed:
            lines.append(f"{summary.failed} failed, in no number above")
        if summary.exact:
            lines.append(f"{summary.exact} exact, counted with {BEST_PSNR:.0f} dB")
        lines.append(f"worst: {', '.join(summary.worst[:5])}")
        if evaluation.likeness is not None and evaluation.likeness.differences:
            lines.append(table(*likeness_table(evaluation.likeness)))
        if result.out is not None:
            lines.append(f"report: {result.out / 'report.html'}")
        return "\n".join(lines)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders by their names; as they were given where two have one name."""
    names = [folder.name for folder in folders]
    named = {}
    for folder in folders:
        name = folder.name
        if names.count(name) > 1 or not name:
            name = str(folder)
        named[name] = folder
    return named


def _quality_table(evaluation: Evaluation, summary: Summary) -> str:
    unit = evaluation.spec.unit
    statistics = {
        "PSNR (dB)": summary.psnr,
        "SSIM": summary.ssim,
        "MSE": summary.mse,
        f"MAE {unit}": summary.mae,
        f"largest error {unit}": summary.max_error,
    }
    rows = []
    for name, s in statistics.items():
        if s.count:
            rows.append((name.strip(), f"{s.mean:.4g}", f"{s.median:.4g}", f"{s.std:.4g}"))
    title = f"{counted(summary.signals, 'signal')} of {evaluation.source.name} ({evaluation.split})"
    return table(("", "mean", "median", "std"), rows, title)


def _class_table(evaluation: Evaluation) -> str:
    rows = []
    for name, summary in evaluation.by_class.items():
        mean = summary.psnr.mean
        decibels = "–" if mean is None else f"{mean:.2f}"
        rows.append((name, f"{summary.signals:,}", decibels))
    return table(("class", "signals", "mean PSNR"), rows)
