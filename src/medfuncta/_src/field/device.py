"""Where to compute: one place that knows which devices work on this machine."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Final

import torch

from medfuncta._src.config import TrainConfig
from medfuncta._src.door.files import reason
from medfuncta._src.door.wording import shortened, shown
from medfuncta._src.errors import ConfigError

_IN_CACHE: Final = 2**17
"""Numbers of an activation that stay in the cache of a core."""
_OF_A_CARD: Final = 2048
"""Bytes of a card for each number of an activation that is processed at a time: some 360 are taken
by a network of 15 layers, so that a fifth of the card is."""
_ELSEWHERE: Final = 2**22
"""Numbers where a device does not tell its memory."""
_SAID: Final = 80
"""Characters of what PyTorch says of a device."""


def default_device() -> torch.device:
    """An accelerator when PyTorch sees one, else the CPU."""
    accelerator = None
    if torch.accelerator.is_available():
        accelerator = torch.accelerator.current_accelerator()
    return accelerator or torch.device("cpu")


def usable_device(device: torch.device | str | None) -> torch.device:
    """A device that is there and computes, with its number where it has one.

    Args:
        device: Such as ``"cpu"`` or ``"cuda:1"``; :func:`default_device` when None.

    Raises:
        ConfigError: If there is no such device, or it does not compute.
    """
    if device is None:
        return default_device()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that PyTorch is about to forget
            one = torch.ones(1, device=torch.device(device))
            (one + one).item()  # "meta" has no numbers, and a driver may fail only here
    except (RuntimeError, TypeError, ValueError, AssertionError, ImportError) as error:
        known = " or ".join(dict.fromkeys(["cpu", default_device().type]))
        raise ConfigError(
            f"cannot compute on the device {shown(str(device))}{_said(error)}; give {known}, or "
            "leave it out to take what is there"
        ) from error
    return one.device


def numbers_at_a_time(device: torch.device) -> int:
    """How many numbers of an activation are worth processing at a time: on a CPU as many as stay in
    cache, on a card as many as leave it busy and fit into a part of its memory."""
    if device.type == "cpu":
        return _IN_CACHE
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        return max(_IN_CACHE, memory // _OF_A_CARD)
    return _ELSEWHERE


def activation_bytes(mebibytes: int, device: torch.device) -> int:
    """How much memory kept activations may take.

    Args:
        mebibytes: ``train.memory_mb``; where it is the default, which suits a CPU, a graphics card
            says it itself.
        device: Where they are kept.
    """
    if device.type == "cuda" and mebibytes == TrainConfig.memory_mb:
        return _of_this_card(device)
    return mebibytes * 2**20


@cache
def _of_this_card(device: torch.device) -> int:
    """A quarter of its memory, the same for every training on it; half of what is free where others
    have taken the rest before this process began."""
    free, whole = torch.cuda.mem_get_info(device)
    return min(whole // 4, free // 2)


def _said(error: Exception) -> str:
    """What PyTorch says of it in brackets, but for its list of all names and its inner words."""
    said = reason(error)
    if "Expected one of" in said or "INTERNAL" in said or "aten::" in said:
        return ""
    return f" ({shortened(said, _SAID)})"
