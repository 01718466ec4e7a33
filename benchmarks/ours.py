"""Our side of every comparison: the package as a user has it, at the setting of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.case import FIT_STEPS, Case, sample_values
from medfuncta._src.config import FitConfig, Quality
from medfuncta._src.field.table import build_field
from medfuncta._src.latents.fit import fit_latents
from medfuncta._src.learning.context import ContextIndex, draw_context
from medfuncta._src.learning.fitter import Fitted
from medfuncta._src.learning.meta_gradient import MetaGradient, meta_gradient
from medfuncta._src.learning.optimiser import apply_gradients, make_optimisers
from medfuncta._src.learning.shared_points import sharing_points
from medfuncta._src.process import keep_freed_memory
from medfuncta._src.run import Run
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal_set import SignalSet


class Ours:
    """A network with its optimiser.

    Args:
        case: Sizes and settings.
        weights: Initial ones by parameter name; drawn from the case's seed when None.
    """

    def __init__(self, case: Case, weights: Mapping[str, Tensor] | None = None) -> None:
        keep_freed_memory()  # as the commands do
        self.case = case
        self._config = case.config
        self._generator = torch.Generator().manual_seed(case.seed)
        self.network = build_field(case.field, self._generator)
        if weights is not None:
            self.network.load_state_dict(weights)
        self._optimisers = make_optimisers(self.network, self._config.train)

    def points(self, values: np.ndarray) -> Points:
        """Values ``[signals, points, channels]`` as one batch."""
        return self.case.signals(values).points(range(len(values)))

    def meta_step(self, points: Points) -> None:
        """Fresh contexts, the meta-gradient and a step of the optimiser."""
        train = self._config.train
        contexts = [draw_context(points, train, self._generator) for _ in range(train.inner_steps)]
        apply_gradients(
            self.network,
            self._optimisers,
            self.meta_gradient(points, contexts).gradients,
            train.learning_rate,
            train.clip,
        )

    def meta_gradient(self, points: Points, contexts: Sequence[ContextIndex]) -> MetaGradient:
        """The gradient of a meta-step, with these contexts."""
        objective = sharing_points(self.network.objective(channel_mean=True), points)
        latents, memory = self.network.zero_latents(points.batch), self.case.memory_mb * 2**20
        return meta_gradient(
            objective, latents, points, contexts, self._config.inner, memory=memory
        )

    def fit(self, signals: SignalSet, batch: int, quality: Quality = "paper") -> Fitted:
        """Latents from all points: by H inner steps, or by the steps of another quality."""
        run = Run(self.network, self._config, signals.spec)
        return fit_latents(
            run, signals, FitConfig(steps=FIT_STEPS, batch=batch, quality=quality), device="cpu"
        )


def meta_step(case: Case) -> Callable[[], None]:
    """A meta-step, ready to run on signals that come with the package."""
    ours = Ours(case)
    points = ours.points(sample_values(case, case.batch))
    return lambda: ours.meta_step(points)
