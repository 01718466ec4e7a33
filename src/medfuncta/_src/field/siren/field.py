"""The paper's field: a SIREN whose layers a latent shifts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from medfuncta._src.field.field import Field, ParameterGroup
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.fast_layers import fast_layers
from medfuncta._src.field.siren.folded import FoldedSiren
from medfuncta._src.field.siren.objective import SirenObjective
from medfuncta._src.field.siren.omega import omegas
from medfuncta._src.field.table import FieldKind
from medfuncta._src.types import Coordinates, Features, Latents, Values

_Shift: TypeAlias = Float[Tensor, "batch #points outputs"]
"""What a layer adds: the same at every point, or one at each."""

Settings = TypeVar("Settings", bound=SirenConfig)

_CHUNK: Final = 2**18
"""Numbers of a layer's output at a time on the CPU: what the next layer reads is still in cache."""
_WORTH: Final = 1024
"""Points, all signals together, from which C or Triton gains more than preparing it costs."""


class SirenLayer(nn.Module):
    """``sin(w (W x + b + M phi + m))``; without a shift map ``sin(w (W x + b))``.

    Initialised as in Sitzmann et al. 2020: W and b uniform within 1/n for the first layer and
    sqrt(6/n)/w for others (n = fan-in); the shift map M, m within 1/sqrt(P), PyTorch's default for
    a linear map.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        omega: float,
        latent_size: int | None,
        *,
        first: bool = False,
    ) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(inputs, outputs)
        self.shift = None if latent_size is None else nn.Linear(latent_size, outputs)
        self.bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega

    def reset(self, generator: torch.Generator) -> None:
        """Draw the initial parameters."""
        _draw_within(self.linear, self.bound, generator)
        if self.shift is not None:
            _draw_within(self.shift, 1 / math.sqrt(self.shift.in_features), generator)

    def shift_of(self, latents: Latents) -> _Shift | None:
        """M phi + m, one shift for all points: ``[batch, 1, outputs]``; None without a shift
        map."""
        return None if self.shift is None else self.shift(latents).unsqueeze(1)

    def forward(
        self, inputs: Float[Tensor, "#batch points inputs"], shift: _Shift | None
    ) -> Float[Tensor, "#batch points outputs"]:
        preactivation = self.linear(inputs)
        if shift is not None:
            preactivation = preactivation + shift
        return self.activation(preactivation)

    def activation(self, preactivation: Tensor) -> Tensor:
        """``sin(w z)``."""
        return torch.sin(self.omega * preactivation)


class ShiftedField(Field[Settings]):
    """Layer 1 reads coordinates, layers 2..K-1 are shifted by the latent, layer K is linear (paper,
    section 3.1). What a layer computes is ``layer_type``'s.

    Args:
        config: Sizes and frequencies.
        generator: Where the initial parameters are drawn from; seed 0 when not given.
    """

    layer_type: type[SirenLayer] = SirenLayer

    def __init__(self, config: Settings, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        schedule = omegas(config)
        latent_size = config.latent_size
        first = self.layer_type(
            config.dim,
            config.width,
            schedule[0],
            latent_size if config.shift_first else None,
            first=True,
        )
        hidden = [
            self.layer_type(config.width, config.width, omega, latent_size)
            for omega in schedule[1:-1]
        ]
        self.layers = nn.ModuleList([first, *hidden])
        self.last = nn.Linear(config.width, config.channels)
        self.reset(generator or torch.Generator().manual_seed(0))

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw all initial parameters anew."""
        for layer in self.siren_layers:
            layer.reset(generator)
        last_omega = omegas(self.config)[-1]
        _draw_within(self.last, math.sqrt(6 / self.config.width) / last_omega, generator)

    @property
    def omegas(self) -> tuple[float, ...]:
        """w_1 .. w_K."""
        return omegas(self.config)

    @property
    def siren_layers(self) -> list[SirenLayer]:
        """Layers 1..K-1."""
        return [cast(SirenLayer, layer) for layer in self.layers]

    @property
    def first_shifted(self) -> int:
        """The first layer, from 0, that a latent shifts."""
        return 0 if self.config.shift_first else 1

    def features(self, coordinates: Coordinates, latents: Latents) -> Features:
        """What the last layer reads: the output of layer K-1."""
        first, *hidden = self.siren_layers
        state = first(coordinates, first.shift_of(latents))
        for layer in hidden:
            above = layer(state, layer.shift_of(latents))
            state = state + above if self.config.residual else above
        return state

    def forward(self, coordinates: Coordinates, latents: Latents) -> Values:
        return self.last(self.features(coordinates, latents)) + self.config.output_offset

    def shift_maps(self) -> list[nn.Linear]:
        return [layer.shift for layer in self.siren_layers if layer.shift is not None]

    def parameter_groups(self) -> list[ParameterGroup]:
        """One group a layer, with rates in the ratio w_1 / w_k."""
        schedule = omegas(self.config)
        last_index = len(schedule) - 1
        groups = []
        for index, module in enumerate([*self.layers, self.last]):
            groups.append(
                ParameterGroup(
                    parameters=list(module.parameters()),
                    rate=schedule[0] / schedule[index],
                    hidden=0 < index < last_index,
                )
            )
        return groups


class SirenField(ShiftedField[SirenConfig]):
    """The shared network of the paper, with derivatives written out by hand."""

    def objective(
        self, *, channel_mean: bool = False, autocast: str = "", chunk: int | None = None
    ) -> SirenObjective:
        """As :meth:`Field.objective`.

        Args:
            channel_mean: Average the squared error over channels instead of summing it.
            autocast: ``"bfloat16"`` for matrix products in that type.
            chunk: Points a signal that are processed at a time; chosen from batch and width when
                None.
        """
        bfloat16 = autocast == "bfloat16"
        return SirenObjective(
            self.folded(), channel_mean=channel_mean, bfloat16=bfloat16, chunk=chunk
        )

    @torch.no_grad()
    def folded(self) -> FoldedSiren:
        """The weights with the omegas folded into them: copies of the small ones, views of the
        rest."""
        weights, biases, shift_maps = [], [], []
        for layer in self.siren_layers:
            bias = layer.linear.bias
            if layer.shift is not None:
                bias = bias + layer.shift.bias
                shift_maps.append((layer.omega, layer.shift.weight.detach()))
            weights.append(layer.omega * layer.linear.weight)
            biases.append(layer.omega * bias)
        return FoldedSiren(
            config=self.config,
            weights=weights,
            biases=torch.stack(biases),
            shift_maps=shift_maps,
            last_weight=self.last.weight.detach(),
            last_bias=self.last.bias.detach() + self.config.output_offset,
            names=[name for name, _ in self.named_parameters()],
        )

    def values_of(
        self, latents: Latents, points: int, *, chunk: int = _CHUNK, worth: int = _WORTH
    ) -> Callable[[Coordinates], Values]:
        """The field with its latents filled in, without a graph, in half the time of ``forward``
        where the layers run in C; weights that change afterwards change nothing or a part.

        Args:
            latents: ``[batch, latent]``.
            points: How many points a signal will be asked for, about.
            chunk: Numbers of a layer's output at a time on the CPU.
            worth: Points, all signals together, from which C or Triton is used.
        """
        with torch.inference_mode():
            folded = self.folded()
            layers = fast_layers(folded) if points * len(latents) >= worth else None
            offsets = folded.offsets(latents) if layers is not None else []

        def values_at(coordinates: Coordinates) -> Values:
            if layers is None:
                return self(coordinates, latents)
            state = layers.forward(coordinates, offsets, with_cosines=False).states[-1]
            return linear(state, folded.last_weight, folded.last_bias)

        def values(coordinates: Coordinates) -> Values:
            size = coordinates.shape[1]
            if latents.device.type == "cpu":
                size = max(1, chunk // (len(latents) * self.config.width))
            with torch.inference_mode():
                parts = [values_at(part) for part in coordinates.split(max(1, size), dim=1)]
                return torch.cat(parts, dim=1)

        return values


def _draw_within(linear_map: nn.Linear, bound: float, generator: torch.Generator) -> None:
    """Draw weights and bias anew, uniformly within ``bound`` of 0."""
    for parameter in linear_map.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)


KIND = FieldKind(SirenConfig, SirenField)
