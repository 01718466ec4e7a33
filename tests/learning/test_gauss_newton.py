from __future__ import annotations

import pytest
import torch
from torch.func import jacrev, vmap
from torch.testing import assert_close
from unrolled import make_field, make_points

from medfuncta._src.field.functional import FunctionalObjective
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.learning.gauss_newton import (
    DiagonalEquations,
    FieldLeastSquares,
    FullEquations,
)

SHARED = {"width": 8, "layers": 4, "omega_first": 3.0, "omega_last": 5.0}
# 16 shifts (24 where the first layer has one too) for latents that are smaller and larger
FIELDS = {
    "small latent": SirenConfig(dim=2, channels=3, latent_size=5, residual=True, **SHARED),  # type: ignore[arg-type]
    "large latent": SirenConfig(dim=1, channels=2, latent_size=20, **SHARED),  # type: ignore[arg-type]
    "first layer shifted": SirenConfig(
        dim=3, channels=1, latent_size=5, shift_first=True, output_offset=0.5, **SHARED
    ),  # type: ignore[arg-type]
}


@pytest.fixture(params=FIELDS.values(), ids=list(FIELDS))
def config(request: pytest.FixtureRequest) -> SirenConfig:
    return request.param


def latents_for(config: SirenConfig) -> torch.Tensor:
    return 0.2 * torch.randn(
        3, config.latent_size, generator=torch.Generator().manual_seed(4), dtype=torch.float64
    )


@pytest.mark.parametrize("channel_mean", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_equations_are_those_of_the_jacobian_by_autograd(
    config: SirenConfig, shared: bool, channel_mean: bool
) -> None:
    field, points, latents = (
        make_field(config),
        make_points(config, shared=shared),
        latents_for(config),
    )
    problem = FieldLeastSquares(
        SirenObjective(field.folded(), channel_mean=channel_mean), field.config.latent_size
    )
    got = problem.at(latents, points)

    def weighted_values(
        latent: torch.Tensor, coordinates: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        return (
            field(coordinates[None], latent[None])[0]
            * (weights / (config.channels if channel_mean else 1)).sqrt()[:, None]
        )

    places = points.coordinates.expand(3, -1, -1)
    jacobian = vmap(jacrev(weighted_values))(latents, places, points.weights).flatten(1, 2).detach()
    lift = problem.to_latents(
        torch.eye(problem.unknowns, dtype=torch.float64)
    )  # a row of latent changes for each unknown
    reduced = jacobian @ lift.T
    objective = FunctionalObjective(field, channel_mean=channel_mean).inner_gradient(
        latents, points
    )
    assert_close(got.losses, objective.losses)
    assert_close(got.gradient, objective.gradient @ lift.T / 2)
    assert_close(got.matrix, reduced.mT @ reduced)


def test_unknowns_are_the_fewer_of_latent_entries_and_shifts() -> None:
    assert [
        FieldLeastSquares(SirenObjective(make_field(config).folded()), config.latent_size).unknowns
        for config in FIELDS.values()
    ] == [5, 16, 5]


def test_a_change_of_shifts_is_met_by_the_smallest_latent() -> None:
    config = FIELDS["large latent"]
    objective = SirenObjective(make_field(config).folded())
    change = torch.randn(2, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert_close(
        FieldLeastSquares(objective, config.latent_size).to_latents(change),
        change @ torch.linalg.pinv(objective.latent_map).T,
    )


def test_chunks_change_nothing(config: SirenConfig) -> None:
    field, points, latents = make_field(config), make_points(config), latents_for(config)
    whole = FieldLeastSquares(SirenObjective(field.folded()), field.config.latent_size).at(
        latents, points
    )
    objective = SirenObjective(field.folded())
    parts = FieldLeastSquares(objective, config.latent_size, chunk=2).at(latents, points)
    assert_close(parts.matrix, whole.matrix)
    assert_close(parts.gradient, whole.gradient)
    assert_close(parts.losses, whole.losses)


def test_one_latent_that_all_signals_share_is_as_good_as_copies_of_it(config: SirenConfig) -> None:
    field, points = make_field(config), make_points(config)
    problem, shared = (
        FieldLeastSquares(SirenObjective(field.folded()), field.config.latent_size),
        field.zero_latents(points.batch),
    )
    assert shared.stride(0) == 0
    got, expected = problem.at(shared, points), problem.at(shared.clone().contiguous(), points)
    assert_close(got.matrix, expected.matrix)
    assert_close(got.gradient, expected.gradient)


def test_the_field_is_left_as_it_was(config: SirenConfig) -> None:
    field = make_field(config)
    found = FieldLeastSquares(SirenObjective(field.folded()), field.config.latent_size).at(
        latents_for(config), make_points(config)
    )
    assert all(
        parameter.grad is None and parameter.requires_grad for parameter in field.parameters()
    )
    assert not found.matrix.requires_grad and not found.losses.requires_grad


def test_the_fall_that_is_predicted_is_that_of_a_linear_problem() -> None:
    generator = torch.Generator().manual_seed(0)
    jacobian = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64)
    residuals = torch.randn(2, 7, generator=generator, dtype=torch.float64)
    change = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    losses = residuals.square().sum(1)
    gradient = torch.einsum("bpu,bp->bu", jacobian, residuals)
    matrix = jacobian.mT @ jacobian
    after = residuals + torch.einsum("bpu,bu->bp", jacobian, change)
    full = FullEquations(losses, gradient, matrix)
    assert_close(full.predicted_fall(change), losses - after.square().sum(1))
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    only_diagonal = DiagonalEquations(losses, gradient, diagonal)
    expected = FullEquations(losses, gradient, torch.diag_embed(diagonal))
    assert_close(only_diagonal.predicted_fall(change), expected.predicted_fall(change))
    damping = torch.tensor([0.1, 2.0], dtype=torch.float64)
    assert_close(only_diagonal.solve(damping), expected.solve(damping))
