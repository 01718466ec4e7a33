"""Latents laid out in a plane."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from numpy import ndarray

from medfuncta.errors import DataError, missing_extra
from medfuncta.types import ArrayLatents

MapMethod = Literal["pca", "umap"]


@dataclass(frozen=True, eq=False)
class Map:
    """Signals in a plane.

    Args:
        places: ``[rows, 2]``.
        axes: What the two axes are called.
    """

    places: Float[ndarray, "rows 2"]
    axes: tuple[str, str]


def make_map(latents: ArrayLatents, method: MapMethod = "pca") -> Map:
    """The two principal components, or UMAP's neighbourhood map (McInnes et al. 2018).

    Raises:
        DataError: If there are fewer than 3 latents.
        MedFunctaError: If UMAP is asked for and not installed.
    """
    if len(latents) < 3:
        raise DataError(f"{len(latents)} latents; a map needs at least 3")
    if method == "umap":
        return Map(_umap(latents), ("UMAP 1", "UMAP 2"))
    from sklearn.decomposition import PCA

    pca = PCA(2, random_state=0)
    places = pca.fit_transform(latents)
    shares = [
        f"component {n + 1} ({100 * share:.1f} % of the variance)"
        for n, share in enumerate(pca.explained_variance_ratio_)
    ]
    return Map(places, (shares[0], shares[1]))


def _umap(latents: ArrayLatents) -> Float[ndarray, "rows 2"]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it mentions TensorFlow, which this does not use
            import umap
    except ImportError as error:
        raise missing_extra("umap-learn", "umap") from error
    return umap.UMAP(n_neighbors=min(15, len(latents) - 1), random_state=0, n_jobs=1).fit_transform(
        latents
    )
