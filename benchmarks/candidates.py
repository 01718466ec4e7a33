"""Ways to compute meta-steps on a graphics card, which ``benchmarks.device`` measures beside the
one in use: the layers in Triton, those of PyTorch with what stands between two products by
``torch.compile``, and a whole meta-gradient as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal, TypeAlias

import torch

from medfuncta._src.field.siren.fast_layers import lacking_for_triton, triton_layers
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.field.siren.layers import TorchLayers
from medfuncta._src.field.siren.objective import SirenObjective

Way: TypeAlias = Literal["in use", "Triton", "torch.compile"]
WAYS: Final[tuple[Way, ...]] = ("in use", "Triton", "torch.compile")
"""Whose layers: those that a training would take, or these."""
_STEPS: Final = ("sine", "phase_cotangent", "sine_tangent", "phase_cotangent_tangent")


def lacking(way: Way, device: torch.device) -> str | None:
    """Why a way cannot be gone on a device; None where it can."""
    if way == "Triton":
        return lacking_for_triton(device)
    if way == "torch.compile" and device.type != "cuda":
        return "no graphics card"
    return None


def objective_by(way: Way, field: SirenField, autocast: str) -> SirenObjective:
    """The loss of a field, with the error averaged over channels, by the layers of a way."""
    if way == "in use":
        return field.objective(channel_mean=True, autocast=autocast)
    folded, bfloat16 = field.folded(), autocast == "bfloat16"
    if way == "Triton":
        layers = triton_layers(folded, bfloat16=bfloat16)
    else:
        layers = compiled_layers()(
            folded.weights,
            residual=folded.config.residual,
            first_shifted=folded.first_shifted,
            bfloat16=bfloat16,
        )
    return SirenObjective(folded, channel_mean=True, layers=layers)


@cache
def compiled_layers() -> type[TorchLayers]:
    """PyTorch's layers with each step between two products compiled."""
    steps = {name: torch.compile(getattr(TorchLayers, name), dynamic=True) for name in _STEPS}
    return type("CompiledLayers", (TorchLayers,), steps)


def as_graph(work: Callable[[], Any]) -> Callable[[], None]:
    """Work on a graphics card, done twice and recorded as one CUDA graph; what replays it."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # what is made at the first call is not a part of it
        work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay(kept: Any = result) -> None:
        del kept
        graph.replay()

    return replay
