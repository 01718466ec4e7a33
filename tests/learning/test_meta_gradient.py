"""The meta-gradient is exact: against a hand unroll, central differences and a closed form; a
first-order gradient is not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from unrolled import draw, make_field, make_points, reference, relative_error, unrolled_loss

from medfuncta._src.config import InnerConfig
from medfuncta._src.field.functional import FunctionalObjective
from medfuncta._src.field.objective import Objective
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.signals.points import Points

SMALL = SirenConfig(
    dim=2, channels=2, layers=5, width=6, latent_size=5, omega_first=3, omega_last=6
)
VARIANTS = {
    "paper": SMALL,
    "residual": SirenConfig(**{**SMALL.__dict__, "residual": True}),
    "authors": SirenConfig(
        **{
            **SMALL.__dict__,
            "residual": True,
            "shift_first": True,
            "output_offset": 0.5,
            "omega_increment": 1.0,
        }
    ),
    "three layers": SirenConfig(
        dim=1, channels=1, layers=3, width=4, latent_size=3, omega_first=2, omega_last=4
    ),
    "volume": SirenConfig(
        dim=3, channels=1, layers=4, width=5, latent_size=4, omega_first=2, omega_last=4
    ),
}


def objectives(field: SirenField, inner: InnerConfig) -> dict[str, Objective]:
    return {
        "functional": FunctionalObjective(field, channel_mean=inner.channel_mean, chunk=7),
        "siren": SirenObjective(field.folded(), channel_mean=inner.channel_mean, chunk=7),
        "siren, whole": SirenObjective(field.folded(), channel_mean=inner.channel_mean),
    }


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["functional", "siren", "siren, whole"])
@pytest.mark.parametrize(
    "inner",
    [InnerConfig(0.3), InnerConfig(0.2, momentum=0.5, channel_mean=True)],
    ids=["sgd", "momentum"],
)
def test_equals_autograd_through_the_unrolled_loop(
    variant: str, kind: str, inner: InnerConfig
) -> None:
    field = make_field(VARIANTS[variant])
    points = make_points(field.config, shared=variant == "paper")
    contexts = draw(points, steps=4)
    expected = reference(field, points, contexts, inner)
    for memory in (0, 2**28):
        got = meta_gradient(
            objectives(field, inner)[kind],
            field.zero_latents(3),
            points,
            contexts,
            inner,
            memory=memory,
        )
        assert list(got.gradients) == [name for name, _ in field.named_parameters()]
        assert relative_error(got.gradients, expected) < 1e-9
    assert got.latents.shape == (3, field.config.latent_size)


def test_a_first_order_gradient_is_not_the_gradient() -> None:
    field, inner = make_field(SMALL), InnerConfig(0.3)
    points = make_points(SMALL)
    contexts = draw(points, steps=4)
    got = meta_gradient(
        FunctionalObjective(field), field.zero_latents(3), points, contexts, inner, first_order=True
    )
    assert relative_error(got.gradients, reference(field, points, contexts, inner)) > 1e-3


@pytest.mark.parametrize("kind", ["functional", "siren"])
def test_equals_central_differences(kind: str) -> None:
    """Step 1e-5: truncation ~ step^2, rounding ~ 1e-16 / step, both near 1e-10 of the loss."""
    field, inner = make_field(SMALL), InnerConfig(0.3, momentum=0.3)
    points = make_points(SMALL)
    contexts = draw(points, steps=3)
    got = meta_gradient(
        objectives(field, inner)[kind], field.zero_latents(3), points, contexts, inner
    ).gradients
    generator = torch.Generator().manual_seed(3)
    direction = {
        name: torch.randn(p.shape, generator=generator, dtype=p.dtype)
        for name, p in field.named_parameters()
    }

    def loss(step: float) -> float:
        moved = {name: p.detach() + step * direction[name] for name, p in field.named_parameters()}
        return unrolled_loss(field, moved, points, contexts, inner, SMALL.latent_size).item()

    difference = (loss(1e-5) - loss(-1e-5)) / 2e-5
    derivative = sum(float((got[name] * direction[name]).sum()) for name in got)
    assert derivative == pytest.approx(difference, rel=1e-6)


class ScaledLatent(nn.Module):
    """f = a z + b, whose one-step meta-gradient is known in closed form."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, coordinates: Tensor, latents: Tensor) -> Tensor:
        return (self.a * latents + self.b).unsqueeze(1).expand(-1, coordinates.shape[1], -1)


@pytest.mark.parametrize("first_order", [False, True])
def test_closed_form(first_order: bool) -> None:
    a, b, target, alpha = 0.7, 0.2, 0.9, 0.1
    points = Points(
        torch.zeros(1, 1, 1).double(),
        torch.full((1, 1, 1), target, dtype=torch.float64),
        torch.ones(1, 1).double(),
    )
    objective = FunctionalObjective(ScaledLatent(a, b))
    got = meta_gradient(
        objective,
        torch.zeros(1, 1).double(),
        points,
        [None],
        InnerConfig(alpha),
        first_order=first_order,
    ).gradients
    shrink = 1 - 2 * alpha * a**2
    exact_a = float(got["a"]) == pytest.approx(
        -8 * alpha * a * (b - target) ** 2 * shrink, rel=1e-12
    )
    exact_b = float(got["b"]) == pytest.approx(2 * (b - target) * shrink**2, rel=1e-12)
    assert (exact_a, exact_b) == ((False, False) if first_order else (True, True))


def test_every_parameter_gets_a_gradient() -> None:
    for config in VARIANTS.values():
        field = make_field(config)
        points = make_points(config)
        gradients = meta_gradient(
            SirenObjective(field.folded()),
            field.zero_latents(3),
            points,
            draw(points, 2),
            InnerConfig(0.3),
        ).gradients
        for name, gradient in gradients.items():
            assert float(gradient.abs().max()) > 0, name


def test_batch_group_chunk_and_budget_change_rounding_only() -> None:
    field = make_field(SMALL).float()
    points = make_points(SMALL, batch=5).to(dtype=torch.float32)
    contexts = draw(points, 3)
    results = [
        meta_gradient(
            SirenObjective(field.folded(), chunk=chunk),
            field.zero_latents(5),
            points,
            contexts,
            InnerConfig(0.1),
            memory=memory,
            workers=workers,
        )
        for chunk in (3, 1000)
        for memory in (0, 4_000, 2**28)
        for workers in (1, 2)
    ]
    for other in results[1:]:
        assert relative_error(other.gradients, list(results[0].gradients.values())) < 1e-5


def test_a_nan_signal_keeps_to_itself() -> None:
    field = make_field(SMALL)
    points = make_points(SMALL)
    clean = meta_gradient(
        SirenObjective(field.folded()), field.zero_latents(3), points, [None] * 3, InnerConfig(0.1)
    )
    points.values[1, 4, 0] = torch.nan
    spoiled = meta_gradient(
        SirenObjective(field.folded()), field.zero_latents(3), points, [None] * 3, InnerConfig(0.1)
    )
    assert torch.isnan(spoiled.latents[1]).all()
    assert torch.equal(spoiled.latents[[0, 2]], clean.latents[[0, 2]])
    assert torch.equal(spoiled.losses[[0, 2]], clean.losses[[0, 2]])


def test_bfloat16_products_stay_near_the_exact_gradient_with_latents_in_float32() -> None:
    config = SirenConfig(dim=2, layers=5, width=64, latent_size=16, omega_first=3, omega_last=6)
    field = make_field(config).float()
    points = make_points(config).to(dtype=torch.float32)
    start, contexts = field.zero_latents(3), draw(points, 3)
    exact = meta_gradient(SirenObjective(field.folded()), start, points, contexts, InnerConfig(0.1))
    rough = meta_gradient(
        SirenObjective(field.folded(), bfloat16=True),
        start,
        points,
        contexts,
        InnerConfig(0.1),
    )
    assert rough.latents.dtype == torch.float32
    assert {gradient.dtype for gradient in rough.gradients.values()} == {torch.float32}
    assert 1e-5 < relative_error(rough.gradients, list(exact.gradients.values())) < 2e-2
