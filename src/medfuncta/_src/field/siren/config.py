"""Settings of the paper's field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from medfuncta._src.config import FieldConfig
from medfuncta._src.door.limits import Omega
from medfuncta._src.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class SirenConfig(FieldConfig):
    """Sizes and frequencies of a shared network. The defaults are the paper's 2D field (Table 6).

    Args:
        layers: Layers of the network, the first and the last one included (K of the paper).
        width: Units of a layer (L of the paper).
        omega_first: How fast the sines of the first layer oscillate.
        omega_last: The same of the last layer; those between lie on a line (the omega schedule).
            Equal to the first for a constant omega.
        omega_increment: When set, omega grows by this from layer to layer, and omega_last has no
            say (the authors' code).
        residual: Add each hidden layer's input to its output (the authors' code).
        shift_first: Let the latent shift the first layer too (the authors' code).
        output_offset: A constant added to the output (0.5 in the authors' code).

    Raises:
        ConfigError: If a setting is out of its bounds, or an omega would not be positive.
    """

    layers: Annotated[int, Meta(ge=3, le=1000)] = 15
    width: Annotated[int, Meta(ge=1, le=2**16)] = 256
    omega_first: Omega = 20.0
    omega_last: Omega = 400.0
    omega_increment: Annotated[float, Meta(ge=-1e6, le=1e6)] | None = None
    residual: bool = False
    shift_first: bool = False
    output_offset: Annotated[float, Meta(ge=-1e6, le=1e6)] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.omega_increment is None:
            return
        last = self.omega_first + self.omega_increment * (self.layers - 1)
        if last <= 0:
            raise ConfigError(
                f"setting 'field.omega_increment' is {self.omega_increment}; expected one that "
                "leaves every omega positive"
            )
