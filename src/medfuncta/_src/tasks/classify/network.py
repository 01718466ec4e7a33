"""Classifiers that are neural networks, the MLP on latents and the CNNs on pixels: what they are
trained on and chosen by."""

from __future__ import annotations

import time
from abc import abstractmethod

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional

from medfuncta._src.field.device import default_device
from medfuncta._src.tasks.classify.classifier import Classifier
from medfuncta._src.tasks.classify.examples import Examples
from medfuncta._src.tasks.classify.labelling import Labelling
from medfuncta._src.tasks.classify.metrics import selection_score
from medfuncta._src.tasks.heads.training import Recipe, Training, Validation, seeded, train_network


class NetworkClassifier(Classifier):
    """A network that keeps a copy of the weights that were best on the validation split.

    Args:
        labelling: What the labels mean.
        recipe: How it is trained.
        seed: Of initial weights, order of signals and dropout.
        balanced: Weigh every class alike in the loss, however rare it is.
    """

    def __init__(
        self, labelling: Labelling, recipe: Recipe, seed: int = 0, *, balanced: bool = False
    ) -> None:
        super().__init__(labelling)
        self.recipe = recipe
        self._seed = seed
        self._balanced = balanced
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
        loss = _Loss(self.labelling, train, self._device, balanced=self._balanced)

        def batch_loss(rows: ndarray) -> Tensor:
            batch = train.take(np.sort(rows))  # a memory-mapped array is read in one direction
            return loss(self.network(self._on_device(batch.inputs)), batch)

        with seeded(self._seed):
            self.network = self.build(train).to(self._device)
            return train_network(
                self.network,
                self.recipe,
                len(train),
                loss=batch_loss,
                validate=lambda: self._validate(val, loss),
                generator=np.random.default_rng(self._seed),
                started=started,
            )

    @torch.no_grad()
    def scores(self, inputs: Float[ndarray, "signals ..."]) -> Float[ndarray, "signals classes"]:
        return self._scores(self._outputs(inputs))

    def _validate(self, val: Examples, loss: _Loss) -> Validation:
        outputs = self._outputs(val.inputs)
        score = selection_score(self.labelling, val.labels, self._scores(outputs))
        return Validation(score, loss(outputs, val).item())

    def _outputs(self, inputs: Float[ndarray, "signals ..."]) -> Float[Tensor, "signals columns"]:
        self.network.eval()
        size = self.recipe.batch
        parts = []
        for start in range(0, len(inputs), size):
            parts.append(self.network(self._on_device(inputs[start : start + size])))
        return torch.cat(parts)

    def _on_device(self, inputs: Float[ndarray, "batch ..."]) -> Tensor:
        return self.tensor(inputs).to(self._device)

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
        counts = torch.from_numpy(labelling.targets(train.labels).sum(axis=0))
        positives = counts.to(device, torch.float32).clamp(min=1)
        self._weight: Tensor | None = None
        if balanced and labelling.exclusive:
            self._weight = len(train) / (labelling.classes * positives)
        elif balanced:
            self._weight = (len(train) - positives).clamp(min=1) / positives

    def __call__(
        self, outputs: Float[Tensor, "batch columns"], examples: Examples
    ) -> Float[Tensor, ""]:
        if self._labelling.exclusive:
            labels = torch.tensor(examples.labels, device=outputs.device)
            return functional.cross_entropy(outputs, labels, weight=self._weight)
        targets = torch.from_numpy(self._labelling.targets(examples.labels)).to(outputs)
        return functional.binary_cross_entropy_with_logits(
            outputs, targets, pos_weight=self._weight
        )
