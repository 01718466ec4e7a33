"""Preprocessing as data: steps that describe themselves, apply to a signal, and are taken back on
the way out."""

from medfuncta.signals.preprocess.chain import Preprocessing, input_grid
from medfuncta.signals.preprocess.geometry import CropPad, Reorient, Resample
from medfuncta.signals.preprocess.intensity import Grey, Quantiles, Window
from medfuncta.signals.preprocess.step import GridStep, Step

__all__ = [
    "CropPad",
    "Grey",
    "GridStep",
    "Preprocessing",
    "Quantiles",
    "Reorient",
    "Resample",
    "Step",
    "Window",
    "input_grid",
]
