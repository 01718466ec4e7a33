"""Classifiers that are neural networks: one way of training for the MLP on latents and the CNNs on
pixels."""

from __future__ import annotations

import copy
import math
import time
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional

from medfuncta.run import default_device
from medfuncta.tasks.classify.classifier import Classifier, Epoch, Training
from medfuncta.tasks.classify.examples import Examples
from medfuncta.tasks.classify.labelling import Labelling
from medfuncta.tasks.classify.metrics import selection_score


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
        seconds: When training is cut short, whatever it has reached; None for no limit.
        balanced: Weigh every class alike in the loss, however rare it is.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    epochs: int = 50
    batch: int = 64
    patience: int | None = None
    seconds: float | None = None
    balanced: bool = False


class NetworkClassifier(Classifier):
    """A network that keeps a copy of the weights that were best on the validation split.

    Args:
        labelling: What the labels mean.
        recipe: How it is trained.
        seed: Of initial weights, order of signals and dropout.
    """

    def __init__(self, labelling: Labelling, recipe: Recipe, seed: int = 0) -> None:
        super().__init__(labelling)
        self.recipe = recipe
        self._seed = seed
        self._device = default_device()
        # PyTorch's first optimiser imports for seconds; that is done here, so that it counts as
        # nobody's training time.
        torch.optim.AdamW([nn.Parameter(torch.zeros(1))])

    @abstractmethod
    def build(self, train: Examples) -> nn.Module:
        """A network from a batch of :meth:`tensor` to one output a target, ``[batch, columns]``;
        may learn a scaling from ``train``."""

    @abstractmethod
    def tensor(self, inputs: Float[ndarray, "batch ..."]) -> Tensor:
        """A batch of inputs as the network reads it."""

    def fit(self, train: Examples, val: Examples) -> Training:
        started = time.perf_counter()
        generator = np.random.default_rng(self._seed)
        # Modules draw initial weights and dropout from PyTorch's global generator: it is lent a
        # seed and given back as it was.
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            self.network = self.build(train).to(self._device)
            curve, cut_short = self._train(train, val, generator, started)
        return Training(sum(p.numel() for p in self.network.parameters()), cut_short, tuple(curve))

    @torch.no_grad()
    def scores(self, inputs: Float[ndarray, "signals ..."]) -> Float[ndarray, "signals classes"]:
        return self._scores(self._outputs(inputs))

    def _train(
        self, train: Examples, val: Examples, generator: np.random.Generator, started: float
    ) -> tuple[list[Epoch], bool]:
        recipe = self.recipe
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        loss = _Loss(self.labelling, train, self._device, balanced=recipe.balanced)
        best, waited, cut_short = _Best(), 0, False
        curve: list[Epoch] = []
        for epoch in range(recipe.epochs):
            done, total = 0, 0.0
            self.network.train()
            for batch in self._batches(train, generator):
                cut_short = (
                    recipe.seconds is not None
                    and time.perf_counter() - started > recipe.seconds
                    and done > 0
                )
                if cut_short:
                    break
                value = loss(self.network(self.tensor(batch.inputs).to(self._device)), batch)
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                done, total = done + len(batch), total + value.item() * len(batch)
            val_loss, val_score = self._validate(val, loss)
            curve.append(
                Epoch(
                    epoch + done / len(train),
                    time.perf_counter() - started,
                    total / done,
                    val_loss,
                    val_score,
                )
            )
            waited = 0 if best.offer(curve[-1], self.network) else waited + 1
            if cut_short or (recipe.patience is not None and waited >= recipe.patience):
                break
        best.restore(self.network)
        return curve, cut_short

    def _batches(self, examples: Examples, generator: np.random.Generator) -> Iterator[Examples]:
        order = generator.permutation(len(examples))
        for rows in np.array_split(order, math.ceil(len(order) / self.recipe.batch)):
            yield examples.take(
                np.sort(rows)
            )  # sorted: a memory-mapped array is read in one direction

    @torch.no_grad()
    def _validate(self, val: Examples, loss: _Loss) -> tuple[float, float]:
        outputs = self._outputs(val.inputs)
        score = selection_score(self.labelling, val.labels, self._scores(outputs))
        return loss(outputs, val).item(), score

    def _outputs(self, inputs: Float[ndarray, "signals ..."]) -> Float[Tensor, "signals columns"]:
        self.network.eval()
        starts = range(0, len(inputs), self.recipe.batch)
        return torch.cat(
            [
                self.network(self.tensor(inputs[s : s + self.recipe.batch]).to(self._device))
                for s in starts
            ]
        )

    def _scores(
        self, outputs: Float[Tensor, "signals columns"]
    ) -> Float[ndarray, "signals classes"]:
        probabilities = outputs.softmax(dim=1) if self.labelling.exclusive else outputs.sigmoid()
        return self.labelling.scores(probabilities.float().cpu().numpy())


class _Loss:
    """Cross-entropy where classes exclude each other, else binary cross-entropy of every target."""

    def __init__(
        self, labelling: Labelling, train: Examples, device: torch.device, *, balanced: bool
    ) -> None:
        self._labelling = labelling
        positives = (
            torch.from_numpy(labelling.targets(train.labels).sum(axis=0))
            .to(device, torch.float32)
            .clamp(min=1)
        )
        self._weight: Tensor | None = None
        if balanced and labelling.exclusive:
            self._weight = len(train) / (labelling.classes * positives)
        elif balanced:
            self._weight = (len(train) - positives).clamp(min=1) / positives

    def __call__(
        self, outputs: Float[Tensor, "batch columns"], examples: Examples
    ) -> Float[Tensor, ""]:
        if self._labelling.exclusive:
            return functional.cross_entropy(
                outputs, torch.tensor(examples.labels, device=outputs.device), weight=self._weight
            )
        targets = torch.from_numpy(self._labelling.targets(examples.labels)).to(outputs)
        return functional.binary_cross_entropy_with_logits(
            outputs, targets, pos_weight=self._weight
        )


class _Best:
    """A copy of the best weights so far."""

    def __init__(self) -> None:
        self._rank = (-math.inf, -math.inf)
        self._weights: dict[str, Any] | None = None

    def offer(self, epoch: Epoch, network: nn.Module) -> bool:
        """Keep these weights if they rank above those kept."""
        if epoch.rank <= self._rank:
            return False
        self._rank, self._weights = epoch.rank, copy.deepcopy(network.state_dict())
        return True

    def restore(self, network: nn.Module) -> None:
        """Put the kept weights back; where none ever had a score, the last ones stay."""
        if self._weights is not None:
            network.load_state_dict(self._weights)
