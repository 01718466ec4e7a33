"""Callbacks that tell a tracker of experiments how a training goes: MLflow, Weights & Biases.

TensorBoard needs none: every run folder has its events.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Some
from medfuncta._src.errors import missing_extra
from medfuncta._src.learning.callbacks import StepReport, TrainingCallback
from medfuncta._src.learning.stored_checkpoint import Progress
from medfuncta._src.run import METADATA_FILE, WEIGHTS_FILE, Run
from medfuncta._src.settings import Config


class MLflowCallback(TrainingCallback):
    """Writes settings, metrics and the network of a training to MLflow, into the run that is active
    there, or one of its own.

    Args:
        name: Of a run of its own.
        every: Meta-steps from one row of metrics to the next; every validation has one.
        artifacts: Whether the two files of the network are logged at the end.

    Raises:
        MedFunctaError: If MLflow is not installed.
    """

    @expecting
    def __init__(
        self, name: str | None = None, *, every: Some = 10, artifacts: bool = True
    ) -> None:
        try:
            import mlflow  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise missing_extra("mlflow", "mlflow") from None
        self._mlflow: Any = mlflow
        self._name, self._every, self._artifacts = name, every, artifacts
        self._own = False
        self._folder = Path()

    def started(self, config: Config, provenance: Mapping[str, Any], folder: Path) -> None:
        self._folder = folder
        self._own = self._mlflow.active_run() is None
        if self._own:
            self._mlflow.start_run(run_name=self._name)
        self._mlflow.log_params(_settings(config, provenance))

    def stepped(self, report: StepReport) -> None:
        if _is_due(report, self._every):
            self._mlflow.log_metrics(dict(report.metrics), step=report.progress.step)

    def finished(self, run: Run, progress: Progress) -> None:
        if progress.best_psnr is not None:
            self._mlflow.log_metric("best_val_psnr", progress.best_psnr, step=progress.step)
        if self._artifacts:
            for name in (WEIGHTS_FILE, METADATA_FILE):
                self._mlflow.log_artifact(str(self._folder / name), artifact_path="field")
        if self._own:
            self._mlflow.end_run()

    def stopped(self, error: BaseException) -> None:
        if self._own:
            self._mlflow.end_run("FAILED" if isinstance(error, Exception) else "KILLED")


class WandbCallback(TrainingCallback):
    """Writes settings and metrics of a training to Weights & Biases.

    Args:
        project: Where.
        name: Of the run there.
        mode: ``"offline"`` keeps everything on this machine, until ``wandb sync``; ``"online"``
            sends it.
        every: Meta-steps from one row of metrics to the next; every validation has one.

    Raises:
        MedFunctaError: If wandb is not installed.
    """

    @expecting
    def __init__(
        self,
        project: str = "medfuncta",
        name: str | None = None,
        *,
        mode: str = "offline",
        every: Some = 10,
    ) -> None:
        try:
            import wandb  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise missing_extra("wandb", "wandb") from None
        self._wandb: Any = wandb
        self._given = {"project": project, "name": name, "mode": mode}
        self._every = every
        self._run: Any = None

    def started(self, config: Config, provenance: Mapping[str, Any], folder: Path) -> None:
        settings = _settings(config, provenance)
        self._run = self._wandb.init(config=settings, dir=str(folder), **self._given)

    def stepped(self, report: StepReport) -> None:
        if _is_due(report, self._every):
            self._run.log(dict(report.metrics), step=report.progress.step)

    def finished(self, run: Run, progress: Progress) -> None:
        self._run.summary["best_val_psnr"] = progress.best_psnr
        self._run.finish()

    def stopped(self, error: BaseException) -> None:
        if self._run is not None:
            self._run.finish(exit_code=1)


def _is_due(report: StepReport, every: int) -> bool:
    return report.val_psnr is not None or report.progress.step % every == 0


def _settings(config: Config, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their full names, and the name of the data."""
    named = {
        f"{section}.{name}": value
        for section, settings in config.to_dict().items()
        for name, value in settings.items()
    }
    return {**named, "source": provenance.get("source", "unknown")}
