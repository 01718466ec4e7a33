"""``medfuncta explore``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import facts, table
from medfuncta._src.door.limits import Share, Ways
from medfuncta._src.door.limits import Some as Count
from medfuncta._src.errors import ConfigError
from medfuncta._src.status import doing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from medfuncta._src.latents.latent_set import LatentSet
    from medfuncta._src.tasks.explore import ClassMeans, Interpolation, Leaks, Map, Outliers, Sample

    View = Map | Interpolation | ClassMeans | Outliers | Leaks
    Drawing = Callable[[], Figure]


@dataclass(kw_only=True)
class Explore(Command):
    """See what a latent set holds: a map of it, the way from one signal to another, the mean signal
    of each class, its outliers, or signals that are in several splits at once."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set, as 'medfuncta fit' writes it."""
    view: Annotated[
        tyro.conf.Positional[Literal["map", "interpolate", "mean", "outliers", "leaks"]],
        tyro.conf.arg(metavar="VIEW"),
    ]
    """map, interpolate, mean, outliers or leaks."""
    out: Path | None = None
    """Folder for the view's numbers (JSON) and its picture (PNG), both of the view's name."""
    split: str | None = None
    """Look at this split only."""
    limit: Count | None = None
    """Signals looked at, evenly spread over the set; 10,000 when not given, 100,000 with --store,
    as 'medfuncta view' shows."""
    colour: Literal["label", "psnr"] = "label"
    """What the dots of a map are coloured by."""
    method: Literal["pca", "umap"] = "pca"
    """How a map is made."""
    store: bool = False
    """Keep the map, with each signal's neighbours, beside the latents as map.parquet: 'medfuncta
    view' takes it from there instead of making it again."""
    between: tuple[str, str] | None = None
    """The two signals to interpolate between."""
    steps: Ways = 7
    """Signals from one to the other, both included."""
    label: str | None = None
    """The one class to take the mean of."""
    distance: Literal["neighbours", "mahalanobis"] = "neighbours"
    """How outliers are measured: mean distance to the ten nearest latents, or robust Mahalanobis
    distance."""
    k: Annotated[Count, tyro.conf.arg(aliases=["-k"])] = 16
    """How many outliers or leaks are listed."""
    across: str = "split"
    """What leaks lie between: split, or an entry of the signals' metadata, such as a patient's
    number."""
    threshold: Share = 0.2
    """The difference below which a pair is a suspected leak: the root of the mean squared
    difference, one laid over the other, relative to how much they vary."""

    def run(self) -> View:
        from medfuncta._src.disk.atomic import write_json
        from medfuncta._src.disk.places import place
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.tasks.drawing.figure import save_png

        if self.store and (self.view != "map" or self.split is not None):
            raise ConfigError(
                "got --store, which keeps the map of all splits; give it with map alone"
            )
        latents = LatentSet.open(self.latents)
        views = {
            "map": self._map,
            "interpolate": self._interpolate,
            "mean": self._mean,
            "outliers": self._outliers,
            "leaks": self._leaks,
        }
        with doing("working out the view"):
            found, picture = views[self.view](latents)
        if self.out is not None:
            write_json(place(self.out, f"{self.view}.json"), found.to_json())
            with doing("drawing it"):
                drawn = picture()
            save_png(drawn, place(self.out, f"{self.view}.png"))
        return found

    def summary(self, result: View) -> str:
        known = {}
        rows: list[dict[str, Any]] = []
        for name, value in result.to_json().items():
            if not isinstance(value, list):
                known[name.replace("_", " ")] = value
            elif name != "points":  # of a map, thousands
                rows = value
        lines = [facts(known)]
        if rows:
            names = [name for name in rows[0] if not self._is_said(name)]
            cells = [[_cell(row[name]) for name in names] for row in rows]
            lines.append(table([name.replace("_", " ") for name in names], cells))
        return "\n".join(lines)

    def _is_said(self, name: str) -> bool:
        """Whether a column says again what another one does: what keeps apart leaks between splits
        are these."""
        return self.across == "split" and name in ("first_group", "second_group")

    def _sample(self, latents: LatentSet) -> Sample:
        from medfuncta._src.tasks.explore import take_sample

        return take_sample(latents, self._limit, self.split)

    @property
    def _limit(self) -> int:
        if self.limit is not None:
            return self.limit
        return 100_000 if self.store else 10_000

    def _map(self, latents: LatentSet) -> tuple[Map, Drawing]:
        from medfuncta._src.tasks.explore import make_map, map_picture, store_map

        map = make_map(self._sample(latents), self.method)
        if self.store:
            store_map(latents, map, self.method)
        return map, lambda: map_picture(latents, map, self.colour)

    def _interpolate(self, latents: LatentSet) -> tuple[Interpolation, Drawing]:
        from medfuncta._src.tasks.explore import interpolate, interpolation_picture

        if self.between is None:
            raise ConfigError("no signals to interpolate between; give --between with two ids")
        first, second = (latents.row(id, self.split) for id in self.between)
        found = interpolate(latents, first, second, self.steps)
        return found, lambda: interpolation_picture(found)

    def _mean(self, latents: LatentSet) -> tuple[ClassMeans, Drawing]:
        from medfuncta._src.tasks.explore import class_means, means_picture

        means = class_means(latents, self._sample(latents), self.label)
        return means, lambda: means_picture(latents, means)

    def _outliers(self, latents: LatentSet) -> tuple[Outliers, Drawing]:
        from medfuncta._src.tasks.explore import find_outliers, outliers_picture

        found = find_outliers(self._sample(latents), self.distance, listed=self.k)
        return found, lambda: outliers_picture(latents, found)

    def _leaks(self, latents: LatentSet) -> tuple[Leaks, Drawing]:
        from medfuncta._src.tasks.explore import find_leaks, leaks_picture

        if self.split is not None:
            raise ConfigError("got --split with leaks, which lie between splits; leave it out")
        found = find_leaks(
            latents,
            between=self.across,
            limit=self._limit,
            threshold=self.threshold,
            listed=self.k,
        )
        return found, lambda: leaks_picture(latents, found)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)
