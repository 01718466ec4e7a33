"""Ranks, restarts and costs, at sizes of seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_case import TINY

from benchmarks import ranks, scale
from benchmarks.case import CASES
from benchmarks.command import main
from benchmarks.elastic import Elastic
from learning.in_ranks import in_ranks
from medfuncta._src.cli.command import Command
from medfuncta._src.cli.main import main as program


def rows_of(
    benchmark: type[Command], arguments: str, capsys: pytest.CaptureFixture[str]
) -> dict[str, float]:
    assert main(benchmark, [*arguments.split(), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    return {row["name"]: row["ours"] for row in result["rows"]}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch's own threads are not there in a copy of a process, which would wait for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_rank_that_is_killed_under_torchrun_changes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real torchrun for the training that is disturbed, copies of this process for the other."""

    def undisturbed(benchmark: Elastic, out: Path) -> None:
        assert in_ranks(benchmark.ranks, lambda _: program(benchmark.training(out))) == [0, 0]

    monkeypatch.setattr(Elastic, "_undisturbed", undisturbed)
    rows = rows_of(Elastic, "--kills 1 --steps 60", capsys)
    assert rows["ranks killed"] == 1
    assert rows["same weights, bit for bit"] == 1


@pytest.mark.usefixtures("one_thread")
def test_ranks_are_timed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spawn(work: Callable[..., None], arguments: tuple[Any, ...], nprocs: int) -> None:
        assert in_ranks(nprocs, lambda rank: work(rank, *arguments)) == nprocs * [0]

    monkeypatch.setattr(ranks, "spawn", spawn)
    monkeypatch.setitem(CASES, "ecg", TINY)
    rows = rows_of(ranks.RanksBenchmark, "--ranks 1 2 --batch 2 --repeats 1", capsys)
    for count in (1, 2):
        assert rows[f"{count} ranks, 2 signals each: a meta-step"] > 0
    assert rows["2 ranks, 2 signals each: of that the all-reduce"] > 0


def test_a_cost_model_finds_the_rates_that_made_the_times() -> None:
    cases = scale.drawn_cases(20, seed=1)
    costs = [scale.of_meta_step(case) for case in cases]
    rates = np.array([1e-11, 2e-9, 3e-11, 2e-10, 1e-8, 1e-4, 1e-3])
    seconds = [float(rates @ np.array(cost.row())) for cost in costs]
    model = scale.CostModel.fitted(costs[:14], seconds[:14])
    for cost, expected in zip(costs[14:], seconds[14:], strict=True):
        assert model.seconds(cost) == pytest.approx(expected, rel=1e-3)


def test_costs_are_those_of_the_network() -> None:
    case = scale.drawn_cases(1, seed=0)[0]
    twice = replace(case, batch=2 * case.batch)
    one, two = scale.of_meta_step(case), scale.of_meta_step(twice)
    assert two.products == 2 * one.products and two.shifts == 2 * one.shifts
    assert two.parameters == one.parameters and two.calls == one.calls
    assert two.reads == one.reads


def test_a_busy_machine_does_not_change_what_a_work_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference takes as much longer; the middle one of three rounds is a quiet one."""
    took = {"short": 2.0, "long": 10.0, "_reference": 4.0}
    slowness = iter([*[1.0] * 6, *[3.0] * 6, *[1.0] * 6])

    def short() -> None:
        """Stands for a piece of work."""

    def long() -> None:
        """And another."""

    def timed(work: Callable[[], object]) -> float:
        return took[getattr(work, "__name__", "")] * next(slowness)

    monkeypatch.setattr(scale, "_timed", timed)
    assert scale.seconds_of([short, long], repeats=3) == [2.0, 10.0]


def test_a_plan_has_hours_and_storage_of_each_goal() -> None:
    """An image is 4,096 points in 3 channels; a latent has 2,048 numbers of 4 bytes."""
    rows = {row.name: row.ours for row in scale.plan(3.6, gpus=(1, 8))}
    name = "MedNF, 582,466 images of 64^2"
    assert rows[f"{name}: latents, float32"] == pytest.approx(582_466 * 2048 * 4 / 1e9)
    assert rows[f"{name}: signals as they come"] == pytest.approx(582_466 * 4096 * 3 / 1e9)
    one, eight = rows[f"{name}: training on 1 GPUs"], rows[f"{name}: training on 8 GPUs"]
    assert one is not None and eight == pytest.approx(one / 8)


def test_the_paper_s_step_is_the_rate_that_is_assumed() -> None:
    """0.42 s for 12 images of 64 x 64 on an A100."""
    goal = scale.goals()["MedNF, 582,466 images of 64^2"]
    step = scale.of_meta_step(replace(goal.case, batch=12))
    assert step.products / 0.42 / 1e12 == pytest.approx(3.6, rel=0.05)


def test_the_model_is_held_against_what_it_has_not_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Times that follow the model but for the last case, which takes twice as long."""
    cases = scale.drawn_cases(12, seed=0)

    def meta_step(case: scale.Case) -> scale.Work:
        product = scale.of_meta_step(case).products * 1e-11
        return lambda: 2 * product if case == cases[-1] else product

    def told(works: Sequence[scale.Work], repeats: int) -> list[float]:
        del repeats
        return [float(str(work())) for work in works]

    monkeypatch.setattr(scale, "seconds_of", told)
    monkeypatch.setattr(scale, "meta_step_of", meta_step)
    monkeypatch.setattr(scale, "fit_of", lambda case: lambda: scale.of_fit(case).products * 1e-9)
    rows = rows_of(scale.Scale, "--cases 12 --held-out 3", capsys)
    assert rows["meta-step: error on 3 others, most"] == pytest.approx(0.5, rel=1e-3)
    assert rows["meta-step: error on 3 others, median"] == pytest.approx(0, abs=1e-6)
    assert rows["fit: error on 3 others, most"] == pytest.approx(0, abs=1e-6)
