"""A training that is stopped, wherever that is, loses no meta-step and goes on to the same bits."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from training_data import make_signals, tiny

from medfuncta._src.learning import meta_step, saving, train
from medfuncta._src.learning.callbacks import StepReport
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.saving import CHECKPOINT
from medfuncta._src.learning.stored_checkpoint import written_by
from medfuncta._src.process import stopping, undisturbed

TRAIN, VAL = make_signals(8, 0), make_signals(4, 1)
CONFIG = tiny(steps=23, validate_every=4, average=0.5)


def trained(out: Path, *, resume: bool = False) -> train.Training:
    return train.train_network(TRAIN, VAL, out, CONFIG, device="cpu", resume=resume)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> train.Training:
    return trained(tmp_path_factory.mktemp("stopping") / "whole")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        found = list(csv.DictReader(file))
    for row in found:
        del row["seconds"]
    return found


@contextmanager
def at_call(
    number: int, owner: Any, name: str, do: Callable[[], object], *, after: bool = False
) -> Iterator[None]:
    """Within, something happens at this call of a function, counted from 1."""
    function, calls = getattr(owner, name), 0

    def called(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and not after:
            do()
        result = function(*arguments, **options)
        if calls == number and after:
            do()
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, called)
        yield


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


PLACES: dict[str, tuple[Any, str, int, int]] = {
    "while points are drawn": (meta_step, "draw_context", 3 * 4 + 2, 4),
    "in the meta-gradient": (meta_step, "meta_gradient", 7, 6),
    "in the update of the weights": (meta_step, "apply_gradients", 7, 7),
    "in the update before a validation": (meta_step, "apply_gradients", 8, 8),
    "in a validation": (train, "validation_psnr", 2, 8),
    "in the last validation": (train, "validation_psnr", 6, 23),
    "while the best is written": (saving.RunFolder, "best", 2, 8),
    "while a checkpoint is written": (TrainingState, "save", 4, 8),
    "while the log is written": (train.RunLog, "add", 2, 8),
}
"""What is called there, at which call the signal comes, and the step that is kept."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("place", PLACES)
def test_a_training_that_is_stopped_anywhere_goes_on_to_the_same_bits(
    place: str, after: bool, whole: train.Training, tmp_path: Path
) -> None:
    owner, name, number, step = PLACES[place]
    signalled = at_call(number, owner, name, stop, after=after)
    with stopping() as stopped, pytest.raises(KeyboardInterrupt), signalled:
        trained(tmp_path / "run")
    assert stopped.by is signal.SIGTERM
    assert written_by(tmp_path / "run" / CHECKPOINT)[0] == step
    again = trained(tmp_path / "run", resume=True)
    assert again.run.fingerprint == whole.run.fingerprint
    assert again.run.training["val_psnr"] == whole.run.training["val_psnr"]
    assert rows(tmp_path / "run") == rows(whole.folder)


def test_a_second_signal_does_not_spoil_what_the_first_one_saves(
    whole: train.Training, tmp_path: Path
) -> None:
    first = at_call(7, meta_step, "meta_gradient", stop)
    second = at_call(3, TrainingState, "save", stop)
    with stopping(), pytest.raises(KeyboardInterrupt), first, second:
        trained(tmp_path / "run")
    assert written_by(tmp_path / "run" / CHECKPOINT)[0] == 6
    assert trained(tmp_path / "run", resume=True).run.fingerprint == whole.run.fingerprint


def test_a_training_that_is_stopped_twice_at_one_step_keeps_the_checkpoint_before(
    tmp_path: Path,
) -> None:
    for resume in (False, True):
        signalled = at_call(1 if resume else 7, meta_step, "meta_gradient", stop)
        with stopping(), pytest.raises(KeyboardInterrupt), signalled:
            trained(tmp_path / "run", resume=resume)
    assert written_by(tmp_path / "run" / CHECKPOINT)[0] == 6
    assert written_by((tmp_path / "run" / CHECKPOINT).with_stem("last-1"))[0] == 4


def test_an_error_of_a_listener_changes_nothing_that_was_drawn(tmp_path: Path) -> None:
    """What ends a training in any other way leaves the checkpoint that is there."""

    def fail(report: StepReport) -> None:
        if report.progress.step == 6:
            raise ValueError

    with pytest.raises(ValueError):
        train.train_network(TRAIN, VAL, tmp_path / "run", CONFIG, device="cpu", listener=fail)
    assert written_by(tmp_path / "run" / CHECKPOINT)[0] == 4


def test_a_signal_waits_until_what_must_be_whole_is_done() -> None:
    done = []
    with stopping() as stopped:
        with pytest.raises(KeyboardInterrupt), undisturbed():
            stop()
            stop()
            done.append(stopped.by)
        assert done == [None] and stopped.by is signal.SIGTERM


def test_what_fails_while_a_signal_waits_is_not_lost() -> None:
    with stopping(), pytest.raises(KeyboardInterrupt) as caught, undisturbed():
        stop()
        raise ValueError("why")
    assert isinstance(caught.value.__context__, ValueError)


def test_the_handlers_are_those_of_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with undisturbed():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_gradient_that_is_interrupted_has_drawn_nothing(tmp_path: Path) -> None:
    from medfuncta._src.learning.ranks import Ranks

    state = train._new_state(CONFIG, None, None, torch.device("cpu"), train.DataMark.of(TRAIN))
    before = state.generator.get_state()
    with pytest.raises(ValueError), at_call(2, meta_step, "draw_context", failing):
        meta_step.step_gradient(state, TRAIN, CONFIG, Ranks(torch.device("cpu")))
    assert torch.equal(state.generator.get_state(), before)


def failing() -> None:
    raise ValueError
