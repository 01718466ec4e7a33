"""``medfuncta explore``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from medfuncta.cli.command import Command
from medfuncta.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy import ndarray

    from medfuncta.latents.latent_set import LatentSet
    from medfuncta.tasks.explore import Sample


@dataclass(kw_only=True)
class Explore(Command):
    """See what a latent set holds: a map of it, the way from one signal to another, the mean signal
    of each class, or its outliers."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set, as 'medfuncta fit' writes it."""
    view: Annotated[
        tyro.conf.Positional[Literal["map", "interpolate", "mean", "outliers"]],
        tyro.conf.arg(metavar="VIEW"),
    ]
    """map, interpolate, mean or outliers."""
    out: Path | None = None
    """Folder for the view's numbers (JSON) and its picture (PNG), both of the view's name."""
    split: str | None = None
    """Look at this split only."""
    limit: int = 10_000
    """Signals looked at, evenly spread over the set."""
    colour: Literal["label", "psnr"] = "label"
    """What the dots of a map are coloured by."""
    method: Literal["pca", "umap"] = "pca"
    """How a map is made."""
    between: tuple[str, str] | None = None
    """The two signals to interpolate between."""
    steps: int = 7
    """Signals from one to the other, both included."""
    label: str | None = None
    """The one class to take the mean of."""
    distance: Literal["neighbours", "mahalanobis"] = "neighbours"
    """How outliers are measured: mean distance to the ten nearest latents, or robust Mahalanobis
    distance."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 16
    """How many outliers are listed."""

    def run(self) -> dict[str, Any]:
        from medfuncta.atomic import write_json
        from medfuncta.latents.latent_set import LatentSet
        from medfuncta.tasks.drawing.figure import save_png

        for name, value in (("--limit", self.limit), ("-k", self.k)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; expected at least 1")
        latents = LatentSet.open(self.latents)
        views = {
            "map": self._map,
            "interpolate": self._interpolate,
            "mean": self._mean,
            "outliers": self._outliers,
        }
        numbers, picture = views[self.view](latents)
        result = {"view": self.view, **numbers}
        if self.out is not None:
            write_json(self.out / f"{self.view}.json", result)
            save_png(picture(), self.out / f"{self.view}.png")
        return result

    def summary(self, result: dict[str, Any]) -> str:
        from medfuncta.cli.table import facts, table

        known = {
            name.replace("_", " "): value
            for name, value in result.items()
            if isinstance(value, str | int | float)
        }
        rows = result.get("classes") or result.get("outliers") or []
        lines = [facts(known)]
        if rows:
            cells = [
                [f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()]
                for row in rows
            ]
            lines.append(table([name.replace("_", " ") for name in rows[0]], cells))
        return "\n".join(lines)

    def _sample(self, latents: LatentSet) -> Sample:
        from medfuncta.tasks.explore import take_sample

        return take_sample(latents, self.limit, self.split)

    def _map(self, latents: LatentSet) -> tuple[dict[str, Any], Callable[[], Figure]]:
        from medfuncta.tasks.explore import make_map
        from medfuncta.tasks.explore.pictures import map_picture

        sample = self._sample(latents)
        map = make_map(sample.latents, self.method)
        columns = zip(
            sample.ids, sample.splits, map.places.tolist(), _known(sample.psnr), strict=True
        )
        points = [
            {"id": id, "split": split, "x": x, "y": y, "psnr": psnr}
            for id, split, (x, y), psnr in columns
        ]
        numbers = {
            "signals": len(points),
            "left_out": sample.left_out,
            "horizontal": map.axes[0],
            "vertical": map.axes[1],
            "points": points,
        }
        return numbers, lambda: map_picture(latents, sample, map, self.colour)

    def _interpolate(self, latents: LatentSet) -> tuple[dict[str, Any], Callable[[], Figure]]:
        import numpy as np

        from medfuncta.tasks.explore import interpolate
        from medfuncta.tasks.explore.pictures import interpolation_picture

        if self.between is None:
            raise ConfigError("no signals to interpolate between; give --between with two ids")
        first, second = (latents.row(id, self.split) for id in self.between)
        signals = interpolate(latents, first, second, self.steps)
        length = float(np.linalg.norm(second.latent - first.latent))
        numbers = {
            "first": first.id,
            "second": second.id,
            "steps": len(signals),
            "euclidean_distance": length,
        }
        return numbers, lambda: interpolation_picture(signals, first.id, second.id)

    def _mean(self, latents: LatentSet) -> tuple[dict[str, Any], Callable[[], Figure]]:
        from medfuncta.tasks.explore import class_means
        from medfuncta.tasks.explore.pictures import means_picture

        sample = self._sample(latents)
        means = class_means(latents, sample, self.label)
        classes = [
            {
                "class": m.name,
                "signals": m.signals,
                "nearest_signal": m.typical.id,
                "its_split": m.typical.split,
            }
            for m in means
        ]
        return {
            "signals": len(sample.ids),
            "left_out": sample.left_out,
            "classes": classes,
        }, lambda: means_picture(latents, means)

    def _outliers(self, latents: LatentSet) -> tuple[dict[str, Any], Callable[[], Figure]]:
        from medfuncta.tasks.explore import UNUSUAL, find_outliers
        from medfuncta.tasks.explore.pictures import outliers_picture

        sample = self._sample(latents)
        found = find_outliers(sample, self.distance)
        psnr = _known(sample.psnr)
        listed = [
            {
                "id": sample.ids[row],
                "split": sample.splits[row],
                "psnr": psnr[row],
                "distance": float(found.distances[row]),
                "distance_z": float(found.distance_scores[row]),
                "error_z": float(found.error_scores[row]),
            }
            for row in found.order[: self.k].tolist()
        ]
        unusual = int((found.scores > UNUSUAL).sum())
        numbers = {
            "signals": len(sample.ids),
            "left_out": sample.left_out,
            "unusual": unusual,
            "threshold_z": UNUSUAL,
            "outliers": listed,
        }
        return numbers, lambda: outliers_picture(latents, sample, found, self.k)


def _known(values: ndarray) -> list[float | None]:
    """Numbers for strict JSON."""
    return [value if math.isfinite(value) else None for value in values.tolist()]
