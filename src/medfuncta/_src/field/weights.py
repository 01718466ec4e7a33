"""The weights of a field: what they are known by, and what they may hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields

import torch

from medfuncta._src.config import LATER, FieldConfig
from medfuncta._src.door.declared import Fault
from medfuncta._src.errors import RunError


def fingerprint_of(sizes: FieldConfig, weights: Mapping[str, torch.Tensor]) -> str:
    """A digest of a field. Halves count as the numbers that they are read as."""
    entries = asdict(sizes)
    for setting in fields(sizes):
        if setting.metadata == LATER and entries[setting.name] == setting.default:
            del entries[setting.name]  # not there when the first fingerprints were taken
    digest = hashlib.sha256(json.dumps(entries, sort_keys=True).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        plain = tensor.detach().cpu().contiguous()
        if plain.dtype == torch.float16:
            plain = plain.float()
        digest.update(plain.numpy().tobytes())
    return digest.hexdigest()[:32]


def halved(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A tensor in half precision.

    Raises:
        RunError: If a number of it is beyond that.
    """
    half = tensor.half()
    if not half.isfinite().all():
        raise RunError(
            f"the tensor {name} holds numbers beyond {torch.finfo(torch.float16).max:,.0f}, the "
            "largest of float16; store it as float32"
        )
    return half


def check_finite(tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise where a tensor holds NaN or Inf.

    Raises:
        Fault: At the first that does.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise Fault(f"the tensor {name}", "holds NaN or Inf; expected finite weights")
