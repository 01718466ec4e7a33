"""Test-time adaptation: latents for new signals, with the shared network frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from medfuncta.config import FitConfig, InnerConfig
from medfuncta.field.latent_field import LatentField
from medfuncta.field.run import Run, default_device
from medfuncta.learning.adapt import adapt_to
from medfuncta.learning.gauss_newton import FieldLeastSquares
from medfuncta.learning.refine import refine_to
from medfuncta.learning.siren_objective import SirenObjective
from medfuncta.learning.validate import clamped_errors
from medfuncta.signals.points import Points
from medfuncta.signals.signal_set import SignalSet
from medfuncta.types import Latents, Losses

_FAST_FIRST_STEPS, _FAST_STEPS = (
    5,
    3,
)  # more than 1 dB above H = 20 inner steps, in less of their time (docs/log.md)
_BEST_STEPS = 60
_BEST_TOLERANCE = 1e-3  # 0.004 dB a step


@dataclass(frozen=True, eq=False)
class Fit:
    """Latents of signals, in their order.

    Args:
        latents: ``[signals, latent]`` float32 on the CPU; NaN for a signal that could not be
            fitted.
        errors: Mean squared error of each signal's reconstruction, clamped to [0, 1], on its
            observed points.
    """

    latents: Latents
    errors: Losses


def fit_latents(
    run: Run,
    signals: SignalSet,
    config: FitConfig | None = None,
    *,
    device: torch.device | str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Fit:
    """A latent for every signal from all of its points, batch by batch, the odd last one included.

    ``"paper"`` takes H inner steps of one gradient each, ``"fast"`` five of them and three damped
    Gauss-Newton steps, ``"best"`` such steps after the H inner ones until a signal gets no better,
    so that none is worse than with ``"paper"``.

    A signal's latent does not depend on its batch mates (beyond float rounding), and a NaN signal
    spoils its own only.

    Args:
        run: The shared network and the inner loop it was trained with.
        signals: What to fit; must have the run's dimension and channels.
        config: Steps, batch and quality; those of the run when None.
        device: Where to compute; an accelerator when there is one.
        progress: Called with the number of signals fitted since the last call.

    Raises:
        DataError: If dimension or channels do not match the run.
    """
    run.spec.check_fits(signals.spec)
    config = config or run.config.fit
    device = torch.device(device or default_device())
    network = run.network.to(device)
    solve = _solver(network, config, run.config.inner)
    latents, errors = [], []
    for which, batch in signals.batches(config.batch):
        points = batch.to(device, network.last.weight.dtype)
        fitted = solve(points)
        latents.append(fitted.float().cpu())
        errors.append(clamped_errors(network, fitted, points).float().cpu())
        if progress is not None:
            progress(len(which))
    return Fit(torch.cat(latents), torch.cat(errors))


def _solver(
    network: LatentField, config: FitConfig, inner: InnerConfig
) -> Callable[[Points], Latents]:
    """The way from points to latents that the configuration asks for."""
    descend = SirenObjective(network, channel_mean=inner.channel_mean)

    def descended(points: Points, steps: int = config.steps) -> Latents:
        return adapt_to(descend, network.zero_latents(points.batch), points, steps, inner)

    if config.quality == "paper":
        return descended
    squares = FieldLeastSquares(descend)
    if config.quality == "fast":
        return lambda points: refine_to(
            squares, descended(points, _FAST_FIRST_STEPS), points, _FAST_STEPS
        )
    return lambda points: refine_to(
        squares, descended(points), points, _BEST_STEPS, tolerance=_BEST_TOLERANCE
    )
