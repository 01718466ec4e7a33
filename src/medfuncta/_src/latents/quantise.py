"""How the numbers of a latent are stored: as they are, in half precision, or as 8-bit integers with
one scale a latent."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int8, Shaped
from numpy import ndarray

from medfuncta._src.errors import LatentSetError, suggest
from medfuncta._src.types import ArrayLatents

DTYPES: Final = ("float32", "float16", "int8")
_LARGEST_INT8 = 127


def check_dtype(dtype: str) -> str:
    """The name itself, when it is one of :data:`DTYPES`.

    Raises:
        LatentSetError: If it is not.
    """
    if dtype not in DTYPES:
        raise LatentSetError(f"latents cannot be stored as '{dtype}'; {suggest(dtype, DTYPES)}")
    return dtype


def quantise(
    latents: ArrayLatents, dtype: str
) -> tuple[Shaped[ndarray, "rows latent"], Float[ndarray, " rows"] | None]:
    """Latents as they are stored, and the scale of each row for ``int8``.

    An 8-bit latent is ``scale * integer`` with ``scale = max |phi| / 127``: symmetric, so that 0
    stays 0. Half precision clips at its largest number, which no sound latent comes near.
    """
    if dtype == "float32":
        return latents.astype(np.float32, copy=False), None
    if dtype == "float16":
        largest = np.finfo(np.float16).max
        return np.clip(latents, -largest, largest).astype(np.float16), None
    scales = (np.abs(latents).max(axis=1) / _LARGEST_INT8).astype(np.float32)
    steps = np.divide(
        latents, scales[:, None], out=np.zeros_like(latents), where=scales[:, None] > 0
    )
    return np.rint(steps).astype(np.int8), scales


def restore(
    stored: Float[ndarray, "rows latent"] | Int8[ndarray, "rows latent"],
    scales: Float[ndarray, " rows"] | None,
) -> ArrayLatents:
    """Stored latents as float32, in memory of their own: what Arrow holds cannot be written to."""
    latents = stored.astype(np.float32)
    return latents if scales is None else latents * scales[:, None]
