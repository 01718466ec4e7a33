"""The paper's classifier on latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from medfuncta.tasks.classify.examples import Examples
from medfuncta.tasks.classify.labelling import Labelling
from medfuncta.tasks.classify.network import NetworkClassifier, Recipe
from medfuncta.tasks.heads.preparation import Preparation


class MLP(NetworkClassifier):
    """Three linear layers with ReLU and dropout (paper, section 4.2; 1.2 million parameters for
    latents of 2,048 and 2 classes).

    Args:
        labelling: What the labels mean.
        recipe: How it is trained; the default is the paper's AdamW at 1e-3 for 50 epochs.
        seed: Of initial weights, order of signals and dropout.
        hidden: Units of the first and the second layer.
        dropout: Share of units that a training step leaves out.
        whiten: Principal components to whiten first, 0 to standardise every entry only.
    """

    def __init__(
        self,
        labelling: Labelling,
        recipe: Recipe | None = None,
        seed: int = 0,
        *,
        hidden: Sequence[int] = (512, 256),
        dropout: float = 0.3,
        whiten: int = 0,
    ) -> None:
        super().__init__(labelling, recipe or Recipe(), seed)
        self._hidden = hidden
        self._dropout = dropout
        self._preparation = Preparation(whiten=whiten)

    def build(self, train: Examples) -> nn.Module:
        layers: list[nn.Module] = []
        inputs = self._preparation.fit(train.inputs).shape[1]
        for units in self._hidden:
            layers += [nn.Linear(inputs, units), nn.ReLU(), nn.Dropout(self._dropout)]
            inputs = units
        return nn.Sequential(*layers, nn.Linear(inputs, self.labelling.columns))

    def tensor(self, inputs: Float[ndarray, "batch latent"]) -> Tensor:
        return torch.from_numpy(self._preparation(inputs))
