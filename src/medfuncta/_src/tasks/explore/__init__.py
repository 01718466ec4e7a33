"""Exploration, what latents show by themselves: a map, the way between two signals, the mean of a
class, and unusual signals."""

from medfuncta._src.tasks.explore.map import Map, make_map, map_picture
from medfuncta._src.tasks.explore.mixtures import (
    ClassMeans,
    Interpolation,
    class_means,
    interpolate,
    interpolation_picture,
    means_picture,
)
from medfuncta._src.tasks.explore.outliers import UNUSUAL, Outliers, find_outliers, outliers_picture
from medfuncta._src.tasks.explore.sample import Sample, take_sample

__all__ = [
    "UNUSUAL",
    "ClassMeans",
    "Interpolation",
    "Map",
    "Outliers",
    "Sample",
    "class_means",
    "find_outliers",
    "interpolate",
    "interpolation_picture",
    "make_map",
    "map_picture",
    "means_picture",
    "outliers_picture",
    "take_sample",
]
