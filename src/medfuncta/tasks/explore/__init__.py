"""Exploration, what latents show by themselves: a map, the way between two signals, the mean of a
class, and unusual signals."""

from medfuncta.tasks.explore.interpolation import interpolate
from medfuncta.tasks.explore.map import make_map
from medfuncta.tasks.explore.means import class_means
from medfuncta.tasks.explore.outliers import UNUSUAL, find_outliers
from medfuncta.tasks.explore.sample import Sample, take_sample

__all__ = [
    "UNUSUAL",
    "Sample",
    "class_means",
    "find_outliers",
    "interpolate",
    "make_map",
    "take_sample",
]
