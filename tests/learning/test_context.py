from __future__ import annotations

import pytest
import torch

from medfuncta._src.config import TrainConfig
from medfuncta._src.learning.context import context_points, draw_context
from medfuncta._src.signals.points import Points


def make_points(counts: list[int]) -> Points:
    longest = max(counts)
    weights = torch.tensor([[1 / n] * n + [0.0] * (longest - n) for n in counts])
    return Points(
        torch.linspace(-1, 1, longest).view(1, -1, 1), torch.rand(len(counts), longest, 1), weights
    )


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_each_signal_draws_its_own_part_without_repeats(kind: str) -> None:
    points = make_points([40, 20, 8])
    index = draw_context(
        points, TrainConfig(context_ratio=0.25, context=kind), torch.Generator().manual_seed(0)
    )
    assert index is not None
    context = context_points(points, index)
    for row, count in enumerate([10, 5, 2]):
        drawn = index[row][context.weights[row] > 0]
        assert len(drawn) == len(set(drawn.tolist())) == count
    torch.testing.assert_close(context.weights.sum(1), torch.ones(3))


def test_stratified_contexts_take_one_point_of_each_stretch() -> None:
    points = make_points([40])
    index = draw_context(
        points,
        TrainConfig(context_ratio=0.25, context="stratified"),
        torch.Generator().manual_seed(0),
    )
    assert index is not None
    assert (index[0] // 4).tolist() == list(range(10))


def test_stretches_of_a_large_volume_share_no_point() -> None:
    index = draw_context(
        make_points([2**19]),
        TrainConfig(context_ratio=0.5, context="stratified"),
        torch.Generator().manual_seed(0),
    )
    assert index is not None
    assert torch.equal(index[0] // 2, torch.arange(2**18))


def test_fresh_draws_differ_between_steps_and_signals() -> None:
    points = make_points([40, 40])
    generator = torch.Generator().manual_seed(0)
    first, second = (
        draw_context(points, TrainConfig(context_ratio=0.5), generator) for _ in range(2)
    )
    assert first is not None and second is not None
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


def test_a_ratio_of_one_takes_everything() -> None:
    points = make_points([5])
    index = draw_context(points, TrainConfig(context_ratio=1.0), torch.Generator())
    assert context_points(points, index) is points
