"""The passes in C do what PyTorch's operations do; without a compiler nothing fails."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from unrolled import draw, make_field, make_points, relative_error

from medfuncta.config import FieldConfig, InnerConfig
from medfuncta.learning import native
from medfuncta.learning.meta_gradient import meta_gradient
from medfuncta.learning.native import EAGER, NativePasses, native_passes, passes_for
from medfuncta.learning.passes import Passes
from medfuncta.learning.siren_objective import SirenObjective

CPU = torch.device("cpu")
PAPER = FieldConfig(dim=2, channels=2, layers=5, width=19, latent_size=5, omega_first=3, omega_last=6)
FIELDS = {"paper": PAPER, "residual": replace(PAPER, residual=True), "authors": replace(PAPER, residual=True, shift_first=True)}


@pytest.fixture
def passes() -> NativePasses:
    found = native_passes()
    if found is None:
        pytest.skip("no C compiler here")
    return found


def array(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def wave_of_zero_offset(passes: Passes, phases: Tensor) -> tuple[Tensor, Tensor]:
    sine, cosine = passes.wave(phases.reshape(1, 1, -1).clone(), torch.zeros(1, 1, phases.numel()), None)
    return sine.flatten(), cosine.flatten()


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0, 1e5])
def test_sine_and_cosine_are_good_to_a_float(passes: NativePasses, scale: float) -> None:
    phases = (torch.rand(10_000, generator=torch.Generator().manual_seed(0)) * 2 - 1) * scale
    sine, cosine = wave_of_zero_offset(passes, phases)
    assert (sine - phases.double().sin()).abs().max() < 1.2e-7
    assert (cosine - phases.double().cos()).abs().max() < 1.2e-7


def test_phases_without_an_answer_are_nan_and_absurd_ones_stay_bounded(passes: NativePasses) -> None:
    sine, cosine = wave_of_zero_offset(passes, torch.tensor([torch.nan, torch.inf, -torch.inf, 1e20, -1e9]))
    assert sine[:3].isnan().all() and cosine[:3].isnan().all()
    assert (sine[3:].abs() <= 1.001).all() and (cosine[3:].abs() <= 1.001).all()


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("shared", ["nothing", "signals", "points"])
def test_every_pass_is_that_of_pytorch(passes: NativePasses, shared: str, residual: bool) -> None:
    """70 points: sums over points are added up in blocks of 32."""
    batch, points, width = 3, 70, 19
    rows = 1 if shared == "signals" else batch
    below = array(rows, points, width, seed=1) if residual else None
    offset, cosine = array(batch, 1, width, seed=2), array(rows, points, width, seed=3)
    phase = array(batch, 1 if shared == "points" else points, width, seed=4)
    descent, tangent, above = (array(batch, points, width, seed=seed) for seed in (5, 6, 7))
    results = []
    for these in (passes, EAGER):
        totals = torch.ones(batch, 2, width)  # as in use: a layer's row of a larger array
        results.append(
            [
                *these.wave(array(rows, points, width), offset, below),
                *these.swing(array(batch, points, width), offset, cosine, below),
                these.slope(descent, cosine, totals[:, 0]),
                *these.adjoint(tangent, cosine, descent, phase.clone(), above, below, totals[:, 1]),
                totals,
            ]
        )
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("shared", [True, False])
def test_the_meta_gradient_is_the_same(passes: NativePasses, kind: str, shared: bool) -> None:
    field = make_field(FIELDS[kind])
    points = make_points(field.config, batch=4, count=70, shared=shared)
    contexts, inner = draw(points, 3, 1.0 if shared else 0.5), InnerConfig(0.1, momentum=0.5)
    exact = meta_gradient(SirenObjective(field), field.zero_latents(4), points, contexts, inner).gradients
    field, points = field.float(), points.to(dtype=torch.float32)
    for memory in (0, 2**28):
        objective = SirenObjective(field, passes=passes, chunk=32)
        got = meta_gradient(objective, field.zero_latents(4), points, contexts, inner, memory=memory).gradients
        assert relative_error({name: g.double() for name, g in got.items()}, list(exact.values())) < 2e-5


def test_a_nan_signal_keeps_to_itself(passes: NativePasses) -> None:
    field, points = make_field(PAPER).float(), make_points(PAPER).to(dtype=torch.float32)
    clean, spoiled = (SirenObjective(field, passes=passes) for _ in range(2))
    expected = meta_gradient(clean, field.zero_latents(3), points, [None] * 3, InnerConfig(0.1))
    points.values[1, 4, 0] = torch.nan
    got = meta_gradient(spoiled, field.zero_latents(3), points, [None] * 3, InnerConfig(0.1))
    assert torch.isnan(got.latents[1]).all()
    assert torch.equal(got.latents[[0, 2]], expected.latents[[0, 2]])


def test_they_are_chosen_for_float32_on_the_cpu_only(passes: NativePasses, monkeypatch: pytest.MonkeyPatch) -> None:
    assert passes_for(CPU, torch.float32) is passes
    assert passes_for(CPU, torch.float64) is EAGER
    assert passes_for(torch.device("meta"), torch.float32) is EAGER
    monkeypatch.setenv(native.SWITCH, "0")
    assert passes_for(CPU, torch.float32) is EAGER


def failing_compiler(folder: Path) -> Path:
    compiler = folder / "cc"
    compiler.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    compiler.chmod(0o755)
    return compiler


@pytest.mark.parametrize("compiler", ["absent", "failing"])
def test_without_a_compiler_pytorch_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str) -> None:
    found = str(failing_compiler(tmp_path)) if compiler == "failing" else None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(native.shutil, "which", lambda name: found)
    assert native_passes.__wrapped__() is None
    assert not list(tmp_path.rglob("*.so"))


def test_they_are_compiled_once(passes: NativePasses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del passes
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native_passes.__wrapped__() is not None
    (library,) = tmp_path.rglob("*.so")
    written = library.stat().st_mtime_ns
    assert native_passes.__wrapped__() is not None
    assert library.stat().st_mtime_ns == written
    ctypes.CDLL(str(library))
