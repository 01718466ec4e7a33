"""Outer losses: what training lowers, as a function of the loss of each signal.

Each is told by its derivative by the losses of the signals: that of the whole with respect to the
weights follows from it by the chain rule, since a signal's loss is linear in the weights of its
points.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Final, TypeAlias

from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.signals.psnr import LEAST_ERROR
from medfuncta._src.types import Losses

OuterDerivative: TypeAlias = Callable[[Losses], Losses] | None
"""L of each signal to d(outer loss)/dL, ``[batch]`` each, before the mean over signals is taken;
None where it is 1 whatever L is, which saves a forward pass."""

OUTER_LOSSES: Final[dict[str, OuterDerivative]] = {
    "mean": None,  # of L (paper, Eq. 5)
    "log": lambda losses: 1 / losses.clamp(min=LEAST_ERROR),  # of log L: raises the mean PSNR
}
"""The words of ``train.outer_loss``."""

ENTRY_POINTS: Final = "medfuncta.outer_losses"
"""Group of entry points by which another package adds rows; a name of ours is never replaced."""


def outer_derivative(name: str) -> OuterDerivative:
    """One row of the table.

    Raises:
        ConfigError: If there is none of this name; the nearest one is named.
    """
    if name in OUTER_LOSSES:
        return OUTER_LOSSES[name]
    others = entry_points(group=ENTRY_POINTS)
    for point in others:
        if point.name == name:
            return point.load()
    known = [*OUTER_LOSSES, *(point.name for point in others)]
    raise ConfigError(f"setting 'train.outer_loss' is '{name}'; {suggest(name, known)}")
