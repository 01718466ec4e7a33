"""What was not observed of a signal, filled in before its latent is fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from field.test_components import INNER, bumps
from medfuncta._src.config import FitConfig, Quality, TrainConfig
from medfuncta._src.errors import ConfigError
from medfuncta._src.field.components.completion import Completion, drawn_gaps, filled_between
from medfuncta._src.field.components.config import ComponentsConfig, fitted_to
from medfuncta._src.field.components.field import ComponentsField
from medfuncta._src.field.table import build_field
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.learning.train import train_network
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

SHAPES = ((20,), (8, 9), (5, 6, 7))


def slope(nodes: tuple[int, ...]) -> Tensor:
    """``[1, 1, *nodes]``, another line along each axis."""
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in nodes], indexing="ij")
    total = torch.zeros(nodes)
    for number, axis in enumerate(axes):
        total = total + (number + 1) * axis
    return total[None, None]


@pytest.mark.parametrize("nodes", SHAPES)
def test_gaps_in_lines_are_filled_with_the_line(nodes: tuple[int, ...]) -> None:
    values = slope(nodes)
    gaps = torch.zeros(values.shape, dtype=torch.bool)
    gaps[:, :, 2:4] = True
    filled, distance = filled_between(torch.where(gaps, torch.nan, values).nan_to_num(9.0), ~gaps)
    assert_close(filled, values)
    assert torch.equal(distance > 0, gaps)


@pytest.mark.parametrize("nodes", SHAPES)
def test_everything_is_reached_from_a_single_node(nodes: tuple[int, ...]) -> None:
    known = torch.zeros(1, 1, *nodes, dtype=torch.bool)
    known[(0, 0, *[1] * len(nodes))] = True
    filled, _ = filled_between(torch.where(known, 0.7, 0.0), known)
    assert_close(filled, torch.full_like(filled, 0.7))


def test_what_was_observed_of_the_others_changes_nothing_for_a_signal() -> None:
    nodes = (6, 7)
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(3, 2, *nodes, generator=generator)
    known = torch.rand(3, 1, *nodes, generator=generator) < 0.6
    together, _ = filled_between(values, known)
    for row in range(3):
        alone, _ = filled_between(values[row : row + 1], known[row : row + 1])
        assert_close(alone, together[row : row + 1])


@pytest.mark.parametrize("nodes", [(2,), (187,), (2, 3), (9, 10, 11)])
def test_drawn_gaps_leave_something_and_take_something(nodes: tuple[int, ...]) -> None:
    gaps = drawn_gaps(60, nodes, torch.Generator().manual_seed(0))
    assert gaps.shape == (60, 1, *nodes)
    shares = gaps.float().flatten(1).mean(1)
    assert 0.2 < float(shares.mean()) < 0.6
    if len(nodes) == 1 and nodes[0] > 100:
        assert float(shares.min()) > 0 and float(shares.max()) < 0.8
    again = drawn_gaps(60, nodes, torch.Generator().manual_seed(0))
    assert torch.equal(gaps, again)


def with_gaps(signals: SignalSet, start: int, stop: int) -> SignalSet:
    """These samples of every signal were not observed."""
    points = signals.headers[0].domain.points
    observed = np.ones((len(signals), points), bool)
    observed[:, start:stop] = False
    return replace(signals, observed=observed.reshape(-1))


def completing(signals: SignalSet, **settings: object) -> ComponentsConfig:
    spec = signals.spec
    sizes = {"latent_size": 4, "completion": 3, "width": 8, "kernel": 5, **settings}
    config = ComponentsConfig(dim=spec.dim, channels=spec.channels, **sizes)  # type: ignore[arg-type]
    return fitted_to(config, signals)


def test_complete_signals_are_left_as_they_are() -> None:
    signals = bumps()
    field = build_field(completing(signals))
    points = signals.points(range(4))
    assert field.completed(points) is points


def test_without_a_completion_missing_points_stay_missing() -> None:
    signals = with_gaps(bumps(), 8, 14)
    field = build_field(completing(signals, completion=0))
    points = signals.points(range(4))
    assert field.completed(points) is points
    assert field.side_loss(points, torch.Generator()) is None


def test_missing_points_are_told_and_the_observed_ones_kept() -> None:
    signals = with_gaps(bumps(), 8, 14)
    field = build_field(completing(signals))
    points = signals.points(range(4))
    points.values[:, 8:14] = 1e3  # whatever stands there
    told = field.completed(points)
    seen = points.weights[0] > 0
    assert torch.equal(told.values[:, seen], points.values[:, seen])
    ends = points.values[:, [7, 14], 0]
    low, high = ends.amin(1, keepdim=True), ends.amax(1, keepdim=True)
    inside = told.values[:, 8:14, 0]
    assert bool(((inside >= low - 1e-5) & (inside <= high + 1e-5)).all())
    assert_close(told.weights, torch.full_like(told.weights, 1 / 24))


def test_the_padding_of_shorter_signals_is_left_alone() -> None:
    field = build_field(completing(bumps()))
    coordinates = torch.zeros(2, 6, 1)
    coordinates[0, :, 0] = torch.linspace(-0.9, 0.9, 6)
    coordinates[1, :3, 0] = torch.tensor([-0.5, 0.1, 0.5])
    weights = torch.tensor([[0.2, 0.2, 0.0, 0.2, 0.2, 0.2], [0.5, 0.0, 0.5, 0.0, 0.0, 0.0]])
    told = field.completed(Points(coordinates, torch.rand(2, 6, 1), weights))
    assert_close(told.weights[0], torch.full((6,), 1 / 6))
    assert_close(told.weights[1], torch.tensor([1, 1, 1, 0, 0, 0]) / 3)


def test_no_signal_is_lost_that_was_never_observed() -> None:
    field = build_field(completing(bumps()))
    points = bumps(3).points(range(3))
    points.weights[1] = 0
    assert bool(field.completed(points).values.isfinite().all())
    loss = field.side_loss(points, torch.Generator().manual_seed(0))
    assert loss is not None and bool(loss.isfinite())


@pytest.mark.parametrize("dim", [1, 2])
def test_training_learns_to_fill_gaps(tmp_path: Path, dim: int) -> None:
    signals = bumps(32, Grid((24,) if dim == 1 else (10, 12)))
    train = TrainConfig(
        steps=60, batch=16, inner_steps=1, learning_rate=1e-2, warmup=5, validate_every=60
    )
    config = Config(completing(signals), INNER, train, FitConfig(steps=6, batch=8))
    out = train_network(signals, signals, tmp_path, config)
    field = Run.load(tmp_path).network
    assert isinstance(field, ComponentsField) and isinstance(field.completion, Completion)
    points = signals.points(range(32))
    untrained = build_field(out.run.config.field)
    losses = []
    for one in (untrained, field):
        loss = one.side_loss(points, torch.Generator().manual_seed(1))
        assert loss is not None
        losses.append(float(loss.detach()))
    assert losses[1] < losses[0] - 0.2


def walks(count: int, shape: tuple[int, ...]) -> SignalSet:
    """Random walks along every axis, of which a few numbers say little."""
    generator = np.random.default_rng(0)
    domain, signals = Grid(shape), []
    for number in range(count):
        steps = generator.normal(size=shape) * 0.05
        for axis in range(len(shape)):
            steps = steps.cumsum(axis)
        values = np.asarray(0.5 + steps - steps.mean(), np.float32)[..., None]
        signals.append(Signal.of(f"w{number}", values, domain, ValueRange(0, 1)))
    return SignalSet.collect(SignalSpec(len(shape), 1), signals)


@pytest.mark.parametrize("quality", ["fast", "paper", "best"])
def test_a_fit_follows_what_was_told_of_a_gap(quality: Quality) -> None:
    signals = walks(48, (24,))
    field = build_field(completing(signals, latent_size=16))
    field.learn_start(signals, torch.Generator().manual_seed(0))
    without = field.copied()
    assert isinstance(without, ComponentsField)
    without.completion = None
    gaps = with_gaps(signals, 8, 14)
    told = field.completed(gaps.points(range(48)))
    off = []
    for one in (field, without):
        latents = Fitter(one, INNER, FitConfig(steps=6, batch=8, quality=quality)).fit(gaps).latents
        values = one(told.coordinates, latents).detach()
        off.append(float((values - told.values)[:, 8:14].square().mean()))
    assert off[0] < 0.3 * off[1]


def test_the_meta_gradient_of_the_rest_is_what_it_was() -> None:
    """Parameters of the completion have no part in the values of a latent."""
    signals = bumps()
    with_it = build_field(completing(signals))
    latents = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    coordinates = signals.points(range(3)).coordinates
    values = with_it(coordinates, latents)
    names, parameters = zip(*with_it.named_parameters(), strict=True)
    found = torch.autograd.grad(values.sum(), parameters, allow_unused=True)
    unused = [name for name, gradient in zip(names, found, strict=True) if gradient is None]
    assert unused and all(name.startswith("completion.") for name in unused)


def test_one_convolution_is_none() -> None:
    with pytest.raises(ConfigError, match=r"'field.completion' is 1; expected 0 for none"):
        ComponentsConfig(completion=1, latent_size=8)
