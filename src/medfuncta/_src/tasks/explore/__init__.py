"""Exploration, what latents show by themselves: a map, the way between two signals, the mean of a
class, unusual signals, and signals that are there twice."""

from medfuncta._src.tasks.explore.leaks import (
    LeakPair,
    Leaks,
    check_groups,
    find_leaks,
    leaks_picture,
)
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
from medfuncta._src.tasks.explore.sample import ChosenRows, Sample, chosen_rows, take_sample
from medfuncta._src.tasks.explore.stored_map import MAP_FILE, StoredMap, store_map, stored_map

__all__ = [
    "MAP_FILE",
    "UNUSUAL",
    "ChosenRows",
    "ClassMeans",
    "Interpolation",
    "LeakPair",
    "Leaks",
    "Map",
    "Outliers",
    "Sample",
    "StoredMap",
    "check_groups",
    "chosen_rows",
    "class_means",
    "find_leaks",
    "find_outliers",
    "interpolate",
    "interpolation_picture",
    "leaks_picture",
    "make_map",
    "map_picture",
    "means_picture",
    "outliers_picture",
    "store_map",
    "stored_map",
    "take_sample",
]
