"""An outer loss of one's own: the signals that come out worst count most.

The whole is log sum exp(L / T) over the signals of a batch. An outer loss is told by its derivative
by the loss L of each signal. In a package of yours:

    [project.entry-points."medfuncta.outer_losses"]
    worst = "worst_loss:derivative"

and train with ``--set train.outer_loss=worst``.
"""

from __future__ import annotations

import torch
from torch import Tensor

TEMPERATURE = 0.01


def derivative(losses: Tensor) -> Tensor:
    """Weights of the signals, ``[batch]``, of mean 1."""
    return len(losses) * torch.softmax(losses / TEMPERATURE, dim=0)
