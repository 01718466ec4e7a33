"""The weights of a field: what they are known by, and what they may hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

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


@dataclass(frozen=True)
class Bounds:
    """What the numbers of a tensor may be.

    Args:
        least: The smallest.
        most: The largest.
    """

    least: float
    most: float


def check_weights(
    tensors: Mapping[str, torch.Tensor], bounds: Mapping[str, Bounds], prefix: str = ""
) -> None:
    """Raise where a tensor holds what no field has: NaN or Inf, or a number out of the bounds that
    its kind declares.

    Args:
        tensors: By name.
        bounds: Of some of them, by the names that the field has for them.
        prefix: What stands before these in the names of ``tensors``.

    Raises:
        Fault: At the first that does.
    """
    check_finite(tensors)
    for name, allowed in bounds.items():
        tensor = tensors.get(f"{prefix}{name}")
        if tensor is None or not tensor.numel():
            continue
        low, high = float(tensor.min()), float(tensor.max())
        if low < allowed.least or high > allowed.most:
            raise Fault(
                f"the tensor {name}",
                f"holds numbers from {low:.4g} to {high:.4g}; expected {allowed.least:g} to "
                f"{allowed.most:g}",
            )


def check_finite(tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise where a tensor holds NaN or Inf.

    Raises:
        Fault: At the first that does.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise Fault(f"the tensor {name}", "holds NaN or Inf; expected finite weights")
