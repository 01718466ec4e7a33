"""Which layers compute: those in C on the CPU, those in Triton on a graphics card where they are
asked for, and PyTorch's operations elsewhere."""

from __future__ import annotations

import importlib.util
import os
from typing import Final

import torch

from medfuncta._src.field.device import default_device
from medfuncta._src.field.siren.folded import FoldedSiren
from medfuncta._src.field.siren.layers import Layers
from medfuncta._src.field.siren.native_layers import native_layers
from medfuncta._src.process import switched_on

TRITON_SWITCH: Final = "MEDFUNCTA_TRITON"
"""Environment variable; ``1`` takes the kernels in Triton on a card. They were never measured on
one, so that nothing else does."""
_INTERPRETED: Final = "TRITON_INTERPRET"
"""Triton's own variable; ``1`` runs kernels on the CPU."""


def fast_layers(field: FoldedSiren, *, bfloat16: bool = False) -> Layers | None:
    """The layers in Triton or in C for a network; None where PyTorch's operations serve.

    Args:
        field: Its parameters.
        bfloat16: Do the matrix products in bfloat16.
    """
    weight = field.weights[0]
    wanted = _asked_for() and weight.dtype == torch.float32
    if wanted and lacking_for_triton(weight.device) is None:
        return triton_layers(field, bfloat16=bfloat16)
    return None if bfloat16 else native_layers(field)


def triton_layers(field: FoldedSiren, *, bfloat16: bool = False) -> Layers:
    """The layers in Triton for a network in float32, on a device that lacks nothing for them."""
    from medfuncta._src.field.siren.triton_layers import TritonLayers

    return TritonLayers(
        field.weights,
        residual=field.config.residual,
        first_shifted=field.first_shifted,
        bfloat16=bfloat16,
    )


def without_triton() -> str | None:
    """Why the layers in Triton are not in use, to be said behind "not in use:"; None where they
    are."""
    if not _asked_for():
        return f"{TRITON_SWITCH}=1 is not set"
    return lacking_for_triton(default_device())


def lacking_for_triton(device: torch.device) -> str | None:
    """Why kernels in Triton cannot run on a device; None where they can."""
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    if os.environ.get(_INTERPRETED) == "1":
        return None if device.type == "cpu" else f"{_INTERPRETED}=1 is for the CPU"
    return None if device.type == "cuda" else "no graphics card that it runs on"


def _asked_for() -> bool:
    return switched_on(TRITON_SWITCH)
