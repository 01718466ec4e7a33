"""Test-time adaptation: latents for new signals, with the shared network frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch

from medfuncta._src.config import FitConfig, InnerConfig
from medfuncta._src.door.wording import counted
from medfuncta._src.field.field import Field
from medfuncta._src.learning.adapt import adapt_to
from medfuncta._src.learning.gauss_newton import FieldLeastSquares
from medfuncta._src.learning.loading import Loading
from medfuncta._src.learning.quality import clamped_errors
from medfuncta._src.learning.refine import refine_to
from medfuncta._src.signals.points import Points
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.types import Latents, Losses

_TOLERANCE: Final = 1e-3
"""Of ``"best"``: 0.004 dB a step."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Latents of signals, in their order.

    Args:
        latents: ``[signals, latent]`` float32 on the CPU; NaN for a signal that could not be
            fitted.
        errors: Mean squared error of each signal's reconstruction, values clamped to [0, 1], on its
            observed points; ``[signals]`` float32 on the CPU.
    """

    latents: Latents
    errors: Losses

    def __repr__(self) -> str:
        signals, size = self.latents.shape
        return f"Fitted({counted(signals, 'latent')} of {counted(size, 'number')})"


class Fitter:
    """Fits latents; built once for a field, a quality and a device.

    ``"paper"`` takes H inner steps of one gradient each; ``"fast"`` a few of them and then damped
    Gauss-Newton steps; ``"best"`` such steps after the H inner ones until a signal gets no better,
    so that none is worse than with ``"paper"``.

    A signal's latent does not depend on its batch mates (beyond float rounding), and a NaN signal
    spoils its own only. Weights of the field that change afterwards ask for a new fitter.

    Args:
        field: The shared network; never changed. On another device a copy of it is used.
        inner: The inner loop that it was trained with.
        config: Steps, batch and quality.
        device: Where to compute; where the field is when None.
    """

    def __init__(
        self,
        field: Field,
        inner: InnerConfig,
        config: FitConfig,
        *,
        device: torch.device | str | None = None,
    ) -> None:
        self.field = field.on(device)
        self.config = config
        self._inner = inner
        self._plan = config.plan
        self._objective = self.field.objective(channel_mean=inner.channel_mean)
        self._squares: FieldLeastSquares | None = None
        if self._plan.gauss_newton_steps:
            self._squares = FieldLeastSquares(self._objective, self.field.config.latent_size)

    def __repr__(self) -> str:
        kind = self.field.config.kind
        return f"Fitter({kind} field on {self.field.device}, {self._plan})"

    def __call__(self, points: Points) -> Latents:
        """The latents of one batch of signals.

        Args:
            points: All their points, on the device and in the type of :attr:`field`.

        Returns:
            ``[batch, latent]`` there; NaN for a signal that could not be fitted.
        """
        with torch.no_grad():
            points = self.field.completed(points)
            initial = self.field.initial_latents(points)
        latents = adapt_to(
            self._objective,
            initial,
            points,
            self._plan.inner_steps,
            self._inner,
        )
        if self._squares is None:
            return latents
        return refine_to(
            self._squares,
            latents,
            points,
            self._plan.gauss_newton_steps,
            tolerance=_TOLERANCE if self._plan.until_no_better else 0.0,
        )

    def fit(self, signals: SignalSet, progress: Callable[[int], None] | None = None) -> Fitted:
        """The latents of a set of signals, batch by batch, the odd last one included.

        Args:
            signals: Of the field's dimension and channels.
            progress: Called with the number of signals fitted since the last call.
        """
        batches = signals.spans(self.config.batch)
        latents, errors = [], []
        with Loading(
            lambda number: signals.points(batches[number]),
            len(batches),
            self.field.device,
            self.field.dtype,
        ) as load:
            for number, which in enumerate(batches):
                points = load(number)
                fitted = self(points)
                latents.append(fitted.float().cpu())
                errors.append(clamped_errors(self.field, fitted, points).float().cpu())
                if progress is not None:
                    progress(len(which))
        return Fitted(torch.cat(latents), torch.cat(errors))
