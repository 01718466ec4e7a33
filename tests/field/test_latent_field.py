from __future__ import annotations

import math

import pytest
import torch

from medfuncta._src.errors import ConfigError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.omega import omegas
from medfuncta._src.presets import PRESETS


def count(config: SirenConfig) -> int:
    return sum(p.numel() for p in SirenField(config).parameters())


def test_the_papers_2d_field_has_its_number_of_parameters() -> None:
    assert count(PRESETS["paper-2d"].field) == 7_675_393


def test_omega_schedules() -> None:
    assert omegas(SirenConfig(layers=5, omega_first=20, omega_last=40)) == (20, 25, 30, 35, 40)
    assert omegas(SirenConfig(layers=4, omega_first=10, omega_increment=5)) == (10, 15, 20, 25)
    assert set(omegas(SirenConfig(omega_first=30, omega_last=30))) == {30}


def test_forward_is_the_formula_of_the_paper() -> None:
    config = SirenConfig(
        dim=2, channels=3, layers=4, width=5, latent_size=6, omega_first=2, omega_last=5
    )
    field = SirenField(config).double()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 7, 2, generator=generator).double()
    phi = torch.randn(2, 6, generator=generator).double()
    p = dict(field.named_parameters())
    h = torch.sin(2 * (x @ p["layers.0.linear.weight"].T + p["layers.0.linear.bias"]))
    for k, w in ((1, 3.0), (2, 4.0)):
        shift = phi @ p[f"layers.{k}.shift.weight"].T + p[f"layers.{k}.shift.bias"]
        h = torch.sin(
            w
            * (h @ p[f"layers.{k}.linear.weight"].T + p[f"layers.{k}.linear.bias"] + shift[:, None])
        )
    expected = h @ p["last.weight"].T + p["last.bias"]
    torch.testing.assert_close(field(x, phi), expected)


def test_initial_weights_keep_to_their_bounds_and_fill_them() -> None:
    config = SirenConfig(dim=2, layers=5, width=64, latent_size=32, omega_first=20, omega_last=60)
    field = SirenField(config)
    bounds = {
        "layers.0.linear": 1 / 2,
        "layers.2.linear": math.sqrt(6 / 64) / 40,
        "last": math.sqrt(6 / 64) / 60,
    }
    parameters = dict(field.named_parameters())
    for name, bound in bounds.items():
        largest = parameters[f"{name}.weight"].abs().max().item()
        assert 0.9 * bound < largest <= bound


@pytest.mark.parametrize("latent_size", [6, 16, 40])
def test_orthogonal_shift_maps_keep_their_size_and_leave_all_else(latent_size: int) -> None:
    config = SirenConfig(dim=1, layers=4, width=16, latent_size=latent_size)
    before, field = SirenField(config), SirenField(config)
    field.orthogonalise_shifts(torch.Generator().manual_seed(3))
    for (name, old), new in zip(before.named_parameters(), field.parameters(), strict=True):
        if name.endswith("shift.weight"):
            singular = torch.linalg.svdvals(new)
            torch.testing.assert_close(singular, singular[:1].expand_as(singular))
            torch.testing.assert_close(new.norm(), old.norm())
        else:
            assert torch.equal(new, old)


def test_initialisation_follows_the_generator() -> None:
    config = SirenConfig(width=8, latent_size=4, layers=3)
    a, b, c = (
        SirenField(config, torch.Generator().manual_seed(seed)).last.weight for seed in (1, 1, 2)
    )
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("change", [{"layers": 2}, {"width": 0}, {"dim": 4}, {"omega_first": -1.0}])
def test_impossible_sizes_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        SirenConfig(**change)  # type: ignore[arg-type]


def test_a_shared_grid_equals_repeated_coordinates() -> None:
    field = SirenField(
        SirenConfig(dim=1, layers=4, width=8, latent_size=3, omega_first=5, omega_last=9)
    )
    generator = torch.Generator().manual_seed(0)
    x, phi = torch.rand(1, 9, 1, generator=generator), torch.randn(4, 3, generator=generator)
    torch.testing.assert_close(field(x, phi), field(x.expand(4, -1, -1), phi))
