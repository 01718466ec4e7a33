"""Reconstruction quality of a network on signals it was not trained on."""

from __future__ import annotations

import torch

from medfuncta.config import Config
from medfuncta.field.inference import values_of
from medfuncta.field.latent_field import LatentField
from medfuncta.learning.adapt import adapt_to
from medfuncta.learning.siren_objective import SirenObjective
from medfuncta.signals.points import Points
from medfuncta.signals.signal_set import SignalSet
from medfuncta.types import Latents, Losses

_ROWS = 16384  # points at a time, all signals of a batch together: memory depends on neither


@torch.no_grad()
def clamped_errors(network: LatentField, latents: Latents, points: Points) -> Losses:
    """Mean squared error of each signal, over its observed points and channels, of values clamped
    to [0, 1]; NaN when its latent is."""
    totals, values_at = (
        points.weights.new_zeros(points.batch),
        values_of(network, latents, points.count),
    )
    for part in points.chunks(max(1, _ROWS // points.batch)):
        values = values_at(part.coordinates).clamp(0, 1)
        totals += ((values - part.values).square().mean(-1) * part.weights).sum(-1)
    return totals


def psnr_of(errors: Losses) -> Losses:
    """PSNR in dB for a data range of 1; an exact reconstruction is held at 120 dB, the resolution
    of float32."""
    return -10 * torch.log10(errors.clamp(min=1e-12))


def validation_psnr(network: LatentField, signals: SignalSet, config: Config) -> float:
    """Mean PSNR in dB after H inner steps on full context, over all signals.

    A signal whose inner loop ran away counts with the largest error that clamped values can have, 0
    dB.
    """
    objective = SirenObjective(network, channel_mean=config.inner.channel_mean)
    weight = network.last.weight
    psnrs = []
    for _, batch in signals.batches(config.fit.batch):
        points = batch.to(weight.device, weight.dtype)
        latents = adapt_to(
            objective, network.zero_latents(points.batch), points, config.fit.steps, config.inner
        )
        psnrs.append(psnr_of(clamped_errors(network, latents, points).nan_to_num(nan=1.0)))
    return float(torch.cat(psnrs).mean())
