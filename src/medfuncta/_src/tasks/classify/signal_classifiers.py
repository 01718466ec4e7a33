"""Baselines on pixels: the CNNs that the paper compares latents with, from MONAI, for signals of
one, two and three dimensions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional

from medfuncta._src.errors import missing_extra
from medfuncta._src.tasks.classify.classifier import ClassifierOptions, Kind, Maker
from medfuncta._src.tasks.classify.examples import Examples
from medfuncta._src.tasks.classify.labelling import Labelling
from medfuncta._src.tasks.classify.network import NetworkClassifier
from medfuncta._src.tasks.heads.training import Recipe

_RECIPE: Final = Recipe(learning_rate=1e-3, epochs=50, batch=32, patience=10)
"""AdamW as for the MLP; ends after ten epochs without a better validation score."""
_SMALLEST_MAP: Final = 8
"""Samples along the shortest axis that a ResNet's stem leaves to its blocks."""
_STRIDE: Final = 32
"""By how much an EfficientNet shrinks an axis altogether."""


class ConvolutionalClassifier(NetworkClassifier):
    """A CNN on the normalised values ``[signals, *shape, channels]`` of signals on one grid,
    trained from random weights; the arguments are those of :class:`NetworkClassifier`.

    Raises:
        MedFunctaError: If MONAI is not installed.
    """

    def __init__(
        self,
        labelling: Labelling,
        recipe: Recipe = _RECIPE,
        seed: int = 0,
        *,
        balanced: bool = False,
    ) -> None:
        super().__init__(labelling, recipe, seed, balanced=balanced)
        # The import takes seconds: it is done here and not in training, whose time is reported.
        self._nets = _monai()

    def build(self, train: Examples) -> nn.Module:
        _, *shape, channels = train.inputs.shape
        return self.network_for(tuple(shape), channels)

    @abstractmethod
    def network_for(self, shape: tuple[int, ...], channels: int) -> nn.Module:
        """A network from ``[batch, channels, *shape]`` to ``[batch, columns]``."""

    def tensor(self, inputs: Float[ndarray, "batch *shape channels"]) -> Tensor:
        """``[batch, channels, *shape]`` in [-1, 1]."""
        return torch.from_numpy(2 * np.ascontiguousarray(np.moveaxis(inputs, -1, 1)) - 1)


class ResNet50(ConvolutionalClassifier):
    """MONAI's ResNet50. Its stem, which shrinks an axis by 4, shrinks small signals by 2 or not at
    all, so that the blocks have something to look at."""

    def network_for(self, shape: tuple[int, ...], channels: int) -> nn.Module:
        kernel, stride = 3, 1
        if min(shape) >= 2 * _SMALLEST_MAP:
            kernel, stride = 7, 2
        return self._nets.resnet50(
            spatial_dims=len(shape),
            n_input_channels=channels,
            num_classes=self.labelling.columns,
            conv1_t_size=kernel,
            conv1_t_stride=stride,
            no_max_pool=min(shape) < 4 * _SMALLEST_MAP,
        )


class EfficientNetB0(ConvolutionalClassifier):
    """MONAI's EfficientNet-B0 on signals padded with zeros to multiples of 32, the sizes that its
    fixed paddings are right for."""

    def network_for(self, shape: tuple[int, ...], channels: int) -> nn.Module:
        network = self._nets.EfficientNetBN(
            "efficientnet-b0",
            pretrained=False,
            spatial_dims=len(shape),
            in_channels=channels,
            num_classes=self.labelling.columns,
            # Averages over 10 steps as torchvision's B0 does, not over 100, which a short training
            # never reaches.
            norm="batch",
        )
        # MONAI draws the last layer for a thousand classes: for two, its first outputs would be
        # near 10 and the first loss as high.
        [*_, last] = [module for module in network.modules() if isinstance(module, nn.Linear)]
        last.reset_parameters()
        return nn.Sequential(_PadToStride(), network)


class _PadToStride(nn.Module):
    """Centres a signal among as few zeros as it takes."""

    def forward(
        self, values: Float[Tensor, "batch channels *shape"]
    ) -> Float[Tensor, "batch channels *padded"]:
        sides: list[int] = []
        for size in reversed(values.shape[2:]):  # PyTorch names the last axis first
            missing = -size % _STRIDE
            sides += [missing // 2, missing - missing // 2]
        return functional.pad(values, sides)


def _monai() -> Any:
    """MONAI's networks.

    Raises:
        MedFunctaError: If MONAI is not installed.
    """
    try:
        from monai.networks import nets
    except ImportError as error:
        raise missing_extra("monai", "baselines") from error
    return nets


def _kind(name: str, network: type[ConvolutionalClassifier]) -> Kind:
    def makers(options: ClassifierOptions) -> Mapping[str, Maker]:
        recipe = options.recipe(_RECIPE)
        return {
            name: lambda labelling, seed: network(
                labelling, recipe, seed, balanced=options.balanced
            )
        }

    return makers


SIGNAL_CLASSIFIERS: Final[Mapping[str, Kind]] = {
    "resnet50": _kind("resnet50", ResNet50),
    "efficientnet-b0": _kind("efficientnet-b0", EfficientNetB0),
}
"""The kinds that learn from the signals themselves, by their name on the command line."""
