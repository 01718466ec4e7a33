from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from training_data import TINY

from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.omega import omegas
from medfuncta._src.learning.optimiser import WeightAverage, apply_gradients, make_optimisers

RATE = 1e-3
MATRICES = {f"layers.{k}.{kind}.weight" for k in (1, 2) for kind in ("linear", "shift")}


def network(latent_size: int = 8) -> SirenField:
    return SirenField(replace(TINY.field, latent_size=latent_size))


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_every_parameter_has_one_optimiser(optimiser: str) -> None:
    field = network()
    optimisers = make_optimisers(field, replace(TINY.train, optimiser=optimiser))
    held = Counter(
        id(p) for each in optimisers for group in each.param_groups for p in group["params"]
    )
    assert held == Counter(id(p) for p in field.parameters())


def test_muon_has_the_hidden_matrices_only() -> None:
    field = network()
    adam, muon = make_optimisers(field, replace(TINY.train, optimiser="muon"))
    taken = {id(p) for group in muon.param_groups for p in group["params"]}
    assert {name for name, p in field.named_parameters() if id(p) in taken} == MATRICES
    assert isinstance(adam, torch.optim.AdamW) and isinstance(muon, torch.optim.Muon)


@pytest.mark.parametrize("latent_size", [4, 64])
def test_a_muon_step_is_as_large_as_one_of_adam_divided_by_omega(latent_size: int) -> None:
    field = network(latent_size)
    before = {name: p.detach().clone() for name, p in field.named_parameters()}
    optimisers = make_optimisers(field, replace(TINY.train, optimiser="muon", weight_decay=0.0))
    generator = torch.Generator().manual_seed(0)
    gradients = {
        name: torch.randn(p.shape, generator=generator) for name, p in field.named_parameters()
    }
    apply_gradients(field, optimisers, gradients, RATE, 0.0)
    schedule = omegas(field.config)
    for name, parameter in field.named_parameters():
        scale = schedule[0] / schedule[int(name.split(".")[1])] if name in MATRICES else 1.0
        moved = (parameter.detach() - before[name]).square().mean().sqrt()
        assert float(moved) == pytest.approx(RATE * scale, rel=0.3), (
            name
        )  # Muon's singular values are 1 to within 0.3


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    field = network()
    before = {name: p.detach().clone() for name, p in field.named_parameters()}
    optimisers = make_optimisers(field, replace(TINY.train, optimiser="muon"))
    gradients = {name: torch.full_like(p, torch.nan) for name, p in field.named_parameters()}
    assert math.isnan(apply_gradients(field, optimisers, gradients, RATE, 1.0))
    assert all(torch.equal(p, before[name]) for name, p in field.named_parameters())


def test_the_average_forgets_the_start_and_then_has_the_memory_asked_for() -> None:
    network = SirenField(TINY.field)
    average = WeightAverage(network, 0.5)
    bias, expected = network.last.bias, network.last.bias.detach().clone()
    for step, kept in enumerate((2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17, 0.5, 0.5)):
        with torch.no_grad():
            bias.fill_(step)
        average.update(network)
        expected = kept * expected + (1 - kept) * step
    torch.testing.assert_close(average.averaged(network).last.bias.detach(), expected)
    assert float(bias.detach()) == 8


def test_without_a_memory_the_average_is_the_network() -> None:
    network = SirenField(TINY.field)
    average = WeightAverage(network, 0.0)
    average.update(network)
    assert average.averaged(network) is network
