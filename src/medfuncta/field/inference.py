"""The field without derivatives, in the fastest way that the machine has."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import linear

from medfuncta.field.latent_field import LatentField
from medfuncta.field.native_layers import native_layers
from medfuncta.types import Coordinates, Latents, Values

_CHUNK = (
    2**18
)  # numbers of a layer's output at a time on the CPU: what the next layer reads is still in cache


_WORTH = 1024  # points, all signals together, from which C gains more than its preparation costs


def values_of(
    network: LatentField, latents: Latents, points: int
) -> Callable[[Coordinates], Values]:
    """The field with its latents filled in: what ``network(coordinates, latents)`` gives, to
    rounding, without a graph.

    On a CPU the layers run in C where they can (:mod:`medfuncta.field.native_layers`), in half the
    time. Several threads may use it.

    Args:
        network: The shared network; weights that change afterwards change nothing or a part: ask
            anew.
        latents: ``[batch, latent]``.
        points: How many points a signal will be asked for, about.
    """
    with torch.inference_mode():
        layers = native_layers(network) if points * len(latents) >= _WORTH else None
        offsets = [] if layers is None else network.folded_offsets(latents)

    def forward(coordinates: Coordinates) -> Values:
        if layers is None:
            return network(coordinates, latents)
        state = layers.rise(coordinates, offsets, with_cosines=False).states[-1]
        return linear(state, network.last.weight, network.last.bias) + network.config.output_offset

    def values(coordinates: Coordinates) -> Values:
        on_cpu = latents.device.type == "cpu"
        size = (
            max(1, _CHUNK // (len(latents) * network.config.width))
            if on_cpu
            else coordinates.shape[1]
        )
        with torch.inference_mode():
            return torch.cat(
                [forward(part) for part in coordinates.split(max(1, size), dim=1)], dim=1
            )

    return values
