"""FINER: a sine whose frequency grows with what it is taken of (Liu et al., CVPR 2024).

A layer computes ``sin(w (|z| + 1) z)`` with ``z = W x + b + M phi + m``. Its first bias is drawn
from a wider range than a SIREN's, so that units start at different frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from medfuncta._src.config import Word
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import ShiftedField, SirenLayer
from medfuncta._src.field.table import FieldKind


@dataclass(frozen=True, kw_only=True)
class FinerConfig(SirenConfig):
    """Sizes and frequencies, as of a SIREN.

    Args:
        bias_bound: The first layer's bias is drawn from minus this to this at the start (k of
            FINER's paper).
    """

    kind: Word = "finer"
    bias_bound: Annotated[float, Meta(gt=0, le=1e6)] = 1.0


class FinerLayer(SirenLayer):
    """A layer with FINER's activation in place of the sine."""

    def activation(self, preactivation: Tensor) -> Tensor:
        """``sin(w (|z| + 1) z)``; the factor is differentiated like all else."""
        return torch.sin(self.omega * (preactivation.abs() + 1) * preactivation)


class FinerField(ShiftedField[FinerConfig]):
    """The paper's field with FINER's activation."""

    layer_type = FinerLayer

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        super().reset(generator)
        bound = self.config.bias_bound
        nn.init.uniform_(self.siren_layers[0].linear.bias, -bound, bound, generator=generator)


KIND = FieldKind(FinerConfig, FinerField)
