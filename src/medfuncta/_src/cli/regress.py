"""``medfuncta regress``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import counts_text, interval_text, left_out_lines, table, tell
from medfuncta._src.door.limits import Epochs, Seed
from medfuncta._src.errors import ConfigError

if TYPE_CHECKING:
    from medfuncta._src.latents.latent_set import LatentSet
    from medfuncta._src.tasks.heads.left_out import LeftOut
    from medfuncta._src.tasks.regress import Regression
    from medfuncta._src.tasks.regress.targets import Measured


@dataclass(kw_only=True)
class Regress(Command):
    """Learn a number of each signal from its latent by ridge regression and an MLP, and measure R2
    and error on the test split."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set with the splits train, val and test, as 'medfuncta fit' writes it."""
    target: str = "label"
    """The number: 'label' for ordinal labels, a key of the signals' metadata, or volume:STRUCTURE
    for the size of a structure in --data."""
    data: str | None = None
    """The source that the set was fitted from, kind:path[?option=value], for its label maps."""
    epochs: Epochs = 100
    """Passes over the training split at the most, for the MLP."""
    seed: Seed = 0
    """Of the MLP's initial weights and the order of signals."""
    strict: bool = False
    """Refuse signals without the number instead of leaving them out and counting them."""
    out: Path | None = None
    """Folder for regression.json and regression.png."""

    def run(self) -> Regression:
        from medfuncta._src.disk.atomic import write_json
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.tasks.drawing.figure import save_png
        from medfuncta._src.tasks.heads.left_out import LeftOut
        from medfuncta._src.tasks.heads.training import Recipe
        from medfuncta._src.tasks.regress import (
            Mlp,
            Ridge,
            TrainingMean,
            regress,
            regression_picture,
        )

        latents = LatentSet.open(self.latents)
        left_out = LeftOut(strict=self.strict)
        mlp = Mlp(Recipe(epochs=self.epochs, batch=64, patience=20), seed=self.seed)
        found = regress(
            self._targets(latents, left_out),
            self.target,
            split_by=latents.info.source.split_by,
            regressors=(TrainingMean(), Ridge(), mlp),
            left_out=left_out,
            progress=tell,
        )
        if self.out is not None:
            write_json(self.out / "regression.json", found.to_json())
            save_png(regression_picture(found), self.out / "regression.png")
        return found

    def summary(self, result: Regression) -> str:
        header = (result.target, "R2", "mean absolute error", "training", "parameters")
        rows = []
        for report in result.regressors:
            r2 = interval_text(report.r2, ".3g", ".3g")
            mae = interval_text(report.mae, ".3g", ".3g")
            seconds = f"{report.fit_seconds:,.1f} s"
            rows.append((report.name, r2, mae, seconds, f"{report.parameters:,}"))
        lines = [
            table(header, rows),
            f"test split with 95 % bootstrap intervals; {counts_text(result.signals)}; split by "
            f"{result.split_by}",
            *left_out_lines(result.left_out),
        ]
        return "\n".join(lines)

    def _targets(self, latents: LatentSet, left_out: LeftOut) -> dict[str, Measured]:
        from medfuncta._src.sources.table import open_source
        from medfuncta._src.tasks.regress import metadata_targets, volume_targets

        kind, colon, structure = self.target.partition(":")
        if kind != "volume" or not colon:
            return metadata_targets(latents, self.target, left_out)
        if self.data is None:
            raise ConfigError(
                f"'{self.target}' is measured on label maps; give --data with the source that the "
                "set was fitted from"
            )
        return volume_targets(latents, open_source(self.data), structure, left_out)
