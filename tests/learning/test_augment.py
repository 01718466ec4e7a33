"""Changes of training signals: what they keep, what they are a function of, and what they leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medfuncta._src.config import TrainConfig
from medfuncta._src.errors import ConfigError
from medfuncta._src.learning.augment import AUGMENTATIONS, augmented_points
from medfuncta._src.learning.train import train_network
from medfuncta._src.presets import preset
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

SQUARE = Grid((8, 8), spacing=(1.0, 1.0))


def signals_on(*domains: Domain, channels: int = 2) -> SignalSet:
    draws = np.random.default_rng(0)
    signals = []
    for number, domain in enumerate(domains):
        values = draws.random((*domain.shape, channels), np.float32)
        signals.append(Signal.of(f"s{number}", values, domain, ValueRange(0, 1)))
    return SignalSet.collect(SignalSpec(domains[0].dim, channels), signals)


@pytest.mark.parametrize("names", [("flip",), ("rotate90",), ("flip", "rotate90")])
def test_flips_and_turns_move_whole_points(names: tuple[str, ...]) -> None:
    signals = signals_on(SQUARE, SQUARE)
    before = signals.points([0, 1]).values
    seen = set()
    for step in range(40):
        after = augmented_points(signals, [0, 1], names, step, seed=0).values
        for row in range(2):
            assert torch.equal(after[row].unique(dim=0), before[row].unique(dim=0))
        seen.add(after[0].numpy().tobytes())
    assert len(seen) == {1: 4, 2: 8}[len(names)]


def test_turns_keep_axes_of_unlike_length_or_spacing() -> None:
    for grid in (Grid((8, 6), spacing=(1.0, 1.0)), Grid((8, 8), spacing=(1.0, 2.0)), Grid((9,))):
        values = np.random.default_rng(0).random((*grid.shape, 1))
        for seed in range(8):
            draws = np.random.default_rng(seed)
            assert np.array_equal(AUGMENTATIONS["rotate90"](values, grid, draws), values)


@pytest.mark.parametrize("shape", [(187,), (40, 50), (20, 24, 16)])
def test_bends_are_smooth_and_small(shape: tuple[int, ...]) -> None:
    grid = Grid(shape)
    place = (np.arange(shape[0]) + 0.5) / shape[0]
    ramp = np.broadcast_to(place.reshape(-1, *[1] * len(shape)), (*shape, 1))
    for seed in range(10):
        moved = AUGMENTATIONS["elastic"](ramp, grid, np.random.default_rng(seed))
        difference = np.abs(moved - ramp)
        assert moved.shape == ramp.shape
        assert 1e-4 < difference.max() < 0.2
        assert np.abs(np.diff(moved, axis=0)).max() < 3 / shape[0]


def test_draws_follow_from_step_and_seed() -> None:
    signals = signals_on(SQUARE, SQUARE, SQUARE)

    def drawn(step: int, seed: int) -> torch.Tensor:
        return augmented_points(signals, [2, 0], ("elastic",), step, seed).values

    assert torch.equal(drawn(3, 1), drawn(3, 1))
    assert not torch.equal(drawn(3, 1), drawn(4, 1))
    assert not torch.equal(drawn(3, 1), drawn(3, 2))


def test_signals_with_gaps_and_scattered_ones_are_left() -> None:
    gaps = signals_on(SQUARE, SQUARE)
    observed = np.ones(len(gaps.values), bool)
    observed[3] = False
    gaps = replace(gaps, observed=observed)
    changed = augmented_points(gaps, [0, 1], ("elastic", "flip"), 0, 0)
    plain = gaps.points([0, 1])
    assert torch.equal(changed.values[0], plain.values[0])
    assert not torch.equal(changed.values[1], plain.values[1])
    scattered = signals_on(Scatter(np.random.default_rng(0).random((9, 2)), (0.0,) * 2, (1.0,) * 2))
    assert torch.equal(
        augmented_points(scattered, [0], ("elastic",), 0, 0).values, scattered.points([0]).values
    )


def test_signals_of_several_sizes_keep_their_places() -> None:
    signals = signals_on(SQUARE, Grid((5, 6), spacing=(1.0, 1.0)))
    plain = signals.points([0, 1])
    changed = augmented_points(signals, [0, 1], ("flip",), 1, 0)
    assert torch.equal(changed.coordinates, plain.coordinates)
    assert torch.equal(changed.weights, plain.weights)
    assert torch.equal(changed.values[1, 30:], plain.values[1, 30:])
    assert torch.equal(changed.values[1, :30].unique(), plain.values[1, :30].unique())


def test_an_unknown_one_is_named_before_anything_is_written(tmp_path: Path) -> None:
    signals = signals_on(*[Grid((16,))] * 4, channels=1)
    config = preset("components-1d")
    config = replace(
        config,
        field=replace(config.field, latent_size=4),
        train=replace(config.train, steps=1, batch=2, augment=("elastc",)),
    )
    with pytest.raises(ConfigError, match=r"'elastc' in setting 'train.augment'; .*'elastic'"):
        train_network(signals, signals, tmp_path / "run", config)
    assert not (tmp_path / "run").exists()


def test_none_is_the_default() -> None:
    assert TrainConfig().augment == ()
