"""Whatever a text names, described: a source, a run or a latent set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from medfuncta._src.disk.atomic import write_json
from medfuncta._src.errors import DataError
from medfuncta._src.latents.describe import Figures, describe
from medfuncta._src.latents.info import INFO_FILE, SetInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.learning.run_log import METRICS_FILE
from medfuncta._src.learning.saving import saved_step
from medfuncta._src.result import Result, to_json
from medfuncta._src.run import Run
from medfuncta._src.run_names import METADATA_FILE, find_run
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.sources.table import open_source
from medfuncta._src.tasks.drawing.figure import class_names, save_png
from medfuncta._src.tasks.drawing.sheet import contact_sheet
from medfuncta._src.tasks.info.curve import curve_picture
from medfuncta._src.tasks.info.source import SourceReport, describe_source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class RunReport(Result):
    """A shared network.

    Args:
        fingerprint: Of its weights.
        parameters: How many numbers it has.
        omegas: The frequency of each layer.
        signal: What signals it is for.
        config: Every setting.
        training: Where it comes from.
        saved_step: The meta-step that a training would go on from; None where none is kept.
    """

    json_keys: ClassVar = (
        *("kind", "fingerprint", "parameters", "omegas", "signal", "config", "training"),
        "saved_step",
    )
    kind: ClassVar = "run"

    fingerprint: str
    parameters: int
    omegas: Sequence[float]
    signal: SignalSpec
    config: Config
    training: Mapping[str, Any]
    saved_step: int | None = None

    @classmethod
    def of(cls, run: Run, folder: Path) -> RunReport:
        """Sizes, omega schedule and training of a run, and how far that is in its folder."""
        return cls(
            run.fingerprint,
            parameters=sum(parameter.numel() for parameter in run.network.parameters()),
            omegas=run.network.omegas,
            signal=run.spec,
            config=run.config,
            training=dict(run.training),
            saved_step=saved_step(folder),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**super().to_json(), "config": self.config.to_dict()}


@dataclass(frozen=True, eq=False)
class LatentSetReport(Result):
    """A latent set.

    Args:
        info: What it says of itself.
        figures: Its rows, labels and quality.
        first_ids: Of each split, what its first signal is called.
    """

    kind: ClassVar = "latent set"

    info: SetInfo
    figures: Figures
    first_ids: Mapping[str, str]

    @classmethod
    def of(cls, latents: LatentSet) -> LatentSetReport:
        """Read the labels and the PSNR of every row."""
        first_ids = {name: latents.split(name).row(0).id for name in latents.splits}
        return cls(latents.info, describe(latents), first_ids)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.kind,
            "fingerprint": self.info.fingerprint,
            "source": to_json(self.info.source),
            "signal": to_json(self.info.spec),
            "fit": to_json(self.info.fit),
            "first_ids": dict(self.first_ids),
            **to_json(self.figures),
        }


Report = SourceReport | RunReport | LatentSetReport


def inspect(what: str, out: Path | None = None) -> Report:
    """Describe whatever this text names: a run's folder, a latent set's folder, or a source.

    Args:
        what: A folder or ``kind:path[?option=value]``.
        out: Write ``info.json`` here, and the contact sheet of a source as ``signals.png`` or the
            training of a run as ``curve.png``.

    Raises:
        MedFunctaError: If it names none of them, or what it names is damaged.
    """
    folder = find_run(what).folder
    if (folder / METADATA_FILE).is_file():
        report = RunReport.of(Run.load(what), folder)
    elif (folder / INFO_FILE).is_file():
        report = LatentSetReport.of(LatentSet.open(folder))
    elif folder.is_dir():
        raise DataError(
            f"'{folder.name}' is neither a run nor a latent set; expected one, or a source such as "
            f"nifti:{folder.name}"
        )
    else:
        report = describe_source(open_source(what, skip_bad=True))
    if out is not None:
        write_json(out / "info.json", report.to_json())
        if isinstance(report, RunReport) and (folder / METRICS_FILE).is_file():
            save_png(curve_picture(folder / METRICS_FILE), out / "curve.png")
        if isinstance(report, SourceReport) and report.pictured:
            save_png(_contact_sheet(report), out / "signals.png")
    return report


def _contact_sheet(report: SourceReport) -> Figure:
    titles = []
    for signal in report.pictured:
        names = class_names(signal.label, report.spec.label_names)
        titles.append(f"{signal.id}  {' '.join(names)}".strip())
    return contact_sheet(report.pictured, titles)
