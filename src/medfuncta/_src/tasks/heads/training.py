"""Training of a network on fitted or read signals: one loop for heads on latents and for CNNs on
pixels, which leaves the weights that were best on the validation split."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medfuncta._src.config import Batch, Rate
from medfuncta._src.door.declared import settle
from medfuncta._src.door.limits import Epochs, Seconds


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, by AdamW on shuffled batches.

    Args:
        learning_rate, weight_decay: AdamW's.
        epochs: Passes over the training split at the most.
        batch: Signals a step, about: a split is cut into equal batches, so that none is left with
            one signal.
        patience: Epochs without a better validation score after which training ends; None never
            ends it early.
        seconds: When training is cut short, whatever it has reached, but not before its first
            step; None for no limit.

    Raises:
        ConfigError: If one is out of its bounds.
    """

    learning_rate: Rate = 1e-3
    weight_decay: Rate = 1e-2
    epochs: Epochs = 50
    batch: Batch = 64
    patience: Epochs | None = None
    seconds: Seconds | None = None

    def __post_init__(self) -> None:
        settle(self, noun="option")


@dataclass(frozen=True)
class Validation:
    """How good a network is on the validation split.

    Args:
        score: What weights are chosen by; larger is better, NaN is worst.
        loss: Mean loss a signal, which decides between equal scores; NaN where nobody computes it.
    """

    score: float
    loss: float = math.nan


@dataclass(frozen=True)
class Epoch:
    """One point of a learning curve.

    Args:
        epoch: Passes over the training split so far; a fraction when a pass was cut short.
        seconds: Since training began.
        train_loss, val_loss: Mean loss a signal.
        val_score: What the weights are chosen by.
    """

    epoch: float
    seconds: float
    train_loss: float
    val_loss: float
    val_score: float

    @property
    def rank(self) -> tuple[float, float]:
        """Larger for better weights: the higher score, of equal ones the lower loss; a loss that is
        not finite is the worst."""
        if math.isfinite(self.val_loss):
            return self.val_score, -self.val_loss
        return self.val_score, -math.inf


@dataclass(frozen=True)
class Training:
    """How a training went.

    Args:
        parameters: Numbers that were learned.
        cut_short: Whether a limit of time or of iterations ended it before it was done.
        curve: What a network went through, epoch by epoch.
    """

    parameters: int
    cut_short: bool = False
    curve: tuple[Epoch, ...] = ()

    @property
    def kept(self) -> Epoch | None:
        """The first of the best epochs, whose weights were kept."""
        return max(self.curve, key=lambda epoch: epoch.rank, default=None)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Modules draw initial weights and dropout from PyTorch's global generator: inside, it is lent
    this seed; after, it is as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def train_network(
    network: nn.Module,
    recipe: Recipe,
    signals: int,
    loss: Callable[[np.ndarray], Tensor],
    validate: Callable[[], Validation],
    generator: np.random.Generator,
    started: float | None = None,
) -> Training:
    """Train and leave the network with its best weights, ready for evaluation.

    Args:
        network: What to train.
        recipe: Of AdamW, and when to end.
        signals: Of the training split.
        loss: Mean loss of the signals in these rows of the training split.
        validate: Judges the network, which is set to evaluation.
        generator: Where the order of signals is drawn from.
        started: When the training's time began to count, by ``time.perf_counter``; now when not
            given.
    """
    if started is None:
        started = time.perf_counter()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    best = _BestWeights(network)
    curve: list[Epoch] = []
    waited, cut_short = 0, False
    for epoch in range(recipe.epochs):
        network.train()
        done, total = 0, 0.0
        for rows in _shuffled(signals, recipe.batch, generator):
            cut_short = done > 0 and _is_over(recipe.seconds, started)
            if cut_short:
                break
            value = loss(rows)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            done += len(rows)
            total += value.item() * len(rows)
        network.eval()
        with torch.no_grad():
            validation = validate()
        seconds = time.perf_counter() - started
        curve.append(
            Epoch(epoch + done / signals, seconds, total / done, validation.loss, validation.score)
        )
        waited += 1
        if best.offer(curve[-1]):
            waited = 0
        impatient = recipe.patience is not None and waited >= recipe.patience
        if cut_short or impatient:
            break
    best.restore()
    return Training(_parameter_count(network), cut_short, tuple(curve))


def _parameter_count(network: nn.Module) -> int:
    """Numbers that a network learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def _shuffled(signals: int, batch: int, generator: np.random.Generator) -> list[np.ndarray]:
    """All rows in a new order, in batches of about equal size."""
    return np.array_split(generator.permutation(signals), math.ceil(signals / batch))


def _is_over(seconds: float | None, started: float) -> bool:
    return seconds is not None and time.perf_counter() - started > seconds


class _BestWeights:
    """A copy of the best weights so far; where no epoch ever had a score, of the first ones."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._rank = (-math.inf, -math.inf)
        self._weights: dict[str, Any] = copy.deepcopy(network.state_dict())

    def offer(self, epoch: Epoch) -> bool:
        """Keep the network's weights if they rank above those kept."""
        if not epoch.rank > self._rank:
            return False
        self._rank = epoch.rank
        self._weights = copy.deepcopy(self._network.state_dict())
        return True

    def restore(self) -> None:
        """Put the kept weights back."""
        self._network.load_state_dict(self._weights)
