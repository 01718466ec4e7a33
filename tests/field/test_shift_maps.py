"""Products with the shift maps, whether they are small enough to be copied or not."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close
from unrolled import make_field

from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.shift_maps import ShiftMaps

CONFIG = SirenConfig(
    dim=2, channels=1, layers=5, width=7, latent_size=4, omega_first=2, omega_last=8
)


@pytest.mark.parametrize("small", [0, 10**6])
def test_shifts_follow_latents_and_their_gradients_come_back(
    small: int,
) -> None:
    layers = make_field(CONFIG).siren_layers
    maps = ShiftMaps(make_field(CONFIG).folded().shift_maps, small=small)
    latents = torch.randn(
        3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    shifts = torch.cat(
        [
            layer.omega * latents @ layer.shift.weight.T
            for layer in layers
            if layer.shift is not None
        ],
        dim=1,
    )
    assert maps.shape == (21, 4)
    assert_close(maps.shifts(latents.detach()), shifts.detach())
    assert_close(maps.matrix() @ latents.detach().T, shifts.detach().T)
    of_shifts = torch.randn(3, 21, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert_close(maps.to_latents(of_shifts), torch.autograd.grad(shifts, latents, of_shifts)[0])
