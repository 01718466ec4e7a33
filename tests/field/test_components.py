"""A field of components: reading off a grid, the start in closed form, and what it is fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from medfuncta._src.config import FitConfig, InnerConfig
from medfuncta._src.errors import ConfigError
from medfuncta._src.field.components.config import ComponentsConfig, fitted_to
from medfuncta._src.field.components.field import ComponentsField
from medfuncta._src.field.components.interpolation import Interpolation, NodeGrid, read
from medfuncta._src.field.table import build_field
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

INNER = InnerConfig(0.4, momentum=0.5)


def nodes_of(grid: NodeGrid, batch: int = 2, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (batch, channels, *grid.nodes)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def coordinates_of(grid: Grid) -> torch.Tensor:
    return torch.from_numpy(grid.coordinates()).double().unsqueeze(0)


@pytest.mark.parametrize("shape", [(7,), (4, 6), (3, 4, 5)])
def test_values_at_nodes_are_those_of_the_nodes(shape: tuple[int, ...]) -> None:
    domain = Grid(shape, spacing=(1.0,) * len(shape))
    grid = NodeGrid(shape, domain.half_sides)
    nodes = nodes_of(grid)
    coordinates = coordinates_of(domain)
    expected = nodes.flatten(2).mT
    assert torch.equal(Interpolation(grid, coordinates).read(nodes), expected)
    for_each = coordinates.expand(2, -1, -1)  # tap by tap
    assert_close(Interpolation(grid, for_each).read(nodes), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_lines_are_read_exactly_between_the_nodes(dim: int) -> None:
    grid = NodeGrid((9,) * dim, (1.0,) * dim)
    axes = torch.meshgrid(*[grid.axis(a, dtype=torch.float64) for a in range(dim)], indexing="ij")
    line = sum((a + 1) * axis for a, axis in enumerate(axes))
    within = torch.rand(1, 40, dim, generator=torch.Generator().manual_seed(1)).double() - 0.5
    expected = sum((a + 1) * within[0, :, a] for a in range(dim))
    assert isinstance(line, torch.Tensor)
    assert_close(Interpolation(grid, within).read(line[None, None])[0, :, 0], expected)


def test_signals_of_several_sizes_are_read_alike_by_axes_and_by_taps() -> None:
    grid = NodeGrid((6, 7, 5), (1.0, 0.9, 0.8))
    domains = [Grid((4, 6, 3), spacing=(1.0, 1.0, 1.3)), Grid((6, 5, 7), spacing=(1.0, 1.0, 1.0))]
    longest = max(domain.points for domain in domains)
    coordinates = torch.zeros(2, longest, 3, dtype=torch.float64)  # the shorter one is padded
    for row, domain in enumerate(domains):
        coordinates[row, : domain.points] = coordinates_of(domain)[0]
    nodes = nodes_of(grid)
    by_axes = Interpolation(grid, coordinates)
    mixed = coordinates.flip(1)  # no longer in the order of a grid
    by_taps = Interpolation(grid, mixed)
    values = by_axes.read(nodes)
    assert_close(values, by_taps.read(nodes).flip(1), atol=1e-6, rtol=1e-6)
    assert_close(by_axes.spread(values), by_taps.spread(values.flip(1)), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 6, 3), (6, 7, 5)])
def test_one_signal_of_several_sizes_is_read_by_axes_with_its_padding(
    shape: tuple[int, ...],
) -> None:
    """A part of a batch is often one signal, whose coordinates look like those of all."""
    domain = Grid(shape)
    grid = NodeGrid((6, 7, 5), domain.half_sides)
    coordinates = torch.zeros(1, domain.points + 9, 3, dtype=torch.float64)
    coordinates[0, : domain.points] = coordinates_of(domain)[0]
    nodes = nodes_of(grid)
    by_axes = Interpolation(grid, coordinates)
    by_taps = Interpolation(grid, coordinates.flip(1))
    assert by_axes.by_axes
    assert not by_axes.on_nodes
    assert not by_taps.by_axes
    values = by_axes.read(nodes)
    assert_close(values, by_taps.read(nodes).flip(1), atol=1e-6, rtol=1e-6)
    assert_close(by_axes.spread(values), by_taps.spread(values.flip(1)), atol=1e-6, rtol=1e-6)


def test_points_of_a_finer_grid_are_read_alike_by_axes_and_by_taps() -> None:
    grid = NodeGrid((5, 6), (1.0, 0.8))
    nodes = nodes_of(grid)
    finer = coordinates_of(Grid((11, 17)))
    by_axes = Interpolation(grid, finer).read(nodes)
    assert_close(Interpolation(grid, finer.expand(2, -1, -1)).read(nodes), by_axes)


@pytest.mark.parametrize("batch", [1, 2])
def test_reading_and_its_transpose_are_each_others_derivative(batch: int) -> None:
    grid = NodeGrid((4, 5), (1.0, 0.9))
    generator = torch.Generator().manual_seed(2)
    coordinates = torch.rand(batch, 7, 2, generator=generator, dtype=torch.float64) * 2 - 1
    interpolation = Interpolation(grid, coordinates)
    nodes = nodes_of(grid, channels=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda n: read(interpolation, n), nodes)
    assert torch.autograd.gradgradcheck(lambda n: read(interpolation, n).square(), nodes)


def bumps(count: int = 40, domain: Domain | None = None, dim: int = 1) -> SignalSet:
    """Signals of four degrees of freedom."""
    domain = domain or Grid((24,) * dim)
    place = domain.coordinates().sum(1)
    generator = np.random.default_rng(0)
    signals = []
    for number in range(count):
        amplitude = generator.normal(size=4) * 0.08
        waves = [a * np.cos((k + 1) * place + k) for k, a in enumerate(amplitude)]
        values = 0.5 + sum(waves)
        shaped = np.asarray(values, np.float32).reshape(*domain.shape, 1)
        signals.append(Signal.of(f"s{number}", shaped, domain, ValueRange(0, 1)))
    return SignalSet.collect(SignalSpec(domain.dim, 1), signals)


def started(signals: SignalSet, latent_size: int, **settings: object) -> ComponentsField:
    spec = signals.spec
    config = ComponentsConfig(
        dim=spec.dim,
        channels=spec.channels,
        latent_size=latent_size,
        **settings,  # type: ignore[arg-type]
    )
    field = build_field(fitted_to(config, signals))
    assert isinstance(field, ComponentsField)
    field.learn_start(signals, torch.Generator().manual_seed(0))
    return field


def test_it_starts_with_the_principal_components() -> None:
    signals = bumps()
    field = started(signals, 4)
    flat = field.components.detach().flatten(1)
    assert_close(flat @ flat.T, torch.eye(4), atol=1e-4, rtol=0)
    errors = Fitter(field, INNER, FitConfig(steps=3, batch=8)).fit(signals).errors
    variance = float(signals.values.var())
    assert float(errors.mean()) < 0.01 * variance


def test_the_projection_is_the_least_squares_latent_at_once() -> None:
    signals = bumps()
    field = started(signals, 3)
    points = signals.points(range(5))
    first = field.initial_latents(points).detach()
    values = field.linear_values(torch.zeros_like(first)).flatten(2).mT.detach()
    basis = field.linear_values(torch.eye(3)).flatten(2).detach()
    basis = basis[:, 0] - values[0, :, 0]
    wanted = torch.linalg.lstsq(basis.T, (points.values - values)[..., 0].T).solution.T
    assert_close(first, wanted, atol=1e-4, rtol=1e-3)


def with_weights(points: Points, weights: torch.Tensor) -> Points:
    return replace(points, weights=weights / weights.sum(1, keepdim=True))


def test_a_signal_with_gaps_starts_at_its_most_probable_latent() -> None:
    signals = bumps()
    field = started(signals, 6)
    points = signals.points(range(5))
    seen = torch.ones_like(points.weights)
    seen[0, 6:12] = 0
    seen[1, ::2] = 0
    points = with_weights(points, seen)
    found = field.initial_latents(points).detach()
    mean = field.linear_values(torch.zeros(1, 6)).flatten(2)[0, 0].detach()
    basis = (field.linear_values(torch.eye(6)).flatten(2)[:, 0] - mean).detach().double().T
    for row in range(2):
        share = seen[row].mean()
        weighted = basis * seen[row].double().unsqueeze(1) / len(basis)
        ridge = ((1 - share) * 10 * field.noise / field.variances).double()
        right = weighted.T @ (points.values[row, :, 0] - mean).double()
        wanted = torch.linalg.solve(weighted.T @ basis + torch.diag(ridge), right)
        reached = (basis @ found[row].double() - basis @ wanted).square().mean()
        assert float(reached) < 1e-3 * float((basis @ wanted).square().mean())
    alone = field.initial_latents(points.signals(3, 4))
    assert_close(found[3:4], alone.detach(), atol=1e-6, rtol=0)  # whatever its batch mates miss


def test_a_step_is_as_large_as_the_part_of_the_box_that_was_observed() -> None:
    signals = bumps()
    field = started(signals, 6)
    points = signals.points(range(4))
    objective = field.objective()
    assert objective.step_scale(points) is None
    seen = torch.ones_like(points.weights)
    seen[0, 6:] = 0
    part = with_weights(points, seen)
    scale = objective.step_scale(part)
    assert scale is not None
    assert_close(scale[:, 0], torch.tensor([0.25, 1.0, 1.0, 1.0]))
    large = InnerConfig(0.7, momentum=0.5)  # 4 times that would go up and not down
    first = objective.losses(field.zero_latents(4), part)
    fitted = Fitter(field, large, FitConfig(steps=20, batch=4))(part)
    assert bool((objective.losses(fitted, part) < 0.1 * first).all())


def test_gaps_are_filled_from_what_training_signals_were_like() -> None:
    signals = bumps(60)
    field = started(signals.subset(range(40)), 6)
    unseen = signals.subset(range(40, 60)).points(range(20))
    seen = torch.ones_like(unseen.weights)
    seen[:, 10:14] = 0
    latents = field.initial_latents(with_weights(unseen, seen))
    values = field(unseen.coordinates, latents).detach()
    missed = (values - unseen.values)[:, 10:14].square().mean()
    assert float(missed) < 0.25 * float(unseen.values[:, 10:14].var())


def test_fewer_signals_than_numbers_leave_room_for_the_lowest_cosines() -> None:
    field = started(bumps(3), 12)
    flat = field.components.detach().flatten(1)
    assert_close(flat @ flat.T, torch.eye(12), atol=1e-3, rtol=0)


def test_missing_samples_and_scattered_points_do_not_spoil_the_start() -> None:
    signals = bumps()
    seen = np.ones(len(signals.values), bool)
    seen[5::24] = False
    gaps = replace(signals, observed=seen)
    for some in (gaps, bumps(domain=Scatter(np.linspace(0, 1, 30)[:, None], (0.0,), (1.0,)))):
        field = started(some, 4)
        assert all(bool(parameter.isfinite().all()) for parameter in field.parameters())
        errors = Fitter(field, INNER, FitConfig(steps=10, batch=8)).fit(some).errors
        assert float(errors.mean()) < 0.2 * float(signals.values.var())


def test_grid_and_box_are_those_of_the_data() -> None:
    image = Grid((20, 10), spacing=(1.0, 1.0))
    config = fitted_to(ComponentsConfig(latent_size=8), bumps(2, image))
    assert config.grid == (20, 10) and config.half_sides == (1.0, 0.5)
    small = fitted_to(ComponentsConfig(latent_size=8, most_nodes=6), bumps(2, image))
    assert small.grid == (6, 6)
    chosen = ComponentsConfig(latent_size=8, grid=(5, 5), half_sides=(1.0, 1.0))
    assert fitted_to(chosen, bumps(2, image)) == chosen
    with pytest.raises(ConfigError, match=r"'field.half_sides' is .*; the signals reach to"):
        fitted_to(replace(chosen, half_sides=(1.0, 0.3)), bumps(2, image))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"grid": (8,)}, r"'field.grid' has 1 numbers; expected 2"),
        ({"half_sides": (1.0, 1.0, 1.0)}, r"'field.half_sides' has 3 numbers; expected 2"),
        ({"kernel": 4}, r"'field.kernel' is 4; expected an odd number"),
        ({"grid": (4, 4), "latent_size": 17}, r"'field.latent_size' is 17; .* of 16 numbers"),
        ({"grid": (1, 4)}, r"field.grid"),
        ({"half_sides": (0.0, 1.0)}, r"field.half_sides"),
        ({"grid": (4096, 4096)}, r"a field on 4096 x 4096 nodes .* expected at most 67,108,864"),
        ({"dim": 3, "grid": (512,) * 3, "squeeze": 16, "modes": 2, "width": 1}, "nodes with 4"),
        ({"grid": (4096,), "dim": 1, "width": 1024, "layers": 20}, "layers of width 1024"),
        ({"grid": (256, 256), "kernel": 31}, "kernel 31"),
        ({"kernel": 99}, r"field.kernel"),
        ({"layers": 100}, r"field.layers"),
        ({"width": 4096}, r"field.width"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ComponentsConfig(**{"latent_size": 8, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize(("dim", "shape"), [(1, (13,)), (2, (7, 9)), (3, (5, 6, 7))])
@pytest.mark.parametrize("squeeze", [1, 2, 4])
def test_the_refinement_keeps_the_grid(dim: int, shape: tuple[int, ...], squeeze: int) -> None:
    config = ComponentsConfig(
        dim=dim, channels=2, latent_size=3, grid=shape, squeeze=squeeze, width=4, layers=3
    )
    field = build_field(config)
    assert isinstance(field, ComponentsField)
    values = torch.rand(2, 2, *shape)
    assert not field.refinement(values).any()  # it starts at 0
    squeezed = field.refinement._squeezed(values)
    unsqueezed = field.refinement._unsqueezed(squeezed)
    whole = tuple(slice(0, nodes) for nodes in shape)
    assert torch.equal(unsqueezed[(slice(None), slice(None), *whole)], values)
    assert field.refinement.features(values).shape == (2, 4, *shape)


def test_heads_have_features_at_any_point() -> None:
    field = started(bumps(), 4, width=6)
    features = field.features(torch.rand(1, 9, 1), torch.zeros(2, 4))
    assert features.shape == (2, 9, 6)


@pytest.mark.parametrize("moved", [0.0, 0.3, 1.0])
def test_where_points_are_missing_components_need_not_be_orthonormal(moved: float) -> None:
    """Training moves them."""
    signals = bumps()
    field = started(signals, 6)
    noise = torch.randn(field.components.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        field.components += moved * noise * field.components.norm() / noise.norm()
        field.variances.fill_(1.0)
        field.noise.fill_(0.005)
        points = signals.points(range(5))
        points.weights[:, 8:12] = 0
        points.weights.div_(points.weights.sum(1, keepdim=True))
        found = field.initial_latents(points)
        mean = field.linear_values(torch.zeros(1, 6))
        basis = (field.linear_values(torch.eye(6)) - mean).flatten(1)
        deviations = points.values[..., 0] - mean.flatten(1)
        seen = points.weights * 20 / 24
        ridge = (4 / 24) * 10 * 0.005 * torch.eye(6)
        wanted = []
        for row in range(5):
            matrix = (basis * seen[row]) @ basis.T + ridge
            wanted.append(torch.linalg.solve(matrix, basis @ (seen[row] * deviations[row])))
    assert_close(found, torch.stack(wanted), atol=2e-3, rtol=0.02)
