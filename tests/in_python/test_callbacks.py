"""What a program hears of a training, and what trackers of experiments are told."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from learning.training_data import make_signals, tiny
from medfuncta import MedFunctaError, MLflowCallback, TrainingCallback, WandbCallback
from medfuncta._src.learning.train import train_network


class Notes(TrainingCallback):
    """Everything that is heard."""

    def __init__(self, fail_at: int = 0) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.fail_at = fail_at

    def started(self, config: Any, provenance: Any, folder: Path) -> None:
        self.heard.append(("started", (config.train.steps, provenance["source"], folder.name)))

    def stepped(self, report: Any) -> None:
        self.heard.append(("stepped", report))
        if report.progress.step == self.fail_at:
            raise KeyboardInterrupt

    def finished(self, run: Any, progress: Any) -> None:
        self.heard.append(("finished", (run.spec.dim, progress.step)))

    def stopped(self, error: BaseException) -> None:
        self.heard.append(("stopped", type(error)))


def train(folder: Path, *callbacks: TrainingCallback, **more: Any) -> None:
    train_network(
        make_signals(8),
        make_signals(3, seed=1),
        folder,
        tiny(steps=4, validate_every=2),
        provenance={"source": "waves"},
        device="cpu",
        callbacks=callbacks,
        **more,
    )


def test_a_training_is_heard_from_its_start_to_its_end(tmp_path: Path) -> None:
    notes, others, steps = Notes(), Notes(), []
    train(tmp_path / "run", notes, others, listener=lambda report: steps.append(report.progress))
    assert [kind for kind, _ in notes.heard] == ["started", *["stepped"] * 4, "finished"]
    assert notes.heard[0][1] == (4, "waves", "run") and notes.heard[-1][1] == (1, 4)
    reports = [what for kind, what in notes.heard if kind == "stepped"]
    assert [report.progress.step for report in reports] == [1, 2, 3, 4]
    assert [report.val_psnr is None for report in reports] == [True, False, True, False]
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").read_text().splitlines()))
    for name in rows[-1]:
        if name != "step":
            assert float(rows[-1][name]) == pytest.approx(reports[-1].metrics[name], rel=1e-5)
    assert len(others.heard) == 6 and len(steps) == 4


def test_what_stops_a_training_is_heard_and_it_goes_on_later(tmp_path: Path) -> None:
    notes = Notes(fail_at=3)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", notes)
    assert notes.heard[-1] == ("stopped", KeyboardInterrupt)
    assert "finished" not in dict(notes.heard)
    again = Notes()
    train(tmp_path / "run", again, resume=True)
    steps = [what.progress.step for kind, what in again.heard if kind == "stepped"]
    assert steps == [4] and again.heard[-1][0] == "finished"


@pytest.mark.usefixtures("unchecked")
def test_something_else_is_no_callback(tmp_path: Path) -> None:
    with pytest.raises(MedFunctaError, match="a callback is a function; expected an object of a"):
        train(tmp_path / "run", lambda report: None)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


class FakeMLflow(SimpleNamespace):
    """The calls that are made to MLflow."""

    def __init__(self, active: object = None) -> None:
        super().__init__(calls=[], active=active)

    def active_run(self) -> object:
        return self.active

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self.calls.append((name, given, named))


@pytest.mark.parametrize("active", [None, "theirs"])
def test_mlflow_is_told(active: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeMLflow(active)
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    train(tmp_path / "run", MLflowCallback("waves", every=3))
    names = [name for name, _, _ in fake.calls]
    logged = [(given, named) for name, given, named in fake.calls if name == "log_metrics"]
    metrics = [(named["step"], given[0]) for given, named in logged]
    assert [step for step, _ in metrics] == [2, 3, 4]
    assert {"val_psnr", "loss"} <= metrics[-1][1].keys()
    [(settings,)] = [given for name, given, _ in fake.calls if name == "log_params"]
    assert settings["train.steps"] == 4 and settings["source"] == "waves"
    files = [Path(given[0]).name for name, given, _ in fake.calls if name == "log_artifact"]
    assert files == ["field.safetensors", "field.json"]
    assert ("start_run" in names, names[-1] == "end_run") == (active is None, active is None)
    fake.calls.clear()
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "other", MLflowCallback(), Notes(fail_at=1))
    ends = [given for name, given, _ in fake.calls if name == "end_run"]
    assert ends == ([("KILLED",)] if active is None else [])


def test_wandb_is_told_and_stays_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    session = SimpleNamespace(
        summary={},
        log=lambda metrics, step: calls.append((step, metrics)),
        finish=lambda exit_code=0: calls.append(exit_code),
    )

    def init(**given: Any) -> Any:
        calls.append(given)
        return session

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    train(tmp_path / "run", WandbCallback("hearts", every=3))
    assert calls[0]["mode"] == "offline" and calls[0]["project"] == "hearts"
    assert calls[0]["config"]["field.latent_size"] == 8
    assert [step for step, _ in calls[1:-1]] == [2, 3, 4] and calls[-1] == 0
    assert session.summary["best_val_psnr"] > 0
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "other", WandbCallback(), Notes(fail_at=1))
    assert calls[-1] == 1


@pytest.mark.parametrize(
    ("package", "kind"), [("mlflow", MLflowCallback), ("wandb", WandbCallback)]
)
def test_a_missing_tracker_is_named(
    package: str, kind: type[TrainingCallback], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MedFunctaError, match=rf"'{package}' is needed .*medfuncta\[{package}\]"):
        kind()
