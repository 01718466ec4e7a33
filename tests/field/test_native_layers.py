"""The layers in C do what PyTorch's operations do; without a compiler nothing fails."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from medfuncta._src.field.siren import native
from medfuncta._src.field.siren.layers import Layers, TorchLayers
from medfuncta._src.field.siren.native import (
    NativeLibrary,
    Passes,
    load_passes,
    native_library,
    passes_in_use,
)
from medfuncta._src.field.siren.native_layers import NativeLayers
from medfuncta._src.field.siren.native_recipe import (
    abilities_of,
    compile_library,
    flags_of,
    library_name,
)

CPU = torch.device("cpu")


@pytest.fixture
def library() -> NativeLibrary:
    found = native_library(CPU, torch.float32)
    if found is None:
        pytest.skip("no C compiler here")
    return found


def array(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def sine_and_cosine(library: NativeLibrary, phases: Tensor) -> tuple[Tensor, Tensor]:
    """Of one layer that only passes on what it reads."""
    identity = NativeLayers([torch.ones(1, 1)], residual=False, first_shifted=0, library=library)
    activations = identity.forward(phases.reshape(1, -1, 1), [torch.zeros(1, 1, 1)])
    return activations.states[-1].flatten(), activations.cosines[0].flatten()


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0, 1e5])
def test_sine_and_cosine_are_good_to_a_float(library: NativeLibrary, scale: float) -> None:
    phases = (torch.rand(10_000, generator=torch.Generator().manual_seed(0)) * 2 - 1) * scale
    sine, cosine = sine_and_cosine(library, phases)
    assert (sine - phases.double().sin()).abs().max() < 1.2e-7
    assert (cosine - phases.double().cos()).abs().max() < 1.2e-7


def test_phases_without_an_answer_are_nan_and_absurd_ones_stay_bounded(
    library: NativeLibrary,
) -> None:
    sine, cosine = sine_and_cosine(
        library, torch.tensor([torch.nan, torch.inf, -torch.inf, 1e20, -1e9])
    )
    assert sine[:3].isnan().all() and cosine[:3].isnan().all()
    assert (sine[3:].abs() <= 1.001).all() and (cosine[3:].abs() <= 1.001).all()


def everything(
    layers: Layers, *, points: int, shared_points: bool, shared_offsets: bool, known: bool
) -> list[Tensor]:
    """What each pass gives, all of them on the same numbers."""
    batch, first, count, width = (
        3,
        layers.first_shifted,
        len(layers.weights),
        len(layers.weights[0]),
    )
    coordinates = array(1 if shared_points else batch, points, 2, seed=1)
    rows = 1 if shared_offsets else batch
    offsets = [array(rows if k >= first else 1, 1, width, seed=10 + k) for k in range(count)]
    top = layers.forward(coordinates, offsets, keep_products=known)
    last = [state.clone() for state in top.states]
    last += [
        state.clone() for state in layers.forward(coordinates, offsets, with_cosines=False).states
    ]
    activations = layers.forward(
        coordinates, offsets, [product.clone() for product in top.products], all_states=True
    )
    totals, sums = (
        torch.ones(3, batch, count, width),
        [torch.ones_like(weight) for weight in layers.weights],
    )
    kept = layers.backward(activations, array(batch, points, width, seed=2), totals[0], keep=True)
    layers.backward(activations, array(batch, points, width, seed=3), totals[1], weight_sums=sums)
    jacobian = torch.empty(batch, points, (count - first) * width)
    layers.shift_jacobian(activations.cosines, array(batch, points, width, seed=5), jacobian)
    tangents = layers.forward_tangent(
        activations.cosines, [array(batch, 1, width, seed=20 + k) for k in range(first, count)]
    )
    state_tangents = [state.clone() for state in tangents.states]
    layers.backward_tangent(
        activations, kept, tangents, array(batch, points, width, seed=4), totals[2], sums
    )
    return [
        *last,
        *top.products,
        *activations.states,
        *activations.cosines,
        *kept,
        *state_tangents,
        jacobian,
        totals,
        *sums,
    ]


@pytest.mark.parametrize(
    ("width", "points"), [(19, 70), (75, 190)]
)  # less than a tile of a product; several, and parts of one
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("shared_offsets", [True, False])
@pytest.mark.parametrize("shared_points", [True, False])
@pytest.mark.parametrize("first_shifted", [0, 1])
@pytest.mark.parametrize("residual", [True, False])
def test_every_pass_is_that_of_pytorch(
    library: NativeLibrary,
    residual: bool,
    first_shifted: int,
    shared_points: bool,
    shared_offsets: bool,
    known: bool,
    width: int,
    points: int,
) -> None:
    weights = [
        array(width, inputs, seed=30 + k, scale=1.3 / inputs**0.5)
        for k, inputs in enumerate((2, width, width, width))
    ]
    native_ones = NativeLayers(
        weights, residual=residual, first_shifted=first_shifted, library=library
    )
    torch_ones = TorchLayers(weights, residual=residual, first_shifted=first_shifted)
    got, expected = (
        everything(
            layers,
            points=points,
            shared_points=shared_points,
            shared_offsets=shared_offsets,
            known=known,
        )
        for layers in (native_ones, torch_ones)
    )
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(
            mine, theirs, rtol=1e-4, atol=1e-4 * points / 70
        )  # sums over more points round more
        assert (
            mine - theirs
        ).norm() < 2e-6 * theirs.norm()  # an entry that is wrong alone makes it 1e-3


@pytest.mark.parametrize("inputs", [512, 513, 1200])
def test_products_over_many_inputs_are_whole(library: NativeLibrary, inputs: int) -> None:
    coordinates, weight = (
        array(1, 45, inputs, seed=1),
        array(40, inputs, seed=2) / inputs**0.5,
    )  # both with a part of a tile left over
    layers = NativeLayers([weight], residual=False, first_shifted=0, library=library)
    product = layers.forward(coordinates, [torch.zeros(1, 1, 40)], keep_products=True).products[0]
    torch.testing.assert_close(
        product.double(), coordinates.double() @ weight.double().T, rtol=0, atol=5e-6
    )


def test_they_are_chosen_for_float32_on_the_cpu_only(
    library: NativeLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert native_library(CPU, torch.float32) is library
    assert native_library(CPU, torch.float64) is None
    assert native_library(torch.device("meta"), torch.float32) is None
    monkeypatch.setenv(native.SWITCH, "0")
    assert native_library(CPU, torch.float32) is None


def failing_compiler(folder: Path) -> Path:
    compiler = folder / "cc"
    compiler.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    compiler.chmod(0o755)
    return compiler


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Passes]:
    """Loads as a new process does that has nothing compiled yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(native, "INSTALLED", tmp_path / "installed")
    (tmp_path / "installed").mkdir()
    return load_passes.__wrapped__


def test_a_switch_keeps_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.SWITCH, "0")
    assert passes_in_use() == Passes(reason="MEDFUNCTA_NATIVE=0 is set")


@pytest.mark.parametrize(
    ("compiler", "reason"), [("absent", "no C compiler"), ("failing", "compiler does not work")]
)
def test_without_a_compiler_pytorch_does_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    compiler: str,
    reason: str,
    loaded: Callable[[], Passes],
) -> None:
    found = str(failing_compiler(tmp_path)) if compiler == "failing" else None
    monkeypatch.setattr(native.shutil, "which", lambda name: found)
    passes = loaded()
    assert passes.library is None and reason in str(passes.reason)
    assert not list(tmp_path.rglob("*.so"))


@pytest.mark.parametrize(
    ("platform", "machine", "reason"),
    [("linux", "x86_64", "no AVX2"), ("darwin", "arm64", "PyTorch's own operations serve")],
)
def test_where_c_would_not_be_faster_pytorch_does_it(
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    machine: str,
    reason: str,
    loaded: Callable[[], Passes],
) -> None:
    monkeypatch.setattr(native.torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    monkeypatch.setattr(native.sys, "platform", platform)
    monkeypatch.setattr(native.platform, "machine", lambda: machine)
    passes = loaded()
    assert passes.library is None and reason in str(passes.reason)


def test_they_are_compiled_once(
    library: NativeLibrary, tmp_path: Path, loaded: Callable[[], Passes]
) -> None:
    del library
    assert loaded().came_from == "cache"
    (compiled,) = tmp_path.rglob("*.so")
    written = compiled.stat().st_mtime_ns
    assert loaded().came_from == "cache"
    assert compiled.stat().st_mtime_ns == written


# --- what a wheel brings


@pytest.fixture
def installed(library: NativeLibrary, tmp_path: Path, loaded: Callable[[], Passes]) -> Path:
    """The functions compiled for this processor, where a wheel would put them."""
    del library, loaded
    flags = flags_of(torch.backends.cpu.get_cpu_capability())
    path = tmp_path / "installed" / library_name(platform.machine(), flags)
    compiler = next(found for found in map(shutil.which, native.COMPILERS) if found)
    compile_library(compiler, flags, path)
    path.chmod(0o644)
    return path


def test_what_came_with_the_package_needs_no_compiler(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: Callable[[], Passes]
) -> None:
    monkeypatch.setattr(native.shutil, "which", lambda name: None)
    passes = loaded()
    assert passes.came_from == "package" and passes.library is not None and passes.reason is None
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("harm", ["of another version", "a link", "writable by all", "no library"])
def test_what_did_not_come_with_the_package_is_not_loaded(
    harm: str, installed: Path, tmp_path: Path, loaded: Callable[[], Passes]
) -> None:
    if harm == "of another version":
        installed.rename(installed.with_name("layers-0.so"))
    elif harm == "a link":
        installed.rename(tmp_path / "elsewhere.so")
        installed.symlink_to(tmp_path / "elsewhere.so")
    elif harm == "writable by all":
        installed.chmod(0o666)
    else:
        installed.write_text("cut off")
    assert loaded().came_from == "cache"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "another"])
def test_a_machine_has_abilities_with_flags_of_their_own(machine: str) -> None:
    abilities = abilities_of(machine)
    names = {library_name(machine, flags_of(ability)) for ability in abilities}
    assert len(names) == len(abilities) >= 1
