"""Test-time adaptation with a run: latents for new signals."""

from __future__ import annotations

from collections.abc import Callable

import torch

from medfuncta._src.config import FitConfig
from medfuncta._src.door.callers import expecting
from medfuncta._src.field.device import usable_device
from medfuncta._src.learning.fitter import Fitted, Fitter
from medfuncta._src.run import Run
from medfuncta._src.signals.signal_set import SignalSet


@expecting
def fitter_of(
    run: Run, config: FitConfig | None = None, *, device: torch.device | str | None = None
) -> Fitter:
    """What fits signals with a run's shared network, which is not changed.

    Args:
        run: The shared network and the inner loop it was trained with.
        config: Steps, batch and quality; those of the run when None.
        device: Where to compute; an accelerator when there is one.

    Raises:
        ConfigError: If there is no such device, or it does not compute.
    """
    config = config or run.config.fit
    return Fitter(run.network, run.config.inner, config, device=usable_device(device))


@expecting
def fit_latents(
    run: Run,
    signals: SignalSet,
    config: FitConfig | None = None,
    *,
    device: torch.device | str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Fitted:
    """A latent for every signal from all of its points; arguments are those of :func:`fitter_of`
    and :meth:`Fitter.fit`.

    Raises:
        DataError: If dimension or channels of the signals do not match the run.
    """
    run.spec.check_fits(signals.spec)
    return fitter_of(run, config, device=device).fit(signals, progress)
