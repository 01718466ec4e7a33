"""What the layers in Triton give in its interpreter, as a program: Triton looks at
``TRITON_INTERPRET`` while it is imported.

It writes one tensor file for each case that it is told, with the same passes in float32 by Triton
and in float64 by PyTorch, and meta-gradients of whole objectives.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import Tensor

from medfuncta._src.config import InnerConfig, TrainConfig
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.layers import Layers, TorchLayers
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.learning.context import draw_context
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.signals.points import Points

BATCH: Final = 2
SCALES: Final = (1.0, 30.0, 1000.0, 8000.0)
ODD: Final = (torch.nan, torch.inf, -torch.inf, 1e20, -1e9)
_INNER: Final = InnerConfig(0.1, momentum=0.5)


@dataclass(frozen=True)
class Case:
    """What layers are given.

    Args:
        width: Of a layer; more than a block of columns, or less.
        points: Of a signal; several blocks and a part of one, or a part only.
        residual, first_shifted: Of the network.
        shared_points, shared_offsets: Whether signals have these in common.
        known: Whether products are kept and handed in again.
    """

    width: int
    points: int
    residual: bool
    first_shifted: int
    shared_points: bool
    shared_offsets: bool
    known: bool


CASES: Final = {
    "paper": Case(19, 40, False, 1, True, True, True),
    "residual": Case(70, 31, True, 1, True, False, False),
    "authors": Case(19, 31, True, 0, False, False, True),
    "one point and latent": Case(5, 1, True, 0, True, True, False),
}
FIELDS: Final = {
    "paper": SirenConfig(
        dim=2, channels=2, layers=5, width=19, latent_size=5, omega_first=3, omega_last=6
    ),
    "authors": SirenConfig(
        dim=2,
        layers=4,
        width=19,
        latent_size=5,
        omega_first=3,
        omega_last=6,
        residual=True,
        shift_first=True,
    ),
}


def array(*shape: int, seed: int, scale: float = 1.0) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draws, dtype=torch.float64) * scale


def passes(case: Case, kind: type[TorchLayers], dtype: torch.dtype) -> dict[str, Tensor]:
    """What each pass gives, all of them on the same numbers."""
    width, points, first = case.width, case.points, case.first_shifted

    def given(*shape: int, seed: int, scale: float = 1.0) -> Tensor:
        return array(*shape, seed=seed, scale=scale).to(dtype)

    weights = []
    for k, inputs in enumerate((2, width, width, width)):
        weights.append(given(width, inputs, seed=30 + k, scale=1.3 / inputs**0.5))
    layers: Layers = kind(weights, residual=case.residual, first_shifted=first)
    coordinates = given(1 if case.shared_points else BATCH, points, 2, seed=1)
    rows = 1 if case.shared_offsets else BATCH
    offsets = [given(rows if k >= first else 1, 1, width, seed=10 + k) for k in range(4)]
    top = layers.forward(coordinates, offsets, keep_products=case.known)
    plain = layers.forward(coordinates, offsets, with_cosines=False).states
    again = [product.clone() for product in top.products]
    activations = layers.forward(coordinates, offsets, again, all_states=True)
    totals = torch.ones(3, BATCH, 4, width, dtype=dtype)
    sums = [torch.ones_like(weight) for weight in weights]
    cotangents = [given(BATCH, points, width, seed=seed) for seed in (2, 3, 4, 5)]
    kept = layers.backward(activations, cotangents[0], totals[0], keep=True)
    layers.backward(activations, cotangents[1], totals[1], weight_sums=sums)
    jacobian = torch.empty(BATCH, points, (4 - first) * width, dtype=dtype)
    layers.shift_jacobian(activations.cosines, cotangents[3], jacobian)
    of_offsets = [given(BATCH, 1, width, seed=20 + k) for k in range(first, 4)]
    tangents = layers.forward_tangent(activations.cosines, of_offsets)
    moved = [state.clone() for state in tangents.states]
    layers.backward_tangent(activations, kept, tangents, cotangents[2], totals[2], sums)
    named: dict[str, Tensor] = {"jacobian": jacobian, "totals": totals}
    lists = {
        "top": top.states,
        "plain": plain,
        "products": top.products,
        "states": activations.states,
        "cosines": activations.cosines,
        "kept": kept,
        "state tangents": moved,
        "weight sums": sums,
    }
    for name, arrays in lists.items():
        named |= {f"{name} {k}": each for k, each in enumerate(arrays)}
    return named


def meta_gradients(config: SirenConfig, bfloat16: bool, dtype: torch.dtype) -> dict[str, Tensor]:
    """Of an objective as it is built for a field."""
    field = SirenField(config, torch.Generator().manual_seed(0)).to(dtype)
    draws = torch.Generator().manual_seed(1)
    coordinates = torch.rand(1, 40, 2, generator=draws) * 2 - 1
    values = torch.rand(BATCH, 40, config.channels, generator=draws)
    points = Points(coordinates, values, torch.full((BATCH, 40), 1 / 40)).to(dtype=dtype)
    settings = TrainConfig(context_ratio=0.5)
    contexts = [draw_context(points, settings, draws) for _ in range(2)]
    objective = field.objective(autocast="bfloat16" if bfloat16 else "")
    assert isinstance(objective, SirenObjective)
    expected = "TritonLayers" if dtype == torch.float32 else "TorchLayers"
    assert type(objective._layers).__name__ == expected
    found = meta_gradient(objective, field.zero_latents(BATCH), points, contexts, _INNER)
    decoded = field.values_of(found.latents, 40, worth=1)(points.coordinates)
    return {**found.gradients, "latents": found.latents, "decoded": decoded}


def sines(kind: type[TorchLayers], phases: Tensor) -> dict[str, Tensor]:
    """Sine and cosine by a layer that only passes on the products it is given."""
    nothing = torch.zeros(1, 1, phases.shape[-1], dtype=phases.dtype)
    layer = kind([nothing[0]], residual=False, first_shifted=0)
    found = layer.forward(nothing, [nothing], [phases.reshape(1, -1, phases.shape[-1])])
    return {"sine": found.states[-1].flatten(), "cosine": found.cosines[0].flatten()}


def store(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> None:
    contents = {key: tensor.clone().contiguous() for key, tensor in tensors.items()}
    save_file(contents, folder / f"{name}.safetensors")


def main(folder: Path) -> None:
    from medfuncta._src.field.siren.triton_layers import TritonLayers

    types = {TritonLayers: torch.float32, TorchLayers: torch.float64}
    for kind, dtype in types.items():
        for name, case in CASES.items():
            store(folder, f"{kind.__name__} {name}", passes(case, kind, dtype))
        for name, config in FIELDS.items():
            for bfloat16 in (False, True) if name == "paper" else (False,):
                rounded = bfloat16 and kind is TritonLayers
                found = meta_gradients(config, rounded, dtype)
                store(folder, f"{kind.__name__} meta-gradient {name} {bfloat16}", found)
        for scale in SCALES:
            draws = torch.Generator().manual_seed(0)
            phases = ((torch.rand(60, 60, generator=draws) * 2 - 1) * scale).to(dtype)
            store(folder, f"{kind.__name__} sines {scale:g}", sines(kind, phases))
    store(folder, "odd sines", sines(TritonLayers, torch.tensor(ODD)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
