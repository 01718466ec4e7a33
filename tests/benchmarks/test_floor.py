from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tiny_case import TINY
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.case import FIT_STEPS
from benchmarks.floor import decode_floor, fit_floor, meta_step_floor

HIDDEN = TINY.field.layers - 2


def products(run: Callable[[], None]) -> float:
    """Multiplications of one point's features with a weight matrix."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / (2 * TINY.field.width**2)


def test_products_of_a_meta_step() -> None:
    inner, outer = 3 * 10, 3 * 20  # batch x points
    assert products(meta_step_floor(TINY)) == HIDDEN * (6 * TINY.inner_steps * inner + 3 * outer)


def test_products_of_fitting_and_decoding() -> None:
    assert products(fit_floor(TINY, signals=5)) == HIDDEN * 2 * FIT_STEPS * 5 * 20
    assert (
        products(decode_floor(replace(TINY, shape=(5000,), batch=2))) == HIDDEN * 10000
    )  # more than one chunk, the last one not full
