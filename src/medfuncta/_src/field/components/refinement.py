"""The convolutions that refine what the components say."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from medfuncta._src.field.components.config import ComponentsConfig

_CONVOLUTION: Final = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_MIDDLE: Final = 0.5
"""Of the values, which lie in [0, 1]."""
_CONTRAST: Final = 6.0
"""Values less their middle are multiplied by it, so that they reach the bend of the activation."""


class Refinement(nn.Module):
    """Values on a grid to a correction of them: residual convolutions, which know their place by a
    map that is learned. The last one starts at 0, so that there is no correction before training.

    Args:
        config: Sizes.
        generator: Where the initial weights are drawn from.
    """

    def __init__(self, config: ComponentsConfig, generator: torch.Generator) -> None:
        super().__init__()
        self._squeeze = config.squeeze
        self._dim = config.dim
        convolution = _CONVOLUTION[config.dim]
        ends, width = config.channels * config.squeeze**config.dim, config.width
        same = {"kernel_size": config.kernel, "padding": config.kernel // 2}
        cells = [-(-nodes // config.squeeze) for nodes in config.nodes]  # rounded up
        self.first = convolution(ends, width, **same)
        self.place = nn.Parameter(torch.zeros(1, width, *cells))
        self.hidden = nn.ModuleList()
        for _ in range(config.layers - 2):
            self.hidden.append(convolution(width, width, **same))
        self.last = convolution(width, ends, **same)
        self._reset(generator)

    @torch.no_grad()
    def _reset(self, generator: torch.Generator) -> None:
        """PyTorch's own initial weights, drawn from a generator; 0 for the last layer."""
        for name, parameter in self.named_parameters():
            if name.startswith(("place", "last")):
                nn.init.zeros_(parameter)
                continue
            layer = self.get_submodule(name.rpartition(".")[0])
            bound = 1 / math.sqrt(layer.get_parameter("weight")[0].numel())
            nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def forward(self, values: Tensor) -> Tensor:
        """The correction of ``[batch, channels, *nodes]``, of the same shape."""
        correction = self._unsqueezed(self.last(self._features(values)))
        return _cropped(correction, values.shape[2:])

    def features(self, values: Tensor) -> Tensor:
        """What the last layer reads, ``[batch, width, *nodes]``: that of a cell for all its
        nodes."""
        features = self._features(values)
        for axis in range(self._dim):
            features = features.repeat_interleave(self._squeeze, axis + 2)
        return _cropped(features, values.shape[2:])

    def _features(self, values: Tensor) -> Tensor:
        contrast = _CONTRAST * (self._squeezed(values) - _MIDDLE)
        hidden = functional.silu(self.first(contrast) + self.place)
        for layer in self.hidden:
            hidden = hidden + functional.silu(layer(hidden))
        return hidden

    def _squeezed(self, values: Tensor) -> Tensor:
        """Blocks of neighbouring nodes, the cells, to channels; at the end of an axis the last
        value is repeated."""
        side, dim = self._squeeze, self._dim
        if side == 1:
            return values
        before_and_after = []
        for nodes in reversed(values.shape[2:]):
            before_and_after += [0, -nodes % side]
        values = functional.pad(values, before_and_after, mode="replicate")
        batch, channels, *nodes = values.shape
        cells = [count // side for count in nodes]
        split = [batch, channels]
        for count in cells:
            split += [count, side]
        inside = [3 + 2 * axis for axis in range(dim)]
        blocks = [2 + 2 * axis for axis in range(dim)]
        moved = values.reshape(split).permute(0, 1, *inside, *blocks)
        return moved.reshape(batch, channels * side**dim, *cells)

    def _unsqueezed(self, values: Tensor) -> Tensor:
        """The inverse of :meth:`_squeezed`, the repeated values included."""
        side, dim = self._squeeze, self._dim
        if side == 1:
            return values
        batch, channels, *cells = values.shape
        channels //= side**dim
        split = values.reshape(batch, channels, *[side] * dim, *cells)
        order = [0, 1]
        for axis in range(dim):
            order += [2 + dim + axis, 2 + axis]
        nodes = [count * side for count in cells]
        return split.permute(order).reshape(batch, channels, *nodes)


def _cropped(values: Tensor, nodes: torch.Size) -> Tensor:
    """The first ``nodes`` of each axis."""
    for axis, count in enumerate(nodes):
        values = values.narrow(axis + 2, 0, count)
    return values
