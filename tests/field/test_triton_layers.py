"""The layers in Triton, in its interpreter on the CPU, do what PyTorch's do in float64."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from field.in_triton import CASES, FIELDS, SCALES
from medfuncta._src.field.siren import fast_layers as module
from medfuncta._src.field.siren.fast_layers import (
    TRITON_SWITCH,
    fast_layers,
    lacking_for_triton,
    without_triton,
)
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.layers import TorchLayers

PROGRAM = Path(__file__).with_name("in_triton.py")
HERE = torch.device("cpu")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what the program finds."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed")
    folder = tmp_path_factory.mktemp("triton")
    switches = {"TRITON_INTERPRET": "1", TRITON_SWITCH: "1", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", str(PROGRAM), str(folder)],
        env={**os.environ, **switches},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return folder


def both(folder: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """By Triton and, in float64, by PyTorch."""
    mine, exact = (
        load_file(folder / f"{kind} {name}.safetensors") for kind in ("TritonLayers", "TorchLayers")
    )
    assert mine.keys() == exact.keys() and mine
    return mine, exact


def error(one: Tensor, exact: Tensor) -> float:
    assert one.dtype == torch.float32 and exact.dtype == torch.float64
    assert one.shape == exact.shape and exact.norm() > 0
    return float((one.double() - exact).norm() / exact.norm())


@pytest.mark.parametrize("case", CASES)
def test_every_pass_is_that_of_pytorch_in_float64(found: Path, case: str) -> None:
    mine, exact = both(found, case)
    for name in exact:  # an entry that is wrong alone makes it 1e-3
        assert error(mine[name], exact[name]) < 2e-6, name


@pytest.mark.parametrize(
    ("field", "bfloat16"), [("paper", False), ("authors", False), ("paper", True)]
)
def test_so_are_whole_meta_gradients_and_decoded_values(
    found: Path, field: str, bfloat16: bool
) -> None:
    mine, exact = both(found, f"meta-gradient {field} {bfloat16}")
    one, other = (
        torch.cat([tensors[name].flatten() for name in exact if "." in name])
        for tensors in (mine, exact)
    )
    low, high = (1e-4, 0.05) if bfloat16 else (1e-9, 2e-5)
    assert low < error(one, other) < high
    for name in ("latents", "decoded"):
        assert error(mine[name], exact[name]) < high


@pytest.mark.parametrize("scale", SCALES)
def test_sine_and_cosine_are_good_to_a_float(found: Path, scale: float) -> None:
    mine, exact = both(found, f"sines {scale:g}")
    for name in ("sine", "cosine"):
        assert (mine[name].double() - exact[name]).abs().max() < 1.2e-7


def test_phases_without_an_answer_are_nan_and_absurd_ones_stay_bounded(found: Path) -> None:
    odd = load_file(found / "odd sines.safetensors")
    for values in odd.values():
        assert values[:3].isnan().all() and (values[3:].abs() <= 1.001).all()


# --- when they are taken


def test_nobody_gets_them_who_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRITON_SWITCH, raising=False)
    assert without_triton() == "MEDFUNCTA_TRITON=1 is not set"
    monkeypatch.setattr(module, "lacking_for_triton", lambda device: None)
    assert type(fast_layers(field().folded())).__name__ != "TritonLayers"
    monkeypatch.setenv(TRITON_SWITCH, "1")
    in_triton = TorchLayers([], residual=False, first_shifted=0)
    monkeypatch.setattr(module, "triton_layers", lambda folded, bfloat16: in_triton)
    assert (
        fast_layers(field().folded()) is fast_layers(field().folded(), bfloat16=True) is in_triton
    )
    assert fast_layers(field().double().folded()) is None
    assert without_triton() is None


def field() -> SirenField:
    return SirenField(FIELDS["paper"])


@pytest.mark.parametrize(
    ("device", "installed", "interpreted", "reason"),
    [
        ("cuda", True, False, None),
        ("cuda", False, False, "Triton is not installed"),
        ("cuda", True, True, "TRITON_INTERPRET=1 is for the CPU"),
        ("cpu", True, True, None),
        ("cpu", True, False, "no graphics card that it runs on"),
        ("mps", True, False, "no graphics card that it runs on"),
    ],
)
def test_what_is_lacking_is_told(
    device: str,
    installed: bool,
    interpreted: bool,
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda name: object() if installed else None
    )
    monkeypatch.setenv("TRITON_INTERPRET", "1" if interpreted else "0")
    assert lacking_for_triton(torch.device(device)) == reason
