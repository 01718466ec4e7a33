"""A case that takes milliseconds, and an allocation whose size is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.case import CASES
from medfuncta._src.errors import MedFunctaError

TINY = replace(
    CASES["ecg"],
    field=replace(CASES["ecg"].field, layers=4, width=8, latent_size=6),
    shape=(20,),
    batch=3,
    context_ratio=0.5,
    inner_steps=2,
)


def allocate(mebibytes: int) -> Callable[[], object]:
    """Holds that much before it starts, and that much more at its peak."""
    held = bytearray(mebibytes * 2**20)
    return lambda: (len(held), bytearray(mebibytes * 2**20))


def refuse() -> Callable[[], object]:
    raise MedFunctaError("nothing to measure")
