"""Reconstruction quality of a network on signals it was not trained on."""

from __future__ import annotations

from dataclasses import replace

import torch

from medfuncta._src.field.field import Field
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.learning.ranks import Ranks
from medfuncta._src.settings import Config
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal_set import SignalSet


def validation_psnr(field: Field, signals: SignalSet, config: Config, ranks: Ranks) -> float:
    """Mean PSNR in dB after H inner steps on full context, over all signals; each rank fits a part
    of them.

    A signal whose inner loop ran away counts with the largest error that clamped values can have,
    0 dB.
    """
    fitter = Fitter(field, config.inner, replace(config.fit, quality="paper"))
    part = ranks.part(len(signals))
    errors = torch.zeros(len(signals), device=ranks.device)
    if part.count:
        own = signals.subset(range(len(signals))[part.rows])
        errors[part.rows] = fitter.fit(own).errors.to(errors.device)
    (errors,) = ranks.summed([errors])
    return float(psnr_of(errors.cpu().nan_to_num(nan=1.0)).mean())
