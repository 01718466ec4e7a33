"""Training of a small head, whose best weights on the validation split are kept."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class HeadTraining:
    """How a head is trained, by AdamW.

    Args:
        epochs: Passes over the training split at the most.
        batch: Signals a step.
        learning_rate, weight_decay: AdamW's.
        patience: Epochs without a better validation score after which training ends.
        seconds: When training is cut short, after a whole epoch; None for no limit.
        seed: Of initial weights, dropout, sampled points and order of signals.
    """

    epochs: int = 100
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    patience: int = 20
    seconds: float | None = None
    seed: int = 0


def train_head(
    head: nn.Module,
    losses: Callable[[], Iterable[Tensor]],
    score: Callable[[], float],
    settings: HeadTraining,
) -> list[float]:
    """Train and leave the head with its best weights, ready for evaluation.

    Args:
        head: The network to train.
        losses: Gives the losses of one pass over the training split, each computed when it is asked
            for.
        score: What the weights are chosen by, on the validation split; larger is better, NaN is
            worst.
        settings: How.

    Returns:
        The score after each epoch.
    """
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    started = time.perf_counter()
    scores: list[float] = []
    best, kept, waited = -math.inf, copy.deepcopy(head.state_dict()), 0
    while len(scores) < settings.epochs and waited < settings.patience:
        head.train()
        for loss in losses():
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        head.eval()
        with torch.no_grad():
            scores.append(score())
        waited += 1
        if scores[-1] > best:
            best, kept, waited = scores[-1], copy.deepcopy(head.state_dict()), 0
        if settings.seconds is not None and time.perf_counter() - started > settings.seconds:
            break
    head.load_state_dict(kept)
    return scores
