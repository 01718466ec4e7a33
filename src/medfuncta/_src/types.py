"""Array shapes by name; checked at run time in the tests.

Axes: ``batch`` signals, ``points`` coordinates of a signal, ``dim`` spatial axes (1, 2 or 3),
    ``channels`` numbers per point, ``latent``
entries of a latent (P).
"""

from __future__ import annotations

from typing import TypeAlias

from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

Coordinates: TypeAlias = Float[Tensor, "#batch points dim"]
"""Where, in [-1, 1]. ``batch`` is 1 where all signals share one grid."""
Values: TypeAlias = Float[Tensor, "batch points channels"]
"""What, mapped to [0, 1]."""
Features: TypeAlias = Float[Tensor, "#batch points width"]
"""What the last layer of a field reads."""
Weights: TypeAlias = Float[Tensor, "batch points"]
"""How much each point counts; the weights of a signal sum to 1, a missing point weighs 0."""
Latents: TypeAlias = Float[Tensor, "batch latent"]
"""The stored vectors phi, one row a signal."""
Losses: TypeAlias = Float[Tensor, " batch"]
"""One loss a signal."""

ArrayCoordinates: TypeAlias = Float[ndarray, "points dim"]
ArrayValues: TypeAlias = Float[ndarray, "... channels"]
ArrayLatents: TypeAlias = Float[ndarray, "rows latent"]
ArrayMask: TypeAlias = Bool[ndarray, "..."]
