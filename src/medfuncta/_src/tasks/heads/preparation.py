"""How latents are scaled before something learns from them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError


class Preparation:
    """Scaling by the statistics of the training latents.

    Args:
        standardise: Give every entry mean 0 and variance 1. An entry that never varies becomes 0.
        whiten: Project on this many principal components and give each variance 1; 0 leaves that
            out.
    """

    def __init__(self, *, standardise: bool = True, whiten: int = 0) -> None:
        self._standardise = standardise
        self._whiten = whiten

    def fit(self, latents: Float[ndarray, "signals latent"]) -> Float[ndarray, "signals prepared"]:
        """Learn the scaling and apply it.

        Raises:
            ConfigError: If there are fewer signals or entries than components asked for.
        """
        if not 0 <= self._whiten <= min(latents.shape):
            raise ConfigError(
                f"{self._whiten} principal components of {latents.shape[0]} training latents of "
                f"{counted(latents.shape[1], 'number')}; expected at most {min(latents.shape)}"
            )
        steps = []
        if self._standardise:
            steps.append(StandardScaler())
        if self._whiten:
            steps.append(PCA(self._whiten, whiten=True, random_state=0))
        self._pipeline = make_pipeline(*(steps or [FunctionTransformer()]))
        return self._pipeline.fit_transform(latents).astype(np.float32, copy=False)

    def __call__(
        self, latents: Float[ndarray, "signals latent"]
    ) -> Float[ndarray, "signals prepared"]:
        return self._pipeline.transform(latents).astype(np.float32, copy=False)
