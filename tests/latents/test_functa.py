"""Files of Functa, written as theirs are, read without running anything, and decoded to what their
own formula gives."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.errors import LatentSetError
from medfuncta._src.latents.functa import import_functa_set, read_functa_field
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.sources.source import SourceInfo

SIDE, WIDTH, DEPTH, LATENT, OMEGA = 5, 8, 4, 6, 7.0
TOP = "latent_modulated_siren"


def params(depth: int = DEPTH, dim: int = 2, channels: int = 3) -> dict[str, Any]:
    """Weights by haiku's names, ``w`` as inputs x outputs."""
    generator = np.random.default_rng(0)

    def linear(inputs: int, outputs: int) -> dict[str, np.ndarray]:
        scale = 0.4 / np.sqrt(inputs)
        w = generator.normal(0, scale, (inputs, outputs)).astype(np.float32)
        return {"b": generator.normal(0, 0.1, outputs).astype(np.float32), "w": w}

    found = {f"{TOP}/~/latent_vector": {"latent_vector": np.zeros(LATENT, np.float32)}}
    for layer in range(depth):
        name = f"{TOP}/modulated_siren_layer" + (f"_{layer}" if layer else "") + "/linear"
        outputs = channels if layer == depth - 1 else WIDTH
        found[name] = linear(dim if layer == 0 else WIDTH, outputs)
    found[f"{TOP}/~/latent_to_modulation/~/mlp/~/linear_0"] = linear(LATENT, (depth - 1) * WIDTH)
    return found


def config() -> dict[str, Any]:
    model = {"type": "latent_modulated_siren", "w0": OMEGA, "width": WIDTH, "depth": DEPTH}
    dataset = {"num_channels": 3, "resolution": SIDE}
    return {"model": model, "dataset": dataset, "opt_inner": {"lr": 0.01}}


def forward(weights: dict[str, Any], latent: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Their network: coordinates in [0, 1] at the centres of pixels, shifts before the sine."""
    axes = [(np.arange(n) + 0.5) / n for n in shape]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    to_shifts = weights[f"{TOP}/~/latent_to_modulation/~/mlp/~/linear_0"]
    shifts = (latent @ to_shifts["w"] + to_shifts["b"]).reshape(DEPTH - 1, WIDTH)
    for layer in range(DEPTH - 1):
        name = f"{TOP}/modulated_siren_layer" + (f"_{layer}" if layer else "") + "/linear"
        x = np.sin(OMEGA * (x @ weights[name]["w"] + weights[name]["b"] + shifts[layer]))
    last = weights[f"{TOP}/modulated_siren_layer_{DEPTH - 1}/linear"]
    return (x @ last["w"] + last["b"] + 0.5).reshape(*shape, 3)


def modulations(rows: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(rows)
    latents = generator.normal(0, 0.3, (rows, LATENT)).astype(np.float32)
    return {"modulation": latents, "psnr": np.linspace(20, 30, rows).astype(np.float32)}


def write_pickle(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


class FlatMapping(dict):
    """Stands for haiku's and ml_collections' own mappings."""

    def __reduce__(self) -> Any:
        return FlatMapping, (dict(self),)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("wrapper", [dict, OrderedDict, FlatMapping])
def test_a_set_decodes_to_what_their_network_gives(
    protocol: int, wrapper: type, tmp_path: Path
) -> None:
    weights = params()
    saved = {"params": wrapper(weights), "config": wrapper(config())}
    network = write_pickle(tmp_path / "celeba_params_6_latents.npz", saved, protocol)
    splits = {"train": modulations(3), "test": modulations(2)}
    latents = write_pickle(tmp_path / "celeba_modulations_6_latents.npz", splits, protocol)
    words = ["import", str(latents), "--weights", str(network), "--out", str(tmp_path / "set")]
    assert main([*words, "--name", "celeba"]) == 0

    back = LatentSet.open(tmp_path / "set")
    assert {name: len(back.split(name)) for name in back.splits} == {"train": 3, "test": 2}
    np.testing.assert_allclose(back.split("train").psnr, [20, 25, 30])
    for row, latent in enumerate(splits["train"]["modulation"]):
        ours = back.decode(f"train-{row}").values.reshape(SIDE, SIDE, 3)
        np.testing.assert_allclose(ours, forward(weights, latent, (SIDE, SIDE)), atol=2e-5)
        domain = back.row(f"train-{row}").header.domain.with_shape((7, 9))
        fine = back.decode(f"train-{row}", domain).values.reshape(7, 9, 3)
        np.testing.assert_allclose(fine, forward(weights, latent, (7, 9)), atol=2e-5)


def test_true_archives_of_numpy_are_read_too(tmp_path: Path) -> None:
    weights = params()
    flat = {f"{module}/{name}": a for module, held in weights.items() for name, a in held.items()}
    np.savez(tmp_path / "params.npz", **flat)
    np.savez_compressed(tmp_path / "latents.npz", train_modulation=modulations(2)["modulation"])
    with pytest.raises(LatentSetError, match=r"give it with --shape"):
        read_functa_field(tmp_path / "params.npz")
    run = read_functa_field(tmp_path / "params.npz", shape=(SIDE, SIDE), omega=OMEGA)
    assert read_functa_field(
        tmp_path / "params.npz", shape=(2, 2)
    ).config.field.omega_last == pytest.approx(30)
    back = import_functa_set(tmp_path / "latents.npz", run, tmp_path / "out", SourceInfo("x"))
    latent = modulations(2)["modulation"][1]
    ours = back.decode("train-1").values.reshape(SIDE, SIDE, 3)
    np.testing.assert_allclose(ours, forward(weights, latent, (SIDE, SIDE)), atol=2e-5)


def test_weights_alone_become_a_run(tmp_path: Path) -> None:
    network = write_pickle(tmp_path / "p.npz", {"params": params(), "config": config()})
    assert main(["import", str(network), "--out", str(tmp_path / "run")]) == 0
    assert main(["info", str(tmp_path / "run")]) == 0


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return exec, (f"open({str(self.target)!r}, 'w').close()",)


def laughs() -> list[Any]:
    """A list that is a milliard of lists when it is unfolded."""
    level: list[Any] = []
    for _ in range(30):
        level = [level] * 10
    return level


def without(name: str) -> dict[str, Any]:
    return {key: held for key, held in params().items() if name not in key}


BAD: dict[str, tuple[Any, str]] = {
    "nothing": ({}, "does not hold a field of Functa"),
    "text": ("hello", "does not hold a field of Functa"),
    "no map": ({"params": without("mlp")}, "4 layers and 0 maps"),
    "a layer less": ({"params": without("layer_2/")}, r"layers numbered \[0, 1, 3\]"),
    "another width": ({"params": params() | {f"{TOP}/modulated_siren_layer/linear": {
        "w": np.zeros((2, 9), np.float32), "b": np.zeros(9, np.float32)}}}, "a latent makes 24"),
    "scales": ({"params": params() | {"x/fi_lm": {"scale": np.zeros(3)}}}, "expected at least"),
    "scenes": ({"params": params(dim=3, channels=4)}, "a field of scenes"),
    "objects": ({"params": {"a": {"w": np.array([None])}}}, "something other than numbers"),
    "no grid": ({"params": params()}, "give it with --shape"),
    "laughs": ({"params": laughs()}, "more than 10,000 entries"),
}  # fmt: skip


@pytest.mark.parametrize("content", BAD)
def test_what_is_no_such_field_is_refused_in_one_line(content: str, tmp_path: Path) -> None:
    saved, said = BAD[content]
    path = write_pickle(tmp_path / "celeba_params_6_latents.npz", saved)
    with pytest.raises(LatentSetError, match=said) as caught:
        read_functa_field(path)
    assert "\n" not in str(caught.value)


def test_a_malicious_pickle_does_not_run(tmp_path: Path) -> None:
    target = tmp_path / "harm"
    saved = {"params": {"a": {"w": Malicious(target)}}, "config": Malicious(target)}
    path = write_pickle(tmp_path / "p.npz", saved)
    with pytest.raises(LatentSetError):
        read_functa_field(path)
    assert not target.exists()
    pickle.loads(path.read_bytes())  # noqa: S301, the pickle is a working one
    assert target.exists()


def test_modulations_of_another_size_are_refused(tmp_path: Path) -> None:
    network = write_pickle(tmp_path / "p.npz", {"params": params(), "config": config()})
    wrong = {"train": {"modulation": np.zeros((2, 9), np.float32)}}
    latents = write_pickle(tmp_path / "m.npz", wrong)
    run = read_functa_field(network)
    with pytest.raises(LatentSetError, match=r"of shape \[2, 9\] as 'train'; expected"):
        import_functa_set(latents, run, tmp_path / "out", SourceInfo("x"))
    nothing = write_pickle(tmp_path / "n.npz", {"a": 1})
    with pytest.raises(LatentSetError, match="holds no modulations"):
        import_functa_set(nothing, run, tmp_path / "out", SourceInfo("x"))
