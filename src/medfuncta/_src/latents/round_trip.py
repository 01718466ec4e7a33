"""Signals to latents and back: what a shared network makes of signals that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from medfuncta._src.config import FitConfig
from medfuncta._src.latents.decode import reconstruct_all
from medfuncta._src.latents.fit import fit_latents
from medfuncta._src.run import Run
from medfuncta._src.signals.domain import Domain
from medfuncta._src.signals.signal import Signal
from medfuncta._src.signals.signal_set import SignalSet


def round_trip(
    run: Run,
    signals: Sequence[Signal],
    domains: Sequence[Domain] | None = None,
    *,
    config: FitConfig | None = None,
    device: torch.device | str | None = None,
) -> list[Signal | None]:
    """Fit signals and decode their latents.

    Args:
        run: The shared network.
        signals: What is fitted; masked points play no part.
        domains: Where each is decoded; on its own points when not given.
        config: H and the batch; the run's own when not given.
        device: Where to compute; an accelerator when there is one.

    Returns:
        One reconstruction a signal, in physical units; None where the fit did not stay finite.

    Raises:
        DataError: If there is no signal, or one does not fit the run.
    """
    collected = SignalSet.collect(run.spec, signals)
    fit = fit_latents(run, collected, config, device=device)
    where = domains or [header.domain for header in collected.headers]
    finite = fit.errors.isfinite().nonzero().flatten().tolist()
    decoded = reconstruct_all(
        run, fit.latents[finite], [collected.headers[i] for i in finite], [where[i] for i in finite]
    )
    found = dict(zip(finite, decoded, strict=True))
    return [found.get(index) for index in range(len(signals))]
