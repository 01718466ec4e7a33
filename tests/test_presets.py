from __future__ import annotations

import pytest
import torch

from medfuncta._src.errors import ConfigError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.table import build_field
from medfuncta._src.presets import PRESETS, fitted_to, preset, preset_for
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal import SignalSpec

TABLE_6 = {
    "paper-1d": (8, 64, 64, 64, 1.0, 20, 200),
    "paper-2d": (15, 256, 2048, 24, 0.25, 20, 400),
    "paper-2d-128": (15, 256, 8192, 8, 0.25, 30, 300),
    "paper-2d-224": (15, 256, 16384, 4, 0.10, 30, 300),
    "paper-3d": (15, 256, 8192, 4, 0.25, 20, 300),
}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_its_field(name: str) -> None:
    config = PRESETS[name]
    with torch.device("meta"):
        field = build_field(config.field)
        latents = torch.zeros(2, config.field.latent_size)
        values = field(torch.zeros(1, 5, config.field.dim), latents)
    assert values.shape == (2, 5, config.field.channels)
    assert Config.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("name", TABLE_6)
def test_the_papers_presets_are_its_table(name: str) -> None:
    config = PRESETS[name]
    field, train = config.field, config.train
    assert isinstance(field, SirenConfig)
    got = (
        field.layers,
        field.width,
        field.latent_size,
        train.batch,
        train.context_ratio,
        field.omega_first,
        field.omega_last,
    )
    assert got == TABLE_6[name]
    assert (train.steps, train.inner_steps, train.learning_rate, train.schedule) == (
        250_000,
        10,
        3e-6,
        "cosine",
    )
    assert (
        config.inner.step_size,
        config.inner.momentum,
        config.inner.channel_mean,
        config.fit.steps,
    ) == (1e-2, 0, False, 20)
    assert not (field.residual or field.shift_first or field.omega_increment or field.output_offset)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_every_dimension_has_a_preset_of_its_own(dim: int) -> None:
    spec = SignalSpec(dim, 3)
    config = fitted_to(preset(preset_for(spec)), spec)
    assert (config.field.dim, config.field.channels) == (dim, 3)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'paper-2d'"):
        preset("paper2d")


def test_a_preset_of_another_dimension_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"settings for 2D signals, but the data is 3D; take one of: .*volume"
    ):
        fitted_to(preset("image"), SignalSpec(3, 1))
