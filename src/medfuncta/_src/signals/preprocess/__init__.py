"""Preprocessing as data: steps that describe themselves, apply to a signal, and tell where the
samples of its file went, so that a signal can be decoded there."""

from medfuncta._src.signals.preprocess.chain import InputGrid, Preprocessing
from medfuncta._src.signals.preprocess.geometry import CropPad, Reorient, Resample
from medfuncta._src.signals.preprocess.intensity import Grey, Quantiles, Window
from medfuncta._src.signals.preprocess.step import GridStep, Step

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
