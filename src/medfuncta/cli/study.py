"""``medfuncta study``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from medfuncta.cli.command import Command
from medfuncta.errors import ConfigError


@dataclass(kw_only=True)
class Study(Command):
    """Do an experiment: missing-samples, missing-slices or mixed-shapes.

    Methods are compared on held-out signals, and the table says which of them wins, whichever it
    is.
    """

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """Which one."""
    data: Annotated[str | None, tyro.conf.arg(metavar="SOURCE")] = None
    """Where the signals come from, such as wfdb:mitbih or nifti:volumes; signals that ship with the
    package when not given."""
    run_folder: Annotated[Path | None, tyro.conf.arg(name="run", metavar="RUN")] = None
    """The folder that 'medfuncta train --out' wrote; without it a network is trained on the data
    first."""
    steps: int | None = None
    """Meta-steps of that training."""
    limit: int = 32
    """Held-out signals at the most."""
    seed: int = 0
    """Seed of every random draw."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for report.json, table.csv, signals.csv, picture.png and report.html."""
    skip_bad: bool = False
    """Leave out files that cannot be read."""
    device: str | None = None
    """cpu, cuda, mps, ...; an accelerator when there is one."""

    def run(self) -> dict[str, Any]:
        from medfuncta.studies.findings import write_findings
        from medfuncta.studies.table import StudyOptions, run_study, study

        row = study(self.name)
        data = self.data or row.data
        if not data:
            raise ConfigError(
                f"the study {self.name} needs data of your own; give --data, such as nifti:FOLDER"
            )
        if self.limit < 1:
            raise ConfigError(f"--limit is {self.limit}; expected at least 1")
        options = StudyOptions(
            data,
            self.run_folder,
            row.steps if self.steps is None else self.steps,
            self.limit,
            self.seed,
            self.skip_bad,
            self.device,
            lambda line: print(line, file=sys.stderr, flush=True),
        )
        findings = run_study(self.name, options)
        if self.out is not None:
            write_findings(findings, self.out)
        return {
            "study": self.name,
            **findings.to_dict(),
            "out": None if self.out is None else str(self.out),
        }

    def summary(self, result: dict[str, Any]) -> str:
        from medfuncta.cli.table import facts, table

        header = ("method", "mean PSNR (dB)", "median", "± std", "best on")
        lines = []
        for trial in result["trials"]:
            rows = [(method, *_cells(summary)) for method, summary in trial["methods"].items()]
            lines += [table(header, rows, trial["condition"]), trial["verdict"], ""]
        lines += [result["explanation"], "", facts(result["facts"])]
        if result["out"]:
            lines.append(f"report: {Path(result['out']) / 'report.html'}")
        return "\n".join(lines)


def _cells(summary: dict[str, Any]) -> list[str]:
    psnr = summary["psnr"]
    numbers = [
        "–" if psnr[name] is None else f"{psnr[name]:.2f}" for name in ("mean", "median", "std")
    ]
    return [*numbers, f"{summary['best_on']} of {summary['signals']}"]
