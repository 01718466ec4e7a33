"""Reconstruction quality of a network on signals it was not trained on."""

from __future__ import annotations

from dataclasses import replace

from medfuncta._src.field.field import Field
from medfuncta._src.learning.fitter import Fitter
from medfuncta._src.settings import Config
from medfuncta._src.signals.psnr import psnr_of
from medfuncta._src.signals.signal_set import SignalSet


def validation_psnr(field: Field, signals: SignalSet, config: Config) -> float:
    """Mean PSNR in dB after H inner steps on full context, over all signals.

    A signal whose inner loop ran away counts with the largest error that clamped values can have,
    0 dB.
    """
    fitter = Fitter(field, config.inner, replace(config.fit, quality="paper"))
    errors = fitter.fit(signals).errors
    return float(psnr_of(errors.nan_to_num(nan=1.0)).mean())
