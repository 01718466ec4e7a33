from __future__ import annotations

import csv
import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from training_data import TINY, make_signals, tiny

from medfuncta._src.errors import ConfigError, RunError
from medfuncta._src.learning.callbacks import StepReport
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.optimiser import rate_at
from medfuncta._src.learning.sampler import batch_indices
from medfuncta._src.learning.saving import CHECKPOINT, saved_step
from medfuncta._src.learning.stored_checkpoint import written_by
from medfuncta._src.learning.train import LOST, Training, train_network
from medfuncta._src.run import WEIGHTS_FILE, Run
from medfuncta._src.settings import Config, override
from medfuncta._src.signals.signal_set import SignalSet

TRAIN, VAL = make_signals(8, 0), make_signals(4, 1)


def train(out: Path, config: Config = TINY, **options: object) -> Training:
    return train_network(TRAIN, VAL, out, config, device="cpu", **options)  # type: ignore[arg-type]


def test_training_improves_and_reports(tmp_path: Path) -> None:
    reports: list[StepReport] = []
    config = tiny(steps=60, validate_every=20, average=0.0, context_ratio=1.0)
    training = train(tmp_path, config, provenance={"source": "waves"}, listener=reports.append)
    assert len(reports) == 60
    validations = [report.val_psnr for report in reports if report.val_psnr is not None]
    assert len(validations) == 3 and validations[-1] > validations[0]
    assert training.progress.best_psnr == pytest.approx(max(validations))
    assert training.run.training["source"] == "waves"
    assert Run.load(tmp_path).fingerprint == training.run.fingerprint
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows] == ["10", "20", "30", "40", "50", "60"]
    assert rows[0]["val_psnr"] == "" and float(rows[1]["val_psnr"]) == pytest.approx(
        validations[0], rel=1e-5
    )
    assert list((tmp_path / "events").iterdir())


def read_log(folder: Path) -> list[dict[str, str]]:
    """The rows of a run's log without their wall time."""
    with (folder / "metrics.csv").open() as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in csv.DictReader(file)
        ]


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "options", [{}, {"optimiser": "muon", "outer_loss": "log"}], ids=["adamw", "muon"]
)
def test_a_resumed_run_is_bitwise_the_undisturbed_one(
    tmp_path: Path, options: dict[str, str]
) -> None:
    config = tiny(steps=9, **options)

    def kill_at_five(report: StepReport) -> None:
        if report.progress.step == 5:
            raise Killed

    whole = train(tmp_path / "whole", config)
    with pytest.raises(Killed):
        train(tmp_path / "cut", config, listener=kill_at_five)
    cut = train(tmp_path / "cut", config, resume=True)
    for name, tensor in whole.run.network.state_dict().items():
        assert torch.equal(tensor, cut.run.network.state_dict()[name]), name
    assert (whole.progress.best_psnr, whole.progress.step) == (
        cut.progress.best_psnr,
        cut.progress.step,
    )
    assert read_log(tmp_path / "whole") == read_log(tmp_path / "cut")


def test_resuming_with_other_settings_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(RunError, match="learning_rate"):
        train(tmp_path, tiny(learning_rate=5e-4), resume=True)


def test_resuming_with_another_kind_of_field_names_both(tmp_path: Path) -> None:
    train(tmp_path)
    other = override(tiny(), {"field": {"kind": "components", "latent_size": 4}})
    with pytest.raises(RunError, match=r"a field of kind 'siren', now it is 'components'"):
        train(tmp_path, other, resume=True)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (make_signals(9, 0), "there were 8 signals, now there are 9"),
        (make_signals(8, 0, points=25), "they had 192 points, now they have 200"),
        (make_signals(8, 2), "their values or their order are others"),
        (TRAIN.subset([1, 0, 2, 3, 4, 5, 6, 7]), "their values or their order are others"),
    ],
)
def test_resuming_with_other_signals_is_refused(
    tmp_path: Path, other: SignalSet, message: str
) -> None:
    train(tmp_path, tiny(steps=3, validate_every=3))
    with pytest.raises(RunError, match=rf"not those that the run was started with: {message}"):
        train_network(
            other, VAL, tmp_path, tiny(steps=3, validate_every=3), device="cpu", resume=True
        )


def test_data_that_is_rounded_otherwise_is_the_same_data(tmp_path: Path) -> None:
    train(tmp_path)
    rounded = replace(TRAIN, values=TRAIN.values * np.float32(1 + 1e-6))
    train_network(rounded, VAL, tmp_path, TINY, device="cpu", resume=True)


def test_a_checkpoint_of_an_older_version_says_nothing_of_its_data(tmp_path: Path) -> None:
    train(tmp_path)
    path = tmp_path / CHECKPOINT
    with safe_open(path, "pt") as file:
        notes = file.metadata()
    for added in ("data", "due", "job", "checksum"):
        del notes[added]
    save_file(load_file(path), path, metadata=notes)
    train(tmp_path, resume=True)


def test_a_network_that_a_kill_left_in_two_halves_is_made_anew(tmp_path: Path) -> None:
    before = train(tmp_path / "run")
    other = train(tmp_path / "other", tiny(seed=3))
    shutil.copy(tmp_path / "other" / WEIGHTS_FILE, tmp_path / "run")
    with pytest.raises(RunError, match="not of one run"):
        Run.load(tmp_path / "run")
    after = train(tmp_path / "run", resume=True)
    assert after.run.fingerprint == before.run.fingerprint != other.run.fingerprint
    assert after.run.training == before.run.training


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def turned_over(path: Path) -> None:
    """One bit of the last number is another one."""
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def of_another_step(path: Path) -> None:
    """The header says another step than was written."""
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        notes = file.metadata()
    notes["progress"] = notes["progress"].replace('"best_step": ', '"best_step": 1')
    save_file(tensors, path, metadata=notes)


each_harm = pytest.mark.parametrize("harm", [cut, turned_over, of_another_step])


@each_harm
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    whole = train(tmp_path, tiny(keep_checkpoints=3, steps=12))
    harm(tmp_path / CHECKPOINT)
    with pytest.warns(UserWarning, match=r"last\.safetensors is damaged .* from last-1\.safe"):
        again = train(tmp_path, tiny(keep_checkpoints=3, steps=12), resume=True)
    assert again.run.fingerprint == whole.run.fingerprint
    assert again.progress.step == whole.progress.step


@each_harm
def test_where_all_checkpoints_are_damaged_the_run_is_refused(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    config = tiny(keep_checkpoints=1)
    train(tmp_path, config)
    for path in (tmp_path / CHECKPOINT).parent.iterdir():
        harm(path)
    with (
        pytest.warns(UserWarning, match="last.safetensors is damaged"),
        pytest.raises(
            RunError, match=r"best.safetensors is damaged .*; train anew into another folder"
        ),
    ):
        train(tmp_path, config, resume=True)


def test_the_checkpoint_of_the_best_network_is_the_last_resort(tmp_path: Path) -> None:
    config = tiny(steps=12, keep_checkpoints=1)
    whole = train(tmp_path, config)
    cut(tmp_path / CHECKPOINT)
    assert saved_step(tmp_path) is None
    with pytest.warns(UserWarning, match=r"going on from best\.safetensors"):
        again = train(tmp_path, config, resume=True)
    assert again.run.fingerprint == whole.run.fingerprint


def test_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint"):
        train(tmp_path, resume=True)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_so_many_checkpoints_are_kept_and_each_can_be_gone_on_from(
    keep: int, tmp_path: Path
) -> None:
    config = tiny(steps=12, keep_checkpoints=keep)
    whole = train(tmp_path, config)
    folder = (tmp_path / CHECKPOINT).parent
    names = ["last.safetensors", "last-1.safetensors", "last-2.safetensors"][:keep]
    assert sorted(path.name for path in folder.glob("last*")) == sorted(names)
    steps = [written_by(folder / name)[0] for name in names]
    assert steps == [12, 9, 6][:keep]
    assert saved_step(tmp_path) == 12
    for name in names[:-1]:
        (folder / name).unlink()
    assert train(tmp_path, config, resume=True).run.fingerprint == whole.run.fingerprint


def test_fewer_checkpoints_may_be_kept_when_a_run_goes_on(tmp_path: Path) -> None:
    train(tmp_path, tiny(steps=12, keep_checkpoints=3))
    (tmp_path / CHECKPOINT).unlink()
    train(tmp_path, tiny(steps=12, keep_checkpoints=1), resume=True)
    assert [path.name for path in (tmp_path / CHECKPOINT).parent.glob("last*")] == [CHECKPOINT.name]


def test_a_checkpoint_is_written_by_time_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock on which each look takes a minute, and a meta-step two."""
    minutes = itertools.count(0, 60)
    monkeypatch.setattr("medfuncta._src.learning.saving.time.monotonic", lambda: next(minutes))
    written: list[int] = []

    def look(report: StepReport) -> None:
        step = report.progress.step
        if (tmp_path / CHECKPOINT).exists() and written_by(tmp_path / CHECKPOINT)[0] == step:
            written.append(step)

    train(tmp_path, tiny(steps=9, validate_every=9, checkpoint_minutes=3), listener=look)
    assert written == [3, 6, 9]


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(RunError, match="already holds a run"):
        train(tmp_path)


def test_fewer_signals_than_the_batch(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="8 training signals for a batch of 9"):
        train(tmp_path, tiny(batch=9))


def test_a_gradient_that_is_not_finite_is_skipped_and_counted(tmp_path: Path) -> None:
    spoiled = make_signals(8, 0)
    spoiled.values[5] = float("nan")  # one sample of the first signal
    config = tiny(steps=8, batch=4)
    training = train_network(spoiled, VAL, tmp_path, config, device="cpu")
    assert training.progress.skipped == 4  # its batch of the two in each of four epochs
    assert all(torch.isfinite(p).all() for p in training.run.network.parameters())


def test_divergence_ends_in_one_line(tmp_path: Path) -> None:
    spoiled = make_signals(4, 0)
    spoiled.values[::24] = float("nan")
    with pytest.raises(RunError, match="not finite 20 times in a row"):
        train_network(spoiled, VAL, tmp_path, tiny(steps=50, validate_every=50), device="cpu")


def test_the_best_network_is_kept_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    psnrs = iter([10.0, 30.0, 20.0])
    monkeypatch.setattr("medfuncta._src.learning.train.validation_psnr", lambda *_: next(psnrs))
    training = train(tmp_path, tiny(steps=9, validate_every=3))
    assert (training.progress.best_step, training.progress.best_psnr) == (6, 30.0)
    assert training.run.training["steps"] == 6


def test_a_lost_network_is_replaced_by_the_best_at_half_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validations after steps 3, 6, 9, 12; the second one is far below the first."""
    psnrs = iter([30.0, 30.0 - LOST - 0.1, 29.0, 31.0])
    monkeypatch.setattr("medfuncta._src.learning.train.validation_psnr", lambda *_: next(psnrs))
    weights: list[torch.Tensor] = []
    config = tiny(steps=12, validate_every=3, average=0.0, warmup=0, schedule="constant")
    go_back = TrainingState.go_back

    def watched(state: TrainingState, *arguments: Any) -> None:
        weights.append(state.field.last.weight.detach().clone())
        go_back(state, *arguments)
        weights.append(state.field.last.weight.detach().clone())

    monkeypatch.setattr(TrainingState, "go_back", watched)
    saved: list[Run] = []
    training = train(
        tmp_path,
        config,
        listener=lambda report: (
            saved.append(Run.load(tmp_path)) if report.progress.step == 3 else None
        ),
    )
    lost, restored = weights
    assert torch.equal(restored, saved[0].network.last.weight) and not torch.equal(restored, lost)
    assert (training.progress.returns, training.progress.best_step) == (1, 12)
    rates = {row["step"]: float(row["learning_rate"]) for row in read_log(tmp_path)}
    assert rates["9"] == pytest.approx(rates["3"] / 2)


def test_a_run_that_went_back_resumes_bitwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_at_eight(report: StepReport) -> None:
        if report.progress.step == 8:
            raise Killed

    def validations(*psnrs: float) -> None:
        values = iter(psnrs)
        monkeypatch.setattr(
            "medfuncta._src.learning.train.validation_psnr", lambda *_: next(values)
        )

    config = tiny(steps=9)
    validations(30.0, 20.0, 31.0)
    whole = train(tmp_path / "whole", config)
    validations(30.0, 20.0)
    with pytest.raises(Killed):
        train(tmp_path / "cut", config, listener=kill_at_eight)
    validations(31.0)
    cut = train(tmp_path / "cut", config, resume=True)
    assert cut.run.fingerprint == whole.run.fingerprint
    assert cut.progress.returns == 1


def test_a_run_that_is_lost_for_good_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    psnrs = itertools.chain([30.0], itertools.repeat(10.0))
    monkeypatch.setattr("medfuncta._src.learning.train.validation_psnr", lambda *_: next(psnrs))
    with pytest.raises(
        RunError, match=r"validation fell from 30.0 to 10.0 dB at step \d+; lower the learning rate"
    ):
        train(tmp_path, tiny(steps=100, validate_every=1))


def test_every_signal_is_seen_once_an_epoch() -> None:
    seen = [i for step in range(7) for i in batch_indices(14, 4, step, seed=3)]
    assert sorted(seen[:14]) == list(range(14)) == sorted(seen[14:28])
    assert seen[:14] != seen[14:28]


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    config = tiny(steps=100, warmup=10, learning_rate=1.0).train
    assert rate_at(0, config) == pytest.approx(0.1)
    assert rate_at(10, config) == pytest.approx(1.0)
    assert rate_at(55, config) == pytest.approx(0.5)
    assert rate_at(100, config) == pytest.approx(0.0)


def test_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    a, b = train(tmp_path / "a", tiny(seed=1)), train(tmp_path / "b", tiny(seed=1))
    assert a.run.fingerprint == b.run.fingerprint
