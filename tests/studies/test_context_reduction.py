from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.signals.points import Points
from medfuncta._src.studies.context_reduction import STUDY, most_important, pruned_contexts
from medfuncta._src.studies.meta_gradients import drawn
from medfuncta._src.studies.outcome import CONFIRMED
from studies.toy import FIELD, begun_toy, outcome_of, toy_plan


def scores_of(field: SirenField, latents: torch.Tensor, points: Points) -> torch.Tensor:
    """The norm of the last layer's gradient at each point, by autograd."""
    norms = torch.zeros(points.batch, points.count, dtype=torch.float64)
    for signal in range(points.batch):
        for point in range(points.count):
            one = points.signals(signal, signal + 1).chunk(point, point + 1)
            with torch.enable_grad():
                error = field(one.coordinates, latents[signal : signal + 1]) - one.values
                found = torch.autograd.grad(error.square().sum(), list(field.last.parameters()))
            norms[signal, point] = sum(part.square().sum() for part in found).sqrt()
    return norms


def test_the_points_kept_are_those_of_the_largest_gradient_of_the_last_layer() -> None:
    generator = torch.Generator().manual_seed(0)
    field = SirenField(FIELD, generator).double()
    points = Points(
        torch.rand(1, 20, 2, generator=generator).double(),
        torch.rand(2, 20, 1, generator=generator).double(),
        torch.full((2, 20), 0.05).double(),
    )
    latents = torch.randn(2, 8, generator=generator).double()
    found = most_important(field, latents, points, 0.25)
    assert found is not None
    expected = scores_of(field, latents, points).topk(5, dim=1).indices.sort(dim=1).values
    assert found.tolist() == expected.tolist()
    assert most_important(field, latents, points, 1.0) is None


def test_points_that_were_not_observed_are_not_kept() -> None:
    field = SirenField(FIELD)
    weights = torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    points = Points(torch.rand(1, 4, 2), 100 * torch.ones(1, 4, 1), weights)
    found = most_important(field, field.zero_latents(1), points, 0.5)
    assert found is not None and found.tolist() == [[2, 3]]


def test_pruned_contexts_follow_the_latent(tmp_path: Path) -> None:
    state, signals, config = begun_toy(toy_plan(tmp_path), context_ratio=0.25, inner_steps=3)
    batch = drawn(state, signals, config)
    contexts = pruned_contexts(state.field, batch, config)
    assert [None if index is None else tuple(index.shape) for index in contexts] == [(2, 36)] * 3


@pytest.mark.parametrize("claim", ["memory falls with gamma"])
def test_what_must_hold_is_confirmed_at_any_size(claim: str, tmp_path: Path) -> None:
    found = outcome_of(STUDY, toy_plan(tmp_path))
    assert {one.claim: one.verdict for one in found.claims}[claim] == CONFIRMED
