"""The floor: the matrix products of the hidden layers and nothing else, at the full rate of
PyTorch's products on this machine.

Those of the first and last layer and of the shift maps are left out, and the operands stay in
cache, so the floor is a little lower than what an implementation with PyTorch's products could
reach. Our own may be faster than PyTorch's, which pack both operands each time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.case import FIT_STEPS, Case

_CHUNK = 2048  # rows at a time: the operands and the result stay in cache


class _Products:
    """The three products of a hidden layer with ``rows`` points of any number of signals."""

    def __init__(self, rows: int, width: int) -> None:
        full, rest = divmod(rows, _CHUNK)
        generator = torch.Generator().manual_seed(0)
        self._weight = torch.randn(width, width, generator=generator)
        self._gradient = torch.zeros(width, width)
        inputs = torch.randn(min(rows, _CHUNK), width, generator=generator)
        outputs = torch.empty_like(inputs)
        self._chunks = [(inputs, outputs)] * full + [(inputs[:rest], outputs[:rest])] * bool(rest)

    def forward(self) -> None:
        """h W^T."""
        for inputs, outputs in self._chunks:
            torch.mm(inputs, self._weight.T, out=outputs)

    def back(self) -> None:
        """e W."""
        for slopes, outputs in self._chunks:
            torch.mm(slopes, self._weight, out=outputs)

    def weight_gradient(self) -> None:
        """e^T h."""
        for inputs, slopes in self._chunks:
            torch.mm(slopes.T, inputs, out=self._gradient)

    def all(self) -> None:
        """Each of the three once."""
        self.forward()
        self.back()
        self.weight_gradient()


def meta_step_floor(case: Case) -> Callable[[], None]:
    """Six products a hidden layer and inner step (twice each of the three), and one of each for the
    outer loss."""
    hidden, width = case.field.layers - 2, case.field.width
    inner, outer = (
        _Products(case.batch * case.context_points, width),
        _Products(case.batch * case.points, width),
    )

    def run() -> None:
        for _ in range(2 * case.inner_steps * hidden):
            inner.all()
        for _ in range(hidden):
            outer.all()

    return run


def fit_floor(case: Case, signals: int) -> Callable[[], None]:
    """Forward and back, H times."""
    products = _Products(signals * case.points, case.field.width)

    def run() -> None:
        for _ in range(FIT_STEPS * (case.field.layers - 2)):
            products.forward()
            products.back()

    return run


def decode_floor(case: Case) -> Callable[[], None]:
    """Forward once, for a batch of signals."""
    products = _Products(case.batch * case.points, case.field.width)

    def run() -> None:
        for _ in range(case.field.layers - 2):
            products.forward()

    return run
