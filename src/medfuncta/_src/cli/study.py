"""``medfuncta study``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from medfuncta._src.cli.command import GOES_ON, Command
from medfuncta._src.cli.terminal import facts, table, tell
from medfuncta._src.config import Steps
from medfuncta._src.door.limits import Seed
from medfuncta._src.door.limits import Some as Count
from medfuncta._src.errors import ConfigError
from medfuncta._src.result import Result, to_json


@dataclass(kw_only=True)
class Study(Command):
    """Do an experiment of the paper; without a name, list them.

    Methods or settings are compared on held-out signals, and the result says what was found,
    whichever it is. 'report' does all studies from omega-schedule on, or collects those that are
    done.
    """

    name: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="NAME")] = None
    """Which one."""
    data: Annotated[str | None, tyro.conf.arg(metavar="SOURCE")] = None
    """Where the signals come from, such as wfdb:mitbih or nifti:volumes; when not given, those of
    --data-folder or signals that ship with the package."""
    data_folder: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder with public data sets that the studies know by name: mitbih, pneumoniamnist_28.npz,
    bloodcells_64.npz, pbc_64.npz, breast_ultrasound, brain_mr_dicom, hippocampus. Signals that
    ship with the package stand in for missing ones."""
    run_folder: Annotated[Path | None, tyro.conf.arg(name="run", metavar="RUN")] = None
    """The folder that 'medfuncta train --out' wrote; without it a network is trained on the data
    first. Of missing-samples, missing-slices and mixed-shapes."""
    scale: Literal["small", "paper"] = "small"
    """small takes minutes on two cores; paper has the paper's settings and wants a large GPU. Of
    the studies from omega-schedule on."""
    steps: Steps | None = None
    """Meta-steps of each training."""
    limit: Count | None = None
    """Held-out signals at the most, evenly spread over the test split; 32, or those of the
    scale."""
    seed: Seed = 0
    """Seed of every random draw; the first one where there are several."""
    seeds: Count | None = None
    """How often every setting is repeated; as often as the scale says when not given. Of the
    studies from omega-schedule on."""
    workers: Count = 1
    """Settings that are measured side by side, each in a process of its own."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for the report, its tables and figures. Settings that are measured are kept there, and
    are not measured again."""
    collect: bool = False
    """Of report: measure nothing, and report the studies that are finished in --out, each with as
    many of the seeds as are."""
    skip_bad: bool = False
    """Leave out files that cannot be read."""
    device: str | None = None
    """cpu, cuda, mps, ...; an accelerator when there is one."""

    def when_stopped(self) -> str:
        if self.out is None:
            return "nothing is kept without --out"
        return GOES_ON

    def run(self) -> Result:
        from medfuncta._src.studies.study import STUDIES, StudyOptions, run_study, study

        if self.name is None:
            return StudyList({name: row.summary for name, row in STUDIES.items()})
        row = study(self.name)
        if self.collect and self.name != "report":
            raise ConfigError("--collect is of the study report; leave it out")
        data = self.data or row.data
        if not (data or row.cells or self.name == "report"):
            raise ConfigError(
                f"the study {self.name} needs data of your own; give --data, such as nifti:FOLDER"
            )
        if self.run_folder is not None and self.data is None and row.data:
            tell(f"! the signals are those of {row.data}; --data names those of the run")
        options = StudyOptions(
            data,
            run=self.run_folder,
            steps=row.steps if self.steps is None else self.steps,
            limit=self.limit,
            seed=self.seed,
            seeds=self.seeds,
            scale=self.scale,
            workers=self.workers,
            data_folder=self.data_folder,
            out=self.out,
            collect=self.collect,
            skip_bad=self.skip_bad,
            device=self.device,
            tell=tell,
        )
        found = run_study(self.name, options)
        if self.out is not None:
            _write(found, self.out)
        return Studied(self.name, found, self.out)

    def summary(self, result: Any) -> str:
        if isinstance(result, StudyList):
            return facts(result.studies)
        lines = _lines(result.found)
        if result.out is not None:
            lines.append(f"report: {result.out / 'report.html'}")
        return "\n".join(lines)


def _write(found: Result, out: Path) -> None:
    """The files of a study."""
    from medfuncta._src.studies.findings import Findings, write_findings
    from medfuncta._src.studies.outcome import Outcome, write_outcome
    from medfuncta._src.studies.report import Report, write_report

    if isinstance(found, Findings):
        write_findings(found, out)
    elif isinstance(found, Outcome):
        write_outcome(found, out)
    elif isinstance(found, Report):
        write_report(found, out)


def _lines(found: Result) -> list[str]:
    """What a study found, for a person."""
    from medfuncta._src.studies.findings import Findings
    from medfuncta._src.studies.outcome import Outcome
    from medfuncta._src.studies.report import Report

    if isinstance(found, Findings):
        return _lines_of_findings(found)
    if isinstance(found, Report):
        header = ("study", "claim", "by", "verdict")
        return [table(header, found.claim_rows), facts(found.facts), facts(found.verdicts)]
    assert isinstance(found, Outcome)
    lines = []
    for each in found.tables:
        lines += [table(each.header, each.rows, each.title), ""]
    for claim in found.claims:
        lines += [f"{claim.verdict}: {claim.claim} ({claim.by}). {claim.because}", ""]
    return [*lines, found.explanation, "", facts(found.facts)]


def _lines_of_findings(findings: Any) -> list[str]:
    header = ("method", "mean PSNR (dB)", "median", "± std", "best on")
    lines = []
    for trial in findings.trials:
        rows = []
        for method, compared in trial.methods.items():
            best_on = f"{compared.best_on} of {compared.summary.signals}"
            rows.append((method, *compared.psnr_cells(), best_on))
        lines += [table(header, rows, trial.condition), trial.verdict, ""]
    return [*lines, findings.explanation, "", facts(findings.facts)]


@dataclass(frozen=True)
class StudyList(Result):
    """The studies there are.

    Args:
        studies: What each asks, by its name.
    """

    studies: dict[str, str]


@dataclass(frozen=True, eq=False)
class Studied(Result):
    """A study that was done.

    Args:
        study: Its name.
        found: What was found.
        out: Folder of the report; None when none was asked for.
    """

    study: str
    found: Result
    out: Path | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"study": self.study, **self.found.to_json(), "out": to_json(self.out)}
