"""Cosines on the nodes of a grid: what the mean and the components are made of.

Along an axis of n nodes, c_k(i) = s_k cos(pi k (i + 1/2) / n) with s_0 = 1 and s_k = sqrt 2: their
mean squares over the nodes are 1, and they are orthogonal (DCT-II; Ahmed et al. 1974).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.field.components.config import ComponentsConfig
from medfuncta._src.field.components.interpolation import along_axis


def cosine_matrix(nodes: int, cosines: int, like: Tensor) -> Tensor:
    """``[nodes, cosines]``, of the type and on the device of ``like``."""
    place = (torch.arange(nodes, device=like.device, dtype=like.dtype) + 0.5) / nodes
    frequency = torch.arange(cosines, device=like.device, dtype=like.dtype)
    matrix = math.sqrt(2) * torch.cos(math.pi * place.unsqueeze(1) * frequency)
    return torch.cat([torch.ones_like(matrix[:, :1]), matrix[:, 1:]], dim=1)


def synthesised(coefficients: Tensor, config: ComponentsConfig) -> Tensor:
    """``[batch, features, channels]`` to values ``[batch, channels, *nodes]``."""
    values = coefficients.transpose(1, 2).reshape(-1, config.channels, *config.cosines)
    for axis, (nodes, cosines) in enumerate(zip(config.nodes, config.cosines, strict=True)):
        matrix = cosine_matrix(nodes, cosines, values)
        values = along_axis(values, matrix, axis)
    return values


def analysed(values: Tensor, config: ComponentsConfig) -> Tensor:
    """The transpose of :func:`synthesised`; divided by the number of nodes it gives the
    coefficients of values."""
    for axis, (nodes, cosines) in enumerate(zip(config.nodes, config.cosines, strict=True)):
        matrix = cosine_matrix(nodes, cosines, values)
        values = along_axis(values, matrix.T, axis)
    return values.flatten(2).transpose(1, 2)


def frequencies(config: ComponentsConfig) -> np.ndarray:
    """Of each feature, in half waves of the box's longest side, ``[features]``."""
    sides = np.array(config.box)
    axes = [np.arange(count) / side for count, side in zip(config.cosines, sides, strict=True)]
    squared = sum(np.square(part) for part in np.meshgrid(*axes, indexing="ij"))
    return np.sqrt(squared).reshape(-1) * sides.max()


def lowest_cosines(config: ComponentsConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Which component is which cosine of which channel, the lowest first: their row, feature and
    channel."""
    order = np.argsort(frequencies(config), kind="stable")
    rows = np.arange(config.latent_size)
    features = order[rows // config.channels]
    channels = rows % config.channels
    return torch.from_numpy(rows), torch.from_numpy(features), torch.from_numpy(channels)
