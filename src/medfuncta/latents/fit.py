"""Test-time adaptation: latents for new signals, with the shared network frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from medfuncta.config import FitConfig
from medfuncta.field.run import Run, default_device
from medfuncta.learning.adapt import adapt_to
from medfuncta.learning.siren_objective import SirenObjective
from medfuncta.learning.validate import clamped_errors
from medfuncta.signals.signal_set import SignalSet
from medfuncta.types import Latents, Losses


@dataclass(frozen=True, eq=False)
class Fit:
    """Latents of signals, in their order.

    Args:
        latents: ``[signals, latent]`` float32 on the CPU; NaN for a signal that could not be fitted.
        errors: Mean squared error of each signal's reconstruction, clamped to [0, 1], on its observed points.
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
    """H inner steps on all points of every signal, batch by batch, the odd last one included; one gradient a step.

    A signal's latent does not depend on its batch mates (beyond float rounding), and a NaN signal spoils its own only.

    Args:
        run: The shared network and the inner loop it was trained with.
        signals: What to fit; must have the run's dimension and channels.
        config: Steps and batch; those of the run when None.
        device: Where to compute; an accelerator when there is one.
        progress: Called with the number of signals fitted since the last call.

    Raises:
        DataError: If dimension or channels do not match the run.
    """
    run.spec.check_fits(signals.spec)
    config = config or run.config.fit
    device = torch.device(device or default_device())
    network = run.network.to(device)
    objective = SirenObjective(network, channel_mean=run.config.inner.channel_mean)
    latents, errors = [], []
    for which, batch in signals.batches(config.batch):
        points = batch.to(device, network.last.weight.dtype)
        fitted = adapt_to(objective, network.zero_latents(points.batch), points, config.steps, run.config.inner)
        latents.append(fitted.float().cpu())
        errors.append(clamped_errors(network, fitted, points).float().cpu())
        if progress is not None:
            progress(len(which))
    return Fit(torch.cat(latents), torch.cat(errors))
