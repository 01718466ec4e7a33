"""The script for a borrowed card, as far as a CPU can show it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_checkout import write_checkout

from benchmarks import candidates, device
from benchmarks.candidates import WAYS, compiled_layers, lacking
from medfuncta._src.field.siren.config import SirenConfig

ROOT = Path(__file__).parents[2]
ALONE = """
import importlib.abc, importlib.metadata, runpy, sys
brought = {"torch", "numpy", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock"}
brought |= {"fsspec", "typing_extensions", "setuptools", "medfuncta"}
missing = set()
for top, names in importlib.metadata.packages_distributions().items():
    if not brought & {name.lower().replace("-", "_") for name in names}:
        missing.add(top)
assert {"msgspec", "jaxtyping", "scipy", "safetensors", "tyro"} <= missing
class Found(importlib.abc.MetaPathFinder):
    finders = list(sys.meta_path)
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in missing:
            return None
        specs = (finder.find_spec(name, path, target) for finder in self.finders)
        return next((spec for spec in specs if spec is not None), None)
sys.meta_path[:] = [Found()]
sys.argv = ["device.py", *sys.argv[2:]]
runpy.run_path(%r, run_name="__main__")
"""
"""Runs the script where nothing can be imported but PyTorch, NumPy, what these bring, and us."""


def test_a_dry_run_needs_nothing_but_pytorch_numpy_and_the_checkouts(tmp_path: Path) -> None:
    out, theirs = tmp_path / "device.json", write_checkout(tmp_path / "theirs")
    script = ALONE % str(ROOT / "benchmarks" / "device.py")
    command = [sys.executable, "-c", script, "-", "--dry-run", "--device", "cpu"]
    command += ["--out", str(out), "--reference", str(theirs)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result = json.loads(out.read_text())
    assert result["device"]["stood_in_for"] == ["msgspec", "jaxtyping"]
    assert "not run on a GPU" in result["notes"] and "not run on a GPU" in ended.stdout
    assert all(row["share"] > 0 for row in result["profile"])
    (step, fits, decoding, their_step, both) = result["speed"]
    assert 0 < step["share_of_bare_products"] < 1 and fits["rate"] > 0 and decoding["rate"] > 0
    assert their_step["seconds"] > 0 and 0 < both["difference"] < 1e-5
    for way in WAYS[1:]:
        assert any(f"layers by {way} were not measured" in note for note in result["notes"])


def test_a_folder_that_is_no_checkout_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert device.main(["--dry-run", "--reference", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "not a checkout of the authors' code" in error and error.count("\n") == 1


def test_what_fails_is_a_row_that_says_why() -> None:
    row: dict[str, object] = {"what": "a step"}
    with device.failing(row) as measured:
        measured["seconds"] = 1.0
        raise torch.OutOfMemoryError("there is no room\nat all")
    assert row == {"what": "a step", "seconds": None, "why": "OutOfMemoryError: there is no room"}


def test_compiled_steps_are_those_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a compiler that passes on what it gets, and notes it."""
    compiled: list[str] = []

    def compile_(step, *, dynamic):  # type: ignore[no-untyped-def]
        assert dynamic
        compiled.append(step.__name__)
        return step

    monkeypatch.setattr(candidates.torch, "compile", compile_)
    compiled_layers.cache_clear()
    case = device.DRY["8^2, batch 3"]
    points, cpu = device.points_of(case, 3, torch.device("cpu")), torch.device("cpu")
    found = []
    for way in ("in use", "torch.compile"):
        step = device.Step(case, cpu, device.PRECISIONS[0], 2**20, way)
        found.append(step.gradient(points).gradients)
    compiled_layers.cache_clear()
    assert compiled == ["sine", "phase_cotangent", "sine_tangent", "phase_cotangent_tangent"]
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-6)


def test_candidates_are_measured_where_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    case, cpu, card = device.MEASURED["64^2, batch 24"], torch.device("cpu"), torch.device("cuda")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert device.ways_of(case, cpu, device.PRECISIONS[0]) == []
    monkeypatch.setattr(candidates, "lacking_for_triton", lambda where: None)
    assert device.ways_of(case, card, device.PRECISIONS[0]) == ["Triton", "torch.compile"]
    assert device.ways_of(case, card, device.PRECISIONS[1]) == ["Triton"]
    assert device.ways_of(device.MEASURED["ecg"], card, device.PRECISIONS[0]) == ["Triton"]
    assert lacking("torch.compile", cpu) == "no graphics card"


def test_errors_against_float64_are_those_of_the_type() -> None:
    config = SirenConfig(
        dim=2, layers=4, width=16, latent_size=8, omega_first=10.0, omega_last=20.0
    )
    rows = device.correctness(torch.device("cpu"), config)
    errors = {(row["products"], row["what"]): row["error"] for row in rows}
    assert {products for products, _ in errors} == {"float32", "bfloat16"}
    for (products, what), error in errors.items():
        low, high = (1e-9, 1e-4) if products == "float32" else (1e-5, 0.5)
        if what == "forward" and products == "bfloat16":
            continue  # outside of the inner loop nothing is rounded
        assert low < error < high, (products, what)


def test_a_wrong_gradient_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = device.meta_gradient

    def first_order(*arguments: object, **options: object) -> object:
        return whole(*arguments, **options, first_order=calls.pop())  # type: ignore[arg-type]

    calls = [True, True, False]
    monkeypatch.setattr(device, "meta_gradient", first_order)
    rows = device.correctness(torch.device("cpu"), device._TINY)
    errors = {row["products"]: row["error"] for row in rows if row["what"] == "meta-gradient"}
    assert errors["float32"] > 1e-3


def test_time_to_quality_is_that_of_images_which_were_not_trained_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = (120 + 10 * rng.normal(size=(6, 4, 4, 1))).clip(0, 255).astype(np.uint8)
    path = tmp_path / "images.npz"
    np.savez(path, train_images=images, val_images=images[:2])
    low, high = device.time_to_quality(path, torch.device("cpu"), 0.5, targets=(1.0, 99.0))
    assert low["seconds"] > 0 and low["steps"] > 0
    assert high["seconds"] is None and high["best"] < 99


def test_the_operations_of_a_meta_step_are_those_of_the_floor() -> None:
    """One product of a layer of width 4 on 10 points is 2 * 10 * 4 * 4 operations."""
    case = device.Case(
        SirenConfig(dim=1, layers=3, width=4, latent_size=2), (20,), 1, 0.5, inner_steps=2
    )
    assert device.products_of(case) == 2 * 4 * 4 * (6 * 2 * 10 + 3 * 20)
