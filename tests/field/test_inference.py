"""The field without derivatives gives what its forward pass gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from medfuncta._src.field.siren import native
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField

PAPER = SirenConfig(
    dim=2, channels=3, layers=5, width=19, latent_size=5, omega_first=3, omega_last=6
)
FIELDS = {
    "paper": PAPER,
    "residual": replace(PAPER, residual=True),
    "authors": replace(PAPER, residual=True, shift_first=True),
}


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("switch", ["1", "0"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", FIELDS)
def test_values_are_those_of_the_field(
    kind: str, shared: bool, dtype: torch.dtype, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In C where there is a compiler, and by PyTorch; a chunk holds 7 of the 50 points."""
    monkeypatch.setenv(native.SWITCH, switch)
    network = SirenField(FIELDS[kind]).to(dtype)
    coordinates, latents = (
        draw(1 if shared else 3, 50, 2, seed=1).to(dtype),
        draw(3, 5, seed=2).to(dtype),
    )
    expected = network(coordinates, latents)
    got = network.values_of(latents, 50, chunk=7 * 3 * 19, worth=0)(coordinates)
    assert got.dtype == dtype and not got.requires_grad
    torch.testing.assert_close(got, expected.detach(), rtol=1e-5, atol=1e-5)


def test_no_points_give_no_values() -> None:
    network = SirenField(PAPER)
    assert network.values_of(network.zero_latents(2), 0)(torch.zeros(1, 0, 2)).shape[1:] == (0, 3)
