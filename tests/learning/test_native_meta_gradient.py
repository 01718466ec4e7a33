"""With the layers in C the meta-gradient is what it is with PyTorch's operations."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from unrolled import draw, make_field, make_points, relative_error

from medfuncta._src.config import InnerConfig
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.native import native_library
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.learning.meta_gradient import meta_gradient

PAPER = SirenConfig(
    dim=2, channels=2, layers=5, width=19, latent_size=5, omega_first=3, omega_last=6
)
FIELDS = {
    "paper": PAPER,
    "residual": replace(PAPER, residual=True),
    "authors": replace(PAPER, residual=True, shift_first=True),
}

pytestmark = pytest.mark.skipif(
    native_library(torch.device("cpu"), torch.float32) is None, reason="no C compiler here"
)


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("shared", [True, False])
def test_the_meta_gradient_is_the_same(kind: str, shared: bool) -> None:
    field = make_field(FIELDS[kind])
    points = make_points(field.config, batch=4, count=70, shared=shared)
    contexts, inner = draw(points, 3, 1.0 if shared else 0.5), InnerConfig(0.1, momentum=0.5)
    exact = meta_gradient(
        SirenObjective(field.folded()), field.zero_latents(4), points, contexts, inner
    ).gradients
    field, points = field.float(), points.to(dtype=torch.float32)
    for kept_points in (
        0,
        40,
        10**6,
    ):  # of one signal; 40 are a chunk of the last step, and not its other chunks
        objective = SirenObjective(field.folded(), chunk=32)
        memory = kept_points * objective.tape_bytes(1)
        got = meta_gradient(
            objective, field.zero_latents(4), points, contexts, inner, memory=memory, workers=1
        ).gradients
        assert (
            relative_error({name: g.double() for name, g in got.items()}, list(exact.values()))
            < 2e-5
        )


def test_a_nan_signal_keeps_to_itself() -> None:
    field, points = make_field(PAPER).float(), make_points(PAPER).to(dtype=torch.float32)
    clean, spoiled = (SirenObjective(field.folded()) for _ in range(2))
    expected = meta_gradient(clean, field.zero_latents(3), points, [None] * 3, InnerConfig(0.1))
    points.values[1, 4, 0] = torch.nan
    got = meta_gradient(spoiled, field.zero_latents(3), points, [None] * 3, InnerConfig(0.1))
    assert torch.isnan(got.latents[1]).all()
    assert torch.equal(got.latents[[0, 2]], expected.latents[[0, 2]])
