from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medfuncta._src.learning.train import meta_step
from medfuncta._src.studies.meta_gradients import (
    AutoDecoder,
    Gradients,
    by_autograd,
    drawn,
    exact,
    first_order,
    point_losses,
    reptile,
    stored_bytes,
    tape_bytes,
    truncated,
)
from medfuncta._src.studies.plan import Plan
from studies.toy import begun_toy, toy_plan


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return toy_plan(tmp_path_factory.mktemp("images"))


def apart(one: Gradients, other: Gradients) -> float:
    """Relative to the size of the first."""
    distance = sum(float((one[name] - other[name]).square().sum()) for name in one)
    return (distance / sum(float(part.square().sum()) for part in one.values())) ** 0.5


@pytest.mark.parametrize("gamma", [1.0, 0.5])
def test_the_exact_gradient_is_that_of_a_stored_graph(plan: Plan, gamma: float) -> None:
    state, signals, config = begun_toy(plan, context_ratio=gamma)
    batch = drawn(state, signals, config)
    found = exact(state.field, batch, config)
    assert apart(found, by_autograd(state.field, batch, config)) < 1e-9
    assert apart(found, first_order(state.field, batch, config)) > 1e-6


def test_truncation_goes_from_first_order_to_exact(plan: Plan) -> None:
    state, signals, config = begun_toy(plan)
    batch = drawn(state, signals, config)
    steps = config.train.inner_steps
    whole = exact(state.field, batch, config)
    errors = [apart(whole, truncated(state.field, batch, config, last=n)) for n in range(steps + 1)]
    assert errors[-1] < 1e-12 and errors == sorted(errors, reverse=True)
    first = first_order(state.field, batch, config)
    assert apart(first, truncated(state.field, batch, config, last=0)) < 1e-12


def test_a_way_without_second_order_stores_no_more_for_more_inner_steps(plan: Plan) -> None:
    sizes = {}
    for steps in (1, 2, 4):
        state, signals, config = begun_toy(plan, inner_steps=steps)
        batch = drawn(state, signals, config)
        sizes[steps] = stored_bytes(state.field, batch, config)
        first = stored_bytes(state.field, batch, config, first=True)
        sizes[steps, "first"] = first
        assert first < sizes[steps]
    assert sizes[1, "first"] == sizes[4, "first"]
    assert (sizes[4] - sizes[2]) == pytest.approx(2 * (sizes[2] - sizes[1]), rel=0.05)


def test_memory_grows_with_gamma(plan: Plan) -> None:
    stored, kept = [], []
    for gamma in (0.1, 0.25, 0.5, 0.75, 1.0):
        state, signals, config = begun_toy(plan, context_ratio=gamma)
        batch = drawn(state, signals, config)
        stored.append(stored_bytes(state.field, batch, config))
        kept.append(tape_bytes(state.field, batch, config))
    assert stored == sorted(stored) and stored[0] < 0.5 * stored[-1]
    assert kept == sorted(kept) and kept[0] < 0.2 * kept[-1]


def test_reptile_with_one_inner_step_is_the_gradient_at_the_start(plan: Plan) -> None:
    state, signals, config = begun_toy(plan, inner_steps=1)
    field = state.field
    batch = drawn(state, signals, config)
    with torch.enable_grad():
        loss = point_losses(field, batch.initial, batch.points, config.inner).mean()
        expected = torch.autograd.grad(loss, list(field.parameters()), allow_unused=True)
    caught: list[Gradients] = []
    state.optimisers = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "medfuncta._src.studies.meta_gradients.apply",
            lambda state, found, config: caught.append(found),
        )
        reptile(state, signals, config, inner_rate=1e-2)
    for found, wanted in zip(caught[0].values(), expected, strict=True):
        torch.testing.assert_close(found, torch.zeros_like(found) if wanted is None else wanted)


def test_an_auto_decoder_moves_the_latents_of_its_batch_only(plan: Plan) -> None:
    state, signals, config = begun_toy(plan, dtype="float32")
    decoder = AutoDecoder(len(signals), 8, rate=1e-2)
    before = decoder._latents.weight.detach().clone()
    indices = drawn(state, signals, config).indices
    weights = [parameter.detach().clone() for parameter in state.field.parameters()]
    decoder(state, signals, config)
    moved = (decoder._latents.weight != before).any(dim=1).nonzero().flatten().tolist()
    assert moved == sorted(indices)
    assert any((p != w).any() for p, w in zip(state.field.parameters(), weights, strict=True))
    assert state.progress.step == 1


def test_the_exact_way_is_the_products_meta_step(plan: Plan) -> None:
    from medfuncta._src.studies.meta_gradient import _step_of

    one, signals, config = begun_toy(plan)
    other, _, _ = begun_toy(plan)
    step = _step_of("exact")
    for _ in range(2):
        meta_step(one, signals, config)
        step(other, signals, config)
    for own, theirs in zip(one.field.parameters(), other.field.parameters(), strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-9, atol=1e-12)


def test_plans_have_a_seed_of_their_own(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path, seeds=(0, 1))
    first, second = (plan.training(seed, plan.source("x-rays")) for seed in plan.seeds)
    assert first != second
