"""Settings of the paper's field."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from medfuncta.config import FieldConfig, expect


@dataclass(frozen=True, kw_only=True)
class SirenConfig(FieldConfig):
    """Sizes and frequencies of a shared network. The defaults are the paper's 2D field (Table 6).

    Args:
        layers: K, the first and the last one included.
        width: L, units of a layer.
        omega_first, omega_last: w_1 and w_K of the linear schedule; equal for a constant omega.
        omega_increment: When set, w_k = omega_first + (k - 1) * omega_increment instead (the
            authors' code).
        residual: Add each hidden layer's input to its output (the authors' code).
        shift_first: Let the latent shift the first layer too (the authors' code).
        output_offset: A constant added to the output (0.5 in the authors' code).

    Raises:
        ConfigError: If a size or an omega is not positive or there are fewer than 3 layers.
    """

    layers: int = 15
    width: int = 256
    omega_first: float = 20.0
    omega_last: float = 400.0
    omega_increment: float | None = None
    residual: bool = False
    shift_first: bool = False
    output_offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        expect("field.width", self.width, self.width >= 1, "a positive number")
        enough_layers = "at least 3: a first, a shifted and a last one"
        expect("field.layers", self.layers, self.layers >= 3, enough_layers)
        for name in ("omega_first", "omega_last"):
            omega = getattr(self, name)
            expect(f"field.{name}", omega, 0 < omega < inf, "a positive number")
        if self.omega_increment is not None:
            last = self.omega_first + self.omega_increment * (self.layers - 1)
            ok = 0 < last < inf
            positive = "one that leaves every omega positive"
            expect("field.omega_increment", self.omega_increment, ok, positive)
        finite = isfinite(self.output_offset)
        expect("field.output_offset", self.output_offset, finite, "a finite number")
