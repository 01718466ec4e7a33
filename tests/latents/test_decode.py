from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from medfuncta._src.door.allowance import allowing
from medfuncta._src.errors import DataError, LatentSetError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.latents.decode import CHUNK, decode, reconstruct, reconstruct_all
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalHeader, SignalSpec, ValueRange

VOLUME = Grid(
    (6, 5, 4),
    (1.0, 1.2, 2.0),
    np.array([[0, -1.2, 0, 10.0], [1, 0, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]]),
    "mm",
)
GRIDS = {1: Grid((50,), (0.1,), unit="s"), 2: Grid((7, 10)), 3: VOLUME}


def make_run(dim: int, channels: int = 1, omega: float = 20.0) -> Run:
    """An untrained field; a low ``omega`` makes it smooth."""
    config = SirenConfig(
        dim=dim,
        channels=channels,
        layers=4,
        width=16,
        latent_size=8,
        omega_first=omega,
        omega_last=omega,
    )
    network = SirenField(config, torch.Generator().manual_seed(dim))
    return Run(network, Config(field=config), SignalSpec(dim, channels))


def make_latent() -> torch.Tensor:
    return make_latents(1)[0]


def make_latents(count: int) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(1))


def make_header(domain: Domain, channels: int = 1, low: float = -1000) -> SignalHeader:
    shape = domain.shape if isinstance(domain, Grid) else (domain.points,)
    values = np.zeros((*shape, channels), np.float32)
    return Signal.of("a", values, domain, ValueRange(low, 400), "HU", label=1, dtype="int16").header


@pytest.mark.parametrize("dim", GRIDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_decode_is_the_field_at_the_coordinates(dim: int, channels: int) -> None:
    run, latent, grid = make_run(dim, channels), make_latent(), GRIDS[dim]
    with torch.no_grad():
        expected = run.network(torch.from_numpy(grid.coordinates())[None], latent[None])[0].numpy()
    values = decode(run.network, latent, grid)
    assert values.shape == (*grid.shape, channels) and values.dtype == np.float32
    np.testing.assert_allclose(values.reshape(-1, channels), expected, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 7, 120, 10**9])
def test_the_size_of_a_chunk_changes_nothing(chunk: int) -> None:
    run, latent = make_run(3), make_latent()
    np.testing.assert_allclose(
        decode(run.network, latent, VOLUME, chunk=chunk),
        decode(run.network, latent, VOLUME),
        atol=1e-6,
    )
    mine, default = (
        reconstruct(run, latent, make_header(VOLUME), **options)
        for options in ({"chunk": chunk}, {})
    )
    np.testing.assert_allclose(mine.values, default.values, atol=1e-2)


@pytest.mark.parametrize(
    "domain", [*GRIDS.values(), Scatter(np.linspace(0, 1, 11)[:, None], (0.0,), (1.0,))]
)
def test_many_latents_at_once_are_each_alone(domain: Domain) -> None:
    run, latents = make_run(domain.dim, channels=2), make_latents(5)
    alone = [decode(run.network, latent, domain) for latent in latents]
    for several in (latents, latents.double()):
        np.testing.assert_allclose(decode(run.network, several, domain), alone, atol=1e-6)
    for few in (0, 1):
        assert decode(run.network, latents[:few], domain).shape == (few, *alone[0].shape)


def test_signals_of_any_grids_are_reconstructed_in_order_each_as_alone() -> None:
    at_once = 3 * VOLUME.points  # no more than three signals
    run, turned = make_run(3), replace(VOLUME, affine=np.eye(4))
    domains = [
        VOLUME,
        *[replace(VOLUME) for _ in range(4)],
        turned,
        VOLUME,
        VOLUME.with_shape((3, 3, 3)),
        turned,
        turned,
    ]
    headers = [make_header(domain, low=-1000 + 10 * index) for index, domain in enumerate(domains)]
    latents = make_latents(len(domains))
    for targets in (
        None,
        [VOLUME.with_shape((4, 4, 4)) if domain is not turned else turned for domain in domains],
    ):
        several = list(reconstruct_all(run, latents, headers, targets, chunk=at_once))
        alone = [
            reconstruct(run, *each)
            for each in zip(latents, headers, targets or [None] * len(domains), strict=True)
        ]
        assert [signal.domain for signal in several] == [signal.domain for signal in alone]
        for mine, one in zip(several, alone, strict=True):
            np.testing.assert_allclose(mine.values, one.values, atol=1e-2)


def test_small_signals_share_a_chunk_and_large_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    original = SirenField.values_of

    def counting(self: SirenField, latents: torch.Tensor, points: int) -> Any:
        asked.append(len(latents))
        return original(self, latents, points)

    monkeypatch.setattr(SirenField, "values_of", counting)
    small, large = make_header(GRIDS[1]), make_header(Grid((CHUNK // 2 + 1,)))
    list(reconstruct_all(make_run(1), make_latents(7), [small] * 4 + [large] * 2 + [small]))
    assert asked == [4, 1, 1, 1]


def test_memory_is_that_of_the_result_and_one_chunk() -> None:
    run, latent, header = make_run(3), make_latent(), make_header(VOLUME)
    grid = VOLUME.with_shape((64, 64, 64))
    tracemalloc.start()
    try:
        reconstruct(run, latent, header, grid, chunk=2048)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (
        peak < 2 * 4 * grid.points
    )  # float32 values, truth values of being inside and finite, and one chunk


def test_scattered_samples_decode_as_those_of_a_grid() -> None:
    grid = Grid((7, 10), (0.5, 0.25))
    positions = (
        np.stack(np.unravel_index(np.arange(70), grid.shape), axis=-1) + 0.5
    ) * grid.spacing
    scatter = Scatter(positions, (0.0, 0.0), (3.5, 2.5))
    run, latent = make_run(2), make_latent()
    np.testing.assert_allclose(
        decode(run.network, latent, scatter),
        decode(run.network, latent, grid).reshape(70, 1),
        atol=1e-5,
    )
    assert reconstruct(run, latent, make_header(scatter)).values.shape == (70, 1)


def test_a_float64_network_decodes_in_float64() -> None:
    run, latent = make_run(2), make_latent()
    exact = decode(run.network.double(), latent.double(), GRIDS[2])
    np.testing.assert_allclose(
        exact, decode(run.network.float(), latent, GRIDS[2], device="cpu"), atol=1e-5
    )
    assert exact.dtype == np.float32


def test_reconstruction_is_in_physical_units_on_the_own_grid() -> None:
    run, latent, header = make_run(3), make_latent(), make_header(VOLUME)
    signal = reconstruct(run, latent, header)
    np.testing.assert_allclose(
        signal.values, decode(run.network, latent, VOLUME) * 1400 - 1000, rtol=1e-5, atol=1e-2
    )
    assert (signal.domain, signal.unit, signal.label, signal.dtype, signal.mask) == (
        VOLUME,
        "HU",
        1,
        "int16",
        None,
    )


@pytest.mark.parametrize("dim", GRIDS)
def test_three_times_the_resolution_agrees_where_samples_coincide(dim: int) -> None:
    run, latent, header = make_run(dim), make_latent(), make_header(GRIDS[dim])
    grid = GRIDS[dim]
    fine = reconstruct(run, latent, header, grid.with_shape([3 * n for n in grid.shape]))
    middles = fine.values[(slice(1, None, 3),) * dim]
    np.testing.assert_allclose(middles, reconstruct(run, latent, header).values, atol=0.05)
    assert fine.mask is None


def test_twice_the_resolution_of_a_smooth_field_averages_to_the_own() -> None:
    run, latent, header = make_run(3, omega=2.0), make_latent(), make_header(VOLUME)
    fine = reconstruct(run, latent, header, VOLUME.with_shape([2 * n for n in VOLUME.shape])).values
    means = fine.reshape(6, 2, 5, 2, 4, 2, 1).mean(axis=(1, 3, 5))
    own = reconstruct(run, latent, header).values
    assert np.abs(means - own).max() < 0.05 * np.ptp(own)


def test_the_grid_of_another_file_is_met_in_the_world() -> None:
    """The same voxels in another order and with two planes beyond the box."""
    run, latent, header = make_run(3), make_latent(), make_header(VOLUME)
    assert VOLUME.affine is not None
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = (
        VOLUME.shape[0] + 1
    )  # planes 0 and 1 of the other grid are planes 7 and 6 of the own, which has 6
    other = Grid((8, 5, 4), VOLUME.spacing, VOLUME.affine @ flip, "mm")
    signal = reconstruct(run, latent, header, other)
    assert signal.mask is not None and not signal.mask[:2].any() and signal.mask[2:].all()
    np.testing.assert_allclose(
        signal.values[2:], reconstruct(run, latent, header).values[::-1], atol=0.05
    )
    assert (signal.values[:2] == -1000).all()


def test_a_domain_that_does_not_fit_is_refused() -> None:
    run, latent, header = make_run(3), make_latent(), make_header(VOLUME)
    away = Grid((2, 2, 2), (1.0, 1.0, 1.0), np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3) * 1e4, "mm")
    with pytest.raises(DataError, match="wholly outside"):
        reconstruct(run, latent, header, away)
    with pytest.raises(DataError, match="3 dimensions; the domain asked for has 2"):
        reconstruct(run, latent, header, GRIDS[2])
    with pytest.raises(
        LatentSetError, match=r"a latent of shape \(5,\); this field expects \(8,\)"
    ):
        reconstruct(run, torch.zeros(5), header)


def test_a_mistyped_shape_is_refused_and_not_computed_for_hours() -> None:
    run, latent = make_run(1), make_latent()
    asked = {
        "decode": lambda: decode(run.network, latent, Grid((10**9,))),
        "Run.decode": lambda: run.decode(latent, shape=10**9, range=(0, 1)),
        "many": lambda: run.decode(make_latents(2), shape=10**9, range=(0, 1)),
        "a gradient": lambda: run.decode(
            latent.clone().requires_grad_(), shape=10**9, range=(0, 1)
        ),
        "reconstruct": lambda: reconstruct(run, latent, make_header(Grid((10**9,)))),
    }
    for what, ask in asked.items():
        with pytest.raises(DataError, match=r"3.73 GiB .*allowing\(signal_gib=3.8\)"):
            ask()
            raise AssertionError(what)
    few = Scatter(np.linspace(0, 1, 300)[:, None], (0.0,), (1.0,))
    with allowing(signal_gib=1e-6):
        assert decode(run.network, latent, few).shape == (300, 1)  # it is there already
        with pytest.raises(DataError, match="on a grid of"):
            decode(run.network, latent, Grid((300,)))
