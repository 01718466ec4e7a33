from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medfuncta._src.config import FieldConfig
from medfuncta._src.field.finer import FinerConfig
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.table import build_field
from medfuncta._src.latents.onnx import export_onnx
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal import SignalSpec

onnxruntime = pytest.importorskip("onnxruntime")

OURS = SirenConfig(dim=3, channels=2, layers=4, width=8, latent_size=6)
AUTHORS = SirenConfig(
    dim=1,
    layers=5,
    width=8,
    latent_size=6,
    omega_increment=5,
    residual=True,
    shift_first=True,
    output_offset=0.5,
)


FINER = FinerConfig(dim=2, channels=3, layers=4, width=8, latent_size=6, omega_first=3)


@pytest.mark.parametrize("config", [OURS, AUTHORS, FINER], ids=["paper", "authors' code", "finer"])
@torch.no_grad()
def test_the_exported_field_gives_the_same_values_for_any_batch_and_any_points(
    config: FieldConfig, tmp_path: Path
) -> None:
    run = Run(build_field(config), Config(field=config), SignalSpec(config.dim, config.channels))
    export_onnx(run, tmp_path / "field.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "field.onnx")
    generator = torch.Generator().manual_seed(0)
    for batch, points in ((1, 1), (5, 11), (2, 3)):
        coordinates = torch.rand(batch, points, config.dim, generator=generator) * 2 - 1
        latents = 0.1 * torch.randn(batch, 6, generator=generator)
        (values,) = session.run(
            None, {"coordinates": coordinates.numpy(), "latents": latents.numpy()}
        )
        torch.testing.assert_close(
            torch.from_numpy(values), run.network(coordinates, latents), rtol=1e-4, atol=1e-5
        )
    assert session.get_modelmeta().custom_metadata_map == {"fingerprint": run.fingerprint}
