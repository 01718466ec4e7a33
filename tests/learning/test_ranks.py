"""Several processes that train one network make the network that one process makes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from in_ranks import ended, in_ranks, start_ranks
from torch.distributed import HashStore
from training_data import make_signals, tiny

from medfuncta._src.errors import MedFunctaError
from medfuncta._src.field.components.field import ComponentsField
from medfuncta._src.learning.callbacks import StepReport, TrainingCallback
from medfuncta._src.learning.ranks import (
    RankLost,
    _beside,
    _of_this_start,
    is_first,
    joined,
    may_tell_of_a_fault,
)
from medfuncta._src.learning.saving import CHECKPOINT
from medfuncta._src.learning.stored_checkpoint import written_by
from medfuncta._src.learning.train import train_network
from medfuncta._src.run import Run
from medfuncta._src.settings import Config, override
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

STEPS = 20


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """PyTorch's own threads are not there in a copy of a process, which would wait for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def odd_signals(count: int, seed: int) -> SignalSet:
    """Traces of different lengths with gaps: no two processes have signals of one length."""
    rng = np.random.default_rng(seed)
    signals = []
    for number in range(count):
        points = 16 + 3 * number
        values = np.sin(np.linspace(0, 6, points) + rng.uniform(0, 6))[:, None].astype(np.float32)
        mask = rng.random(points) > 0.1 * (number % 4)
        grid = Grid((points,), (1 / 125,), unit="s")
        signals.append(Signal.of(f"s{number}", values, grid, ValueRange(-1, 1), mask=mask))
    return SignalSet.collect(SignalSpec(1, 1), signals)


EVEN = (make_signals(10, 0), make_signals(5, 1))
ODD = (odd_signals(10, 0), odd_signals(5, 1))


def config_of(**train: Any) -> Config:
    changes = {"steps": STEPS, "validate_every": 10, "batch": 5, "average": 0.9, **train}
    return tiny(**changes)


COMPONENTS = override(
    config_of(inner_steps=1, context_ratio=1.0, augment=("flip", "elastic")),
    {
        "field": {"kind": "components", "latent_size": 4, "width": 4, "layers": 2, "modes": 6}
        | {"completion": 2, "kernel": 3},
        "fit": {"steps": 1},
    },
)
CASES: dict[str, tuple[Config, tuple[SignalSet, SignalSet]]] = {
    "random contexts": (config_of(), EVEN),
    "gaps, stratified, log": (config_of(context="stratified", outer_loss="log"), ODD),
    "gaps, random, muon": (config_of(optimiser="muon"), ODD),
    "clipped": (config_of(clip=1e-3, schedule="constant", warmup=0), EVEN),
    "components, augmented": (COMPONENTS, EVEN),
}


class Watched(TrainingCallback):
    """What each meta-step was like."""

    def __init__(self) -> None:
        self.metrics: list[dict[str, float]] = []

    def stepped(self, report: StepReport) -> None:
        self.metrics.append(dict(report.metrics))


def train(out: Path, case: str, dtype: str, watched: Sequence[TrainingCallback] = ()) -> Run:
    config, (train_set, val_set) = CASES[case]
    config = replace(config, train=replace(config.train, dtype=dtype))
    with joined("cpu") as ranks:
        return train_network(train_set, val_set, out, config, ranks=ranks, callbacks=watched).run


def difference(one: Run, other: Run) -> float:
    """Of all weights, over their norm."""
    weights = []
    for run in (one, other):
        weights.append(torch.cat([p.flatten() for p in run.network.state_dict().values()]).double())
    return float((weights[0] - weights[1]).norm() / weights[0].norm())


@pytest.mark.parametrize(
    ("count", "dtype", "tolerance"), [(2, "float32", 2e-5), (3, "float64", 1e-11)]
)
@pytest.mark.parametrize("case", CASES)
def test_so_many_ranks_make_the_network_of_one_process(
    case: str, count: int, dtype: str, tolerance: float, tmp_path: Path
) -> None:
    watched = Watched()
    alone = train(tmp_path / "alone", case, dtype, [watched])
    assert in_ranks(count, lambda rank: train(tmp_path / "run", case, dtype) and 0) == count * [0]
    together = Run.load(tmp_path / "run")
    assert difference(alone, together) < tolerance
    assert together.training["val_psnr"] == pytest.approx(alone.training["val_psnr"], abs=1e-3)
    before = (tmp_path / "alone" / "metrics.csv").read_text().splitlines()
    after = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    for one, other in zip(before[1:], after[1:], strict=True):
        for name, a, b in zip(before[0].split(","), one.split(","), other.split(","), strict=True):
            if name != "seconds" and a:
                assert float(b) == pytest.approx(float(a), rel=2e-3), name


def test_what_is_compared_is_not_the_start() -> None:
    """Otherwise networks that learned nothing would be the same."""
    config, (signals, _) = CASES["random contexts"]
    from medfuncta._src.learning.train import untrained

    field, _ = untrained(signals, config)
    weights = torch.cat([p.flatten() for p in field.state_dict().values()])
    other, _ = untrained(signals, replace(config, train=replace(config.train, seed=1)))
    assert not torch.equal(weights, torch.cat([p.flatten() for p in other.state_dict().values()]))


def test_only_the_first_rank_learns_the_start_and_all_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = train(tmp_path / "alone", "components, augmented", "float32")
    learn = ComponentsField.learn_start

    def only_first(field: Any, *arguments: Any) -> None:
        assert os.environ["RANK"] == "0"
        learn(field, *arguments)

    monkeypatch.setattr(ComponentsField, "learn_start", only_first)
    codes = in_ranks(2, lambda _: train(tmp_path / "run", "components, augmented", "float32") and 0)
    assert codes == [0, 0]
    assert difference(alone, Run.load(tmp_path / "run")) < 2e-5


class AtStep(TrainingCallback):
    """Does something after a meta-step, on the first rank."""

    def __init__(self, step: int, do: Any) -> None:
        self._step, self._do = step, do

    def stepped(self, report: StepReport) -> None:
        if report.progress.step == self._step:
            self._do()


def killed_at(rank: int, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank is killed as it begins a meta-step, counted from 0, in copies to come."""
    from medfuncta._src.learning import train as module

    whole = module.step_gradient

    def step_gradient(state: Any, *arguments: Any) -> Any:
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT")
        if (os.environ.get("RANK"), state.progress.step, attempt) == (str(rank), step, "0"):
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(state, *arguments)

    monkeypatch.setattr(module, "step_gradient", step_gradient)


def train_told(out: Path, case: str = "random contexts") -> int:
    """As a command would end."""
    try:
        train(out, case, "float32")
    except RankLost:
        return 2
    return 0


@pytest.mark.parametrize(("victim", "step"), [(0, 3), (0, 13), (1, 7), (1, 10)])
def test_a_job_whose_rank_was_killed_goes_on_to_the_same_bits(
    victim: int, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole job is started again, as torchrun does."""
    assert in_ranks(2, lambda _: train_told(tmp_path / "whole")) == [0, 0]
    killed_at(victim, step, monkeypatch)
    codes = in_ranks(2, lambda _: train_told(tmp_path / "run"), job="j")
    assert codes[victim] == -signal.SIGKILL and codes[1 - victim] == 2
    if victim != 0:  # the first one saves what it has
        assert written_by(tmp_path / "run" / CHECKPOINT) == (step, "j")
    assert in_ranks(2, lambda _: train_told(tmp_path / "run"), job="j", attempt=1) == [0, 0]
    fingerprints = {Run.load(tmp_path / name).fingerprint for name in ("whole", "run")}
    assert len(fingerprints) == 1
    rows = []
    for name in ("whole", "run"):
        lines = (tmp_path / name / "metrics.csv").read_text().splitlines()
        rows.append([line.split(",")[:1] + line.split(",")[2:] for line in lines])
    assert rows[0] == rows[1]


def refusal(out: Path, case: str = "random contexts") -> int:
    """2 where the training is refused, with the line in a file beside the run."""
    try:
        train(out, case, "float32")
    except MedFunctaError as error:
        if may_tell_of_a_fault():
            with out.with_suffix(".told").open("a") as file:
                file.write(f"{error}\n")
        return 2
    return 0


def test_another_job_is_not_gone_on_with_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(1, 12, monkeypatch)
    assert in_ranks(2, lambda _: train_told(tmp_path / "run"), job="j")[0] == 2
    codes = in_ranks(2, lambda _: refusal(tmp_path / "run"), job="another", attempt=1)
    assert codes == [2, 2]
    (line,) = (tmp_path / "run.told").read_text().splitlines()
    assert "already holds a run; give --resume" in line


@pytest.mark.parametrize("count", [1, 3])
def test_a_run_goes_on_with_another_number_of_ranks(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = train(tmp_path / "alone", "gaps, stratified, log", "float32")
    case = "gaps, stratified, log"
    killed_at(1, 13, monkeypatch)
    assert in_ranks(2, lambda _: train_told(tmp_path / "run", case), job="j")[0] == 2
    codes = in_ranks(count, lambda _: train_told(tmp_path / "run", case), job="j", attempt=1)
    assert codes == count * [0]
    assert difference(alone, Run.load(tmp_path / "run")) < 2e-5


def test_what_one_rank_fails_with_is_told_once_and_ends_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(signals: SignalSet, *arguments: Any) -> Any:
        if os.environ["RANK"] == "1":
            raise MedFunctaError("the disk of this machine is gone; mend it")
        return whole(signals, *arguments)

    from medfuncta._src.learning import meta_step as module

    whole = module.augmented_points
    monkeypatch.setattr(module, "augmented_points", fail)
    assert in_ranks(3, lambda _: refusal(tmp_path / "run")) == [2, 2, 2]
    (line,) = (tmp_path / "run.told").read_text().splitlines()
    assert line == "the disk of this machine is gone; mend it"


def test_a_rank_that_vanishes_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(2, 4, monkeypatch)
    assert in_ranks(3, lambda _: refusal(tmp_path / "run")) == [2, 2, -signal.SIGKILL]
    (line,) = (tmp_path / "run.told").read_text().splitlines()
    assert line.startswith("another process of this training has ended")


def test_ranks_with_other_signals_are_refused(tmp_path: Path) -> None:
    def work(rank: int) -> int:
        CASES["random contexts"] = (config_of(), (make_signals(10, rank), EVEN[1]))
        return refusal(tmp_path / "run")

    assert in_ranks(2, work) == [2, 2]
    (line,) = (tmp_path / "run.told").read_text().splitlines()
    assert "process 1 of this training has other signals than the first" in line


def test_a_batch_has_a_signal_for_each_rank(tmp_path: Path) -> None:
    def work(rank: int) -> int:
        CASES["random contexts"] = (config_of(batch=2), EVEN)
        return refusal(tmp_path / "run")

    assert in_ranks(3, work) == [2, 2, 2]
    (line,) = (tmp_path / "run.told").read_text().splitlines()
    assert line.startswith("a batch of 2 for 3 processes") and not (tmp_path / "run").exists()


def test_only_the_first_rank_is_heard(tmp_path: Path) -> None:
    def work(rank: int) -> int:
        watched = Watched()
        train(tmp_path / "run", "random contexts", "float32", [watched])
        return len(watched.metrics)

    assert in_ranks(2, work) == [STEPS, 0]


def test_work_in_turn_is_done_by_the_first_before_the_others(tmp_path: Path) -> None:
    def work(rank: int) -> int:
        with joined("cpu") as ranks:
            return ranks.in_turn(lambda: begun(rank))

    def begun(rank: int) -> int:
        found = len(list(tmp_path.iterdir()))
        if rank == 0:
            time.sleep(0.3)
        (tmp_path / str(rank)).touch()
        return found

    codes = in_ranks(3, work)
    assert codes[0] == 0 and min(codes[1:]) >= 1


def test_ranks_meet_although_the_store_remembers_an_earlier_start() -> None:
    """As torchrun's does: names, questions and answers of processes that are no more."""
    store = HashStore()
    for name in ("a", "b"):
        store.set("medfuncta/start", name)
        for rank in (1, 2):
            store.set(f"{name}/{rank}", f"word{rank}")
            store.set(f"{name}/word{rank}", "")
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(_of_this_start, store, rank, 3) for rank in (1, 2)]
        time.sleep(0.3)
        assert not any(other.done() for other in others)
        first = pool.submit(_of_this_start, store, 0, 3)
        first.result().set("x", "1")
        assert [other.result().get("x") for other in others] == [b"1", b"1"]
    assert store.get("medfuncta/start") not in (b"a", b"b")


@pytest.mark.parametrize(
    "told",
    [
        {"RANK": "2", "WORLD_SIZE": "2"},
        {"RANK": "x", "WORLD_SIZE": "2"},
        {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "-1"},
        {"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "abc"},
        {"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "70000"},
        {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": ""},
    ],
)
def test_an_environment_that_contradicts_itself_is_refused(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", **told}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MedFunctaError, match="with torchrun, or unset"), joined():
        pass
    assert is_first()  # so it tells of it


def test_a_signal_is_heard_while_the_others_are_waited_for() -> None:
    store = HashStore()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            _beside(lambda: store.wait(["never"], timedelta(seconds=8)))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 5


def test_what_is_done_beside_gives_its_result_or_its_error() -> None:
    assert _beside(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        _beside(lambda: 1 // 0)
    with pytest.raises(TimeoutError):
        _beside(lambda: Future[int]().result(timeout=0))


def test_where_nobody_started_several_this_process_is_the_only_rank() -> None:
    with joined("cpu") as ranks:
        assert (ranks.count, ranks.first, ranks.job, ranks.restarted) == (1, True, "", False)
        assert ranks.from_first(b"x") == b"x" and ranks.part(7).rows == slice(0, 7)


def test_ranks_that_are_all_asked_to_stop_leave_a_checkpoint(tmp_path: Path) -> None:
    """The signal comes as torchrun sends it: to one rank after the other."""
    from medfuncta._src.process import stopping

    case = "random contexts"
    CASES["long"] = (config_of(steps=10**6, validate_every=10**6, schedule="constant"), EVEN)

    def work(rank: int) -> int:
        with stopping() as stop:
            try:
                train(tmp_path / "run", "long", "float32")
            except (KeyboardInterrupt, RankLost):
                return stop.exit_code if stop.by else 2
        return 0

    copies = start_ranks(2, work)
    deadline = time.monotonic() + 30
    while not (tmp_path / "run" / "metrics.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    for copy in copies:
        os.kill(copy, signal.SIGTERM)
    asked = time.monotonic()
    assert set(ended(copies)) <= {143, 2}
    assert time.monotonic() - asked < 10
    step, _ = written_by(tmp_path / "run" / CHECKPOINT)
    assert step > 0 and case in CASES
