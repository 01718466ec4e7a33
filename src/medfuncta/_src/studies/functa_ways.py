"""How Functa and COIN++ learn: learned rates in the inner loop, and patches as signals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.errors import DataError
from medfuncta._src.field.field import Field
from medfuncta._src.learning.checkpoint import TrainingState
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.studies.meta_gradients import apply, drawn, point_losses
from medfuncta._src.types import Latents

_LEAST, _MOST = 0.005, 0.1
"""Between which inner rates begin (Dupont et al. 2022)."""


class MetaSGD:
    """Meta-steps that learn a rate for each number of the latent beside the network, by the exact
    gradient with a stored graph (Li et al. 2017, as in Functa).

    Args:
        latent_size: Numbers of a latent.
        learning_rate: Of the rates, with Adam.
        seed: Of their first values.
    """

    def __init__(self, latent_size: int, learning_rate: float, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        drawn_rates = torch.rand(latent_size, generator=generator)
        self.rates = torch.nn.Parameter(_LEAST + (_MOST - _LEAST) * drawn_rates)
        self._optimiser = torch.optim.Adam([self.rates], lr=learning_rate)

    def __call__(self, state: TrainingState, train: SignalSet, config: Config) -> None:
        """One meta-step."""
        field = state.field
        batch = drawn(state, train, config)
        self.rates.data = self.rates.data.to(field.device, field.dtype)
        with torch.enable_grad():
            steps = len(batch.contexts)
            latents = self.adapted(field, batch.points, steps, config, learning=True)
            loss = point_losses(field, latents, batch.points, config.inner).mean()
            names, parameters = zip(*field.named_parameters(), strict=True)
            found = torch.autograd.grad(
                loss, [self.rates, *parameters], allow_unused=True, materialize_grads=True
            )
        if torch.isfinite(found[0]).all():
            self.rates.grad = found[0]
            self._optimiser.step()
            self.rates.data.clamp_(0.0, 1.0)
        apply(state, dict(zip(names, found[1:], strict=True)), config)

    def adapted(
        self, field: Field, points: Points, steps: int, config: Config, *, learning: bool = False
    ) -> Latents:
        """Latents after so many steps on all points, from 0."""
        latents = field.zero_latents(points.batch).clone()
        for _ in range(steps):
            with torch.enable_grad():
                variable = latents if learning else latents.detach()
                if not variable.requires_grad:
                    variable = variable.requires_grad_()
                losses = point_losses(field, variable, points, config.inner)
                (step,) = torch.autograd.grad(losses.sum(), variable, create_graph=learning)
                latents = variable - self.rates * step
        return latents if learning else latents.detach()


def patches_of(signals: SignalSet, cuts: int) -> SignalSet:
    """Every image in ``cuts`` x ``cuts`` patches of equal size, each a signal of its own, image by
    image; what does not fit at the lower and right border is left out.

    Raises:
        DataError: If they are no images.
    """
    if signals.spec.dim != 2:
        raise DataError(
            f"{signals.spec.dim}D signals; COIN++'s patches are of images, 2D, so give --data some"
        )
    patches = []
    for index, header in enumerate(signals.headers):
        values = signals.normalised(index).reshape(header.shape)
        for number, patch in enumerate(cut(values, cuts)):
            name = f"{index}-{number}"
            grid = Grid(patch.shape[:-1])
            patches.append(Signal.of(name, patch, grid, ValueRange(0.0, 1.0)))
    spec = SignalSpec(signals.spec.dim, signals.spec.channels)
    return SignalSet.collect(spec, patches)


def cut(values: np.ndarray, cuts: int) -> list[np.ndarray]:
    """An image in patches, row by row."""
    height, width = (side // cuts for side in values.shape[:2])
    patches = []
    for row in range(cuts):
        for column in range(cuts):
            rows = slice(row * height, (row + 1) * height)
            columns = slice(column * width, (column + 1) * width)
            patches.append(np.ascontiguousarray(values[rows, columns]))
    return patches


def joined(patches: Sequence[np.ndarray], cuts: int) -> np.ndarray:
    """The image that these patches were cut from."""
    rows = []
    for row in range(cuts):
        rows.append(np.concatenate(patches[row * cuts : (row + 1) * cuts], axis=1))
    return np.concatenate(rows, axis=0)


def fitted(field: Field, signals: SignalSet, config: Config, sgd: MetaSGD | None) -> Tensor:
    """Latents of held-out signals: by learned rates and as many steps as in training, where there
    are such rates; as the settings say otherwise."""
    if sgd is None:
        return Fitter(field, config.inner, config.fit).fit(signals).latents
    latents = []
    for _, batch in signals.batches(config.fit.batch):
        points = batch.to(field.device, field.dtype)
        found = sgd.adapted(field, points, config.train.inner_steps, config)
        latents.append(found.float().cpu())
    return torch.cat(latents)
