"""``medfuncta evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from medfuncta.cli.command import Command, given
from medfuncta.config import Quality


@dataclass(kw_only=True)
class Evaluate(Command):
    """Fit signals that training has not seen, decode them, and say how well they come back."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder that 'medfuncta train --out' wrote."""
    data: str
    """Where the signals come from: kind:path[?option=value], e.g. wfdb:mitbih, nifti:volumes,
    sample:ecg."""
    split: str = "test"
    """Which part of the data: train, val or test."""
    out: Path | None = None
    """Folder for report.json, signals.csv, reconstructions.png and report.html."""
    steps: int | None = None
    """H, inner steps of a fit; the run's own when not given."""
    quality: Quality | None = None
    """paper: H inner steps; fast: five and three Gauss-Newton steps, quicker and closer; best: on
    from paper until it gets no better."""
    skip_bad: bool = False
    """Leave out files that cannot be read, name and count them."""
    device: str | None = None
    """cpu, cuda, mps, ...; an accelerator when there is one."""

    def run(self) -> dict[str, Any]:
        from medfuncta.cli.progress import counting, report_skipped
        from medfuncta.run import Run
        from medfuncta.settings import override
        from medfuncta.sources.table import open_source
        from medfuncta.tasks.evaluate import evaluate

        run = Run.load(self.run_folder)
        source = open_source(self.data, skip_bad=self.skip_bad)
        config = override(run.config.fit, given(quality=self.quality), "fit.")
        config = config.with_steps(self.steps)
        with counting("signals") as progress:
            evaluation = evaluate(
                run,
                source,
                split=self.split,
                config=config,
                device=self.device,
                out=self.out,
                progress=progress,
            )
        report_skipped(source)
        return evaluation.to_dict() | {"out": None if self.out is None else str(self.out)}

    def summary(self, result: dict[str, Any]) -> str:
        from medfuncta.cli.table import table
        from medfuncta.signals.psnr import BEST_PSNR

        names = {
            "psnr": "PSNR (dB)",
            "ssim": "SSIM",
            "mse": "MSE",
            "mae": f"MAE {result['unit']}",
            "max_error": f"largest error {result['unit']}",
        }
        header = ("", "mean", "median", "std")
        rows = [
            (name.strip(), *(f"{result[key][column]:.4g}" for column in header[1:]))
            for key, name in names.items()
            if result[key]["count"]
        ]
        lines = [
            table(
                header,
                rows,
                f"{result['signals']:,} signals of {result['source']['name']} ({result['split']})",
            )
        ]
        if result["by_class"]:
            classes = result["by_class"].items()
            lines.append(
                table(
                    ("class", "signals", "mean PSNR"),
                    [(name, f"{c['signals']:,}", _decibels(c)) for name, c in classes],
                )
            )
        if result["failed"]:
            lines.append(f"{result['failed']} failed, in no number above")
        if result["exact"]:
            lines.append(f"{result['exact']} exact, counted with {BEST_PSNR:.0f} dB")
        lines.append(f"worst: {', '.join(result['worst'][:5])}")
        if result["out"]:
            lines.append(f"report: {Path(result['out']) / 'report.html'}")
        return "\n".join(lines)


def _decibels(summary: dict[str, Any]) -> str:
    mean = summary["psnr"]["mean"]
    return "–" if mean is None else f"{mean:.2f}"
