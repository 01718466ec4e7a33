"""Whatever a text names, described: a source, a run or a latent set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfuncta.atomic import write_json
from medfuncta.errors import DataError
from medfuncta.latents.describe import describe
from medfuncta.latents.info import INFO_FILE
from medfuncta.latents.latent_set import LatentSet
from medfuncta.learning.run_log import METRICS_FILE
from medfuncta.run import METADATA_FILE, Run
from medfuncta.sources.table import open_source
from medfuncta.tasks.drawing.figure import class_names, save_png
from medfuncta.tasks.drawing.sheet import contact_sheet
from medfuncta.tasks.info.curve import curve_picture
from medfuncta.tasks.info.source import SourceReport, describe_source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def describe_run(run: Run) -> dict[str, Any]:
    """Sizes, omega schedule and training of a shared network, ready for JSON."""
    return {
        "kind": "run",
        "fingerprint": run.fingerprint,
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "omegas": list(run.network.omegas),
        "signal": asdict(run.spec),
        "config": run.config.to_dict(),
        "training": dict(run.training),
    }


def describe_latent_set(latents: LatentSet) -> dict[str, Any]:
    """Rows, labels and quality of a latent set, ready for JSON."""
    info = latents.info
    return {
        "kind": "latent set",
        "fingerprint": info.fingerprint,
        "source": asdict(info.source),
        "signal": asdict(info.spec),
        "fit": dict(info.fit),
        **asdict(describe(latents)),
    }


def inspect(what: str, out: Path | None = None) -> dict[str, Any]:
    """Describe whatever this text names: a run's folder, a latent set's folder, or a source.

    Args:
        what: A folder or ``kind:path[?option=value]``.
        out: Write ``info.json`` here, and the contact sheet of a source as ``signals.png`` or the
            training of a run as ``curve.png``.

    Raises:
        MedFunctaError: If it names none of them, or what it names is damaged.
    """
    folder = Path(what)
    pictures: dict[str, Callable[[], Figure]] = {}
    if (folder / METADATA_FILE).is_file():
        result = describe_run(Run.load(folder))
        if (folder / METRICS_FILE).is_file():
            pictures["curve.png"] = lambda: curve_picture(folder / METRICS_FILE)
    elif (folder / INFO_FILE).is_file():
        result = describe_latent_set(LatentSet.open(folder))
    elif folder.is_dir():
        raise DataError(
            f"'{folder.name}' is neither a run nor a latent set; expected one, or a source such as "
            f"nifti:{folder.name}"
        )
    else:
        report = describe_source(open_source(what, skip_bad=True))
        result = report.to_dict()
        if report.pictured:
            pictures["signals.png"] = lambda: _contact_sheet(report)
    if out is not None:
        write_json(out / "info.json", result)
        for name, draw in pictures.items():
            save_png(draw(), out / name)
    return result


def _contact_sheet(report: SourceReport) -> Figure:
    names = (
        " ".join(class_names(signal.label, report.spec.label_names)) for signal in report.pictured
    )
    return contact_sheet(
        report.pictured,
        [f"{s.id}  {name}".strip() for s, name in zip(report.pictured, names, strict=True)],
    )
