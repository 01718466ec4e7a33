"""Time that other programs on the machine have no part in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import torch

MEANING: Final = "processor time on a CPU, all threads together; elsewhere time on the clock"


def clock_of(device: str) -> Callable[[], float]:
    """A clock in seconds: the processor time of this process on the CPU, so that a busy machine
    changes nothing; elsewhere real time, once what was begun there is done."""
    if torch.device(device).type == "cpu":
        return time.process_time

    def after_all() -> float:
        torch.accelerator.synchronize()
        return time.perf_counter()

    return after_all
