"""The omega schedule: how fast each layer's sine oscillates."""

from __future__ import annotations

from medfuncta._src.field.siren.config import SirenConfig


def omegas(config: SirenConfig) -> tuple[float, ...]:
    """w_1 .. w_K (paper, section 3.2): rising linearly from the first to the last, or by a fixed
    increment a layer.

    Equal first and last ones give a constant omega. The last layer is linear; its w serves its
    initialisation only.

    >>> omegas(SirenConfig(layers=3, omega_first=20, omega_last=40))
    (20.0, 30.0, 40.0)
    """
    last_index = config.layers - 1
    if config.omega_increment is not None:
        return tuple(config.omega_first + config.omega_increment * k for k in range(config.layers))
    rise = config.omega_last - config.omega_first
    return tuple(config.omega_first + rise * k / last_index for k in range(config.layers))
