"""The options named after the authors' code give its very numbers; ``tools/golden_values.py`` made
them with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import formula
import pytest
import torch

from medfuncta._src.config import InnerConfig
from medfuncta._src.field.functional import FunctionalObjective
from medfuncta._src.field.objective import Objective
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.learning.adapt import adapt
from medfuncta._src.learning.context import ContextIndex, context_points
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.signals.points import Points

GOLDEN = json.loads((Path(__file__).parent / "reference.json").read_text())
SETTINGS = GOLDEN["settings"]
INNER = InnerConfig(SETTINGS["step_size"], channel_mean=True)
OBJECTIVES: dict[str, Callable[[SirenField], Objective]] = {
    "functional": lambda field: FunctionalObjective(field, channel_mean=True),
    "siren": lambda field: SirenObjective(field.folded(), channel_mean=True),
}
EXACT = {"rtol": 1e-9, "atol": 1e-12}


def make_field(case: dict[str, Any]) -> SirenField:
    sizes = {
        name: SETTINGS[name]
        for name in ("layers", "width", "latent_size", "omega_first", "omega_increment")
    }
    options = {"residual": True, "shift_first": True, "output_offset": 0.5}
    field = SirenField(
        SirenConfig(dim=len(case["shape"]), channels=case["channels"], **sizes, **options)
    ).double()
    shapes = ((name, parameter.shape) for name, parameter in field.named_parameters())
    field.load_state_dict(formula.parameters(shapes, SETTINGS["parameter_scale"]))
    return field


def make_points(case: dict[str, Any]) -> Points:
    values = formula.signal_values(case["batch"], case["shape"], case["channels"]).flatten(1, -2)
    count = prod(case["shape"])
    weights = torch.full((case["batch"], count), 1 / count, dtype=torch.float64)
    return Points(formula.endpoint_coordinates(case["shape"]).unsqueeze(0), values, weights)


def make_contexts(case: dict[str, Any]) -> list[ContextIndex]:
    if case["context_size"] is None:
        return [None] * SETTINGS["inner_steps"]
    steps = range(SETTINGS["inner_steps"])
    drawn = (
        torch.tensor(formula.context(step, prod(case["shape"]), case["context_size"]))
        for step in steps
    )
    return [index.expand(case["batch"], -1) for index in drawn]


def equal(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), **EXACT)


def test_the_file_says_what_made_it() -> None:
    assert len(GOLDEN["origin"]["commit"]) == 40
    assert {len(case["shape"]) for case in GOLDEN["cases"].values()} == {1, 2, 3}


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_forward(name: str) -> None:
    case = GOLDEN["cases"][name]
    latents = formula.latents(case["batch"], SETTINGS["latent_size"])
    with torch.no_grad():
        equal(make_field(case)(make_points(case).coordinates, latents), case["forward"])


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_inner_loop_and_meta_gradient(name: str, kind: str) -> None:
    case = GOLDEN["cases"][name]
    field, points, contexts = make_field(case), make_points(case), make_contexts(case)
    objective = OBJECTIVES[kind](field)
    initial = field.zero_latents(case["batch"])
    steps = adapt(
        objective,
        initial,
        lambda step: context_points(points, contexts[step]),
        len(contexts),
        INNER,
    ).steps
    equal(torch.stack([step.losses for step in steps]), case["inner_losses"])
    result = meta_gradient(objective, initial, points, contexts, INNER)
    equal(result.latents, case["latents"])
    equal(result.losses, case["outer_losses"])
    assert list(result.gradients) == list(case["meta_gradient"])
    for parameter, gradient in result.gradients.items():
        equal(gradient, case["meta_gradient"][parameter])
