"""``medfuncta study``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import facts, table, tell
from medfuncta._src.config import Steps
from medfuncta._src.door.limits import Seed
from medfuncta._src.door.limits import Some as Count
from medfuncta._src.errors import ConfigError
from medfuncta._src.result import Result, to_json

if TYPE_CHECKING:
    from medfuncta._src.studies.findings import Findings


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
    steps: Steps | None = None
    """Meta-steps of that training."""
    limit: Count = 32
    """Held-out signals at the most, evenly spread over the test split."""
    seed: Seed = 0
    """Seed of every random draw."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for report.json, table.csv, signals.csv, picture.png and report.html."""
    skip_bad: bool = False
    """Leave out files that cannot be read."""
    device: str | None = None
    """cpu, cuda, mps, ...; an accelerator when there is one."""

    def run(self) -> Studied:
        from medfuncta._src.studies.findings import write_findings
        from medfuncta._src.studies.study import StudyOptions, run_study, study

        row = study(self.name)
        data = self.data or row.data
        if not data:
            raise ConfigError(
                f"the study {self.name} needs data of your own; give --data, such as nifti:FOLDER"
            )
        options = StudyOptions(
            data,
            run=self.run_folder,
            steps=row.steps if self.steps is None else self.steps,
            limit=self.limit,
            seed=self.seed,
            skip_bad=self.skip_bad,
            device=self.device,
            tell=tell,
        )
        findings = run_study(self.name, options)
        if self.out is not None:
            write_findings(findings, self.out)
        return Studied(self.name, findings, self.out)

    def summary(self, result: Studied) -> str:
        header = ("method", "mean PSNR (dB)", "median", "± std", "best on")
        findings = result.findings
        lines = []
        for trial in findings.trials:
            rows = []
            for method, compared in trial.methods.items():
                best_on = f"{compared.best_on} of {compared.summary.signals}"
                rows.append((method, *compared.psnr_cells(), best_on))
            lines += [table(header, rows, trial.condition), trial.verdict, ""]
        lines += [findings.explanation, "", facts(findings.facts)]
        if result.out is not None:
            lines.append(f"report: {result.out / 'report.html'}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Studied(Result):
    """A study that was done.

    Args:
        study: Its name.
        findings: What was found.
        out: Folder of the report; None when none was asked for.
    """

    study: str
    findings: Findings
    out: Path | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"study": self.study, **self.findings.to_json(), "out": to_json(self.out)}
