"""Memory of a meta-step: that of one inner step on one chunk of one signal, whatever G, the
resolution and the batch are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from peak_memory import peak_bytes
from torch import Tensor
from unrolled import draw, make_field, make_points, reference

from medfuncta._src.config import InnerConfig
from medfuncta._src.field.functional import FunctionalObjective
from medfuncta._src.field.objective import Objective
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.signals.points import Points

FIELD = make_field(
    SirenConfig(dim=2, layers=4, width=8, latent_size=2, omega_first=3, omega_last=6)
)
INNER = InnerConfig(0.1)
CHUNK = 512
OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "siren": lambda: SirenObjective(FIELD.folded(), chunk=CHUNK),
    "functional": lambda: FunctionalObjective(FIELD, chunk=CHUNK),
}


def peak(
    kind: str,
    *,
    steps: int = 5,
    points: int = CHUNK,
    batch: int = 1,
    ratio: float = 1.0,
    memory: int = 0,
) -> int:
    """Of one meta-step; ``unrolled`` keeps autograd's graph of the whole inner loop."""
    targets = make_points(FIELD.config, batch, points, shared=True)
    contexts = draw(targets, steps, ratio)
    if kind == "unrolled":
        return peak_bytes(lambda: reference(FIELD, targets, contexts, INNER))
    start = FIELD.zero_latents(batch)
    # One worker: the count sees its own thread only.
    return peak_bytes(
        lambda: meta_gradient(
            OBJECTIVES[kind](), start, targets, contexts, INNER, memory=memory, workers=1
        )
    )


def growth_with_inner_steps(kind: str, few: int = 5, many: int = 40, ratio: float = 1.0) -> float:
    return peak(kind, steps=many, ratio=ratio) / peak(kind, steps=few, ratio=ratio)


def growth_with_points(kind: str) -> float:
    return peak(kind, points=16 * CHUNK, steps=2) / peak(kind, points=2 * CHUNK, steps=2)


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_does_not_grow_with_inner_steps(ratio: float) -> None:
    assert growth_with_inner_steps("siren", ratio=ratio) < 1.05


def test_the_functional_form_does_not_grow_either() -> None:
    assert growth_with_inner_steps("functional", few=2, many=12) < 1.05


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_grows_with_points_only_up_to_the_chunk(kind: str) -> None:
    assert growth_with_points(kind) < 1.05
    assert peak(kind, points=CHUNK, steps=2) > 1.5 * peak(kind, points=CHUNK // 4, steps=2)


def test_does_not_grow_with_the_batch() -> None:
    assert peak("siren", batch=8, steps=2) < 1.05 * peak("siren", steps=2)


def test_a_stored_graph_fails_these_checks() -> None:
    assert growth_with_inner_steps("unrolled") > 5
    assert growth_with_points("unrolled") > 5


@pytest.mark.parametrize(
    ("batch", "room", "sizes"), [(64, 5, {4}), (16, 8, {8}), (16, 16, {16}), (7, 3, {2, 3})]
)
def test_groups_are_of_one_size_where_that_takes_few_more(
    monkeypatch: pytest.MonkeyPatch, batch: int, room: int, sizes: set[int]
) -> None:
    """A budget for some signals of a batch."""
    targets = make_points(FIELD.config, batch, 3, shared=True)
    objective, seen = SirenObjective(FIELD.folded()), []
    original = objective.outer_gradient

    def counting(latents: Tensor, points: Points, *rest: Any) -> Any:
        seen.append(points.batch)
        return original(latents, points, *rest)

    monkeypatch.setattr(objective, "outer_gradient", counting)
    budget = room * objective.tape_bytes(5 * 3)
    meta_gradient(
        objective, FIELD.zero_latents(batch), targets, [None] * 5, INNER, memory=budget, workers=1
    )
    assert set(seen) == sizes and sum(seen) == batch


def test_kept_activations_stay_within_their_budget() -> None:
    """A budget for two signals of four: their activations are there, and no more than that."""
    budget = 2 * 5 * (OBJECTIVES["siren"]().tape_bytes(CHUNK) or 0)
    kept = peak("siren", batch=4, memory=budget)
    assert peak("siren", batch=4) < 0.5 * kept
    assert kept < budget + 2 * peak("siren", batch=4)
