"""Preprocessing as data: steps that describe themselves, apply to a signal, and tell where the
samples of its file went, so that a signal can be decoded there."""

from medfuncta.signals.preprocess.chain import InputGrid, Preprocessing
from medfuncta.signals.preprocess.geometry import CropPad, Reorient, Resample
from medfuncta.signals.preprocess.intensity import Grey, Quantiles, Window
from medfuncta.signals.preprocess.step import GridStep, Step

__all__ = [
    "CropPad",
    "Grey",
    "GridStep",
    "InputGrid",
    "Preprocessing",
    "Quantiles",
    "Reorient",
    "Resample",
    "Step",
    "Window",
]
