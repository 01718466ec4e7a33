"""``medfuncta regress``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from medfuncta.cli.command import Command
from medfuncta.errors import ConfigError


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
    epochs: int = 100
    """Passes over the training split at the most, for the MLP."""
    seed: int = 0
    """Of the MLP's initial weights and the order of signals."""
    out: Path | None = None
    """Folder for regression.json and regression.png."""

    def run(self) -> dict[str, Any]:
        from medfuncta.atomic import write_json
        from medfuncta.latents.latent_set import LatentSet
        from medfuncta.sources.table import open_source
        from medfuncta.tasks.drawing.figure import save_png
        from medfuncta.tasks.heads.training import HeadTraining
        from medfuncta.tasks.regress import (
            Mlp,
            Ridge,
            TrainingMean,
            metadata_targets,
            regress,
            regression_picture,
            volume_targets,
        )

        if self.epochs < 1:
            raise ConfigError(f"--epochs is {self.epochs}; expected at least 1")
        latents = LatentSet.open(self.latents)
        kind, colon, structure = self.target.partition(":")
        if kind == "volume" and colon:
            if self.data is None:
                raise ConfigError(
                    f"'{self.target}' is measured on label maps; give --data with the source that "
                    "the set was fitted from"
                )
            targets = volume_targets(latents, open_source(self.data), structure)
        else:
            targets = metadata_targets(latents, self.target)
        mlp = Mlp(HeadTraining(epochs=self.epochs, batch=64, seed=self.seed))
        found = regress(
            targets,
            self.target,
            latents.info.source.split_by,
            (TrainingMean(), Ridge(), mlp),
            progress=_tell,
        )
        result = found.to_dict()
        if self.out is not None:
            write_json(self.out / "regression.json", result)
            save_png(regression_picture(found), self.out / "regression.png")
        return result

    def summary(self, result: dict[str, Any]) -> str:
        from medfuncta.cli.table import table

        header = (result["target"], "R2", "mean absolute error", "training", "parameters")
        rows = [
            (
                r["name"],
                _interval(r["r2"]),
                _interval(r["mae"]),
                f"{r['fit_seconds']:,.1f} s",
                f"{r['parameters']:,}",
            )
            for r in result["regressors"]
        ]
        sizes = ", ".join(f"{count:,} {name}" for name, count in result["signals"].items())
        return f"{table(header, rows)}\ntest split with 95 % bootstrap intervals; {sizes}; split by {result['split_by']}"


def _interval(interval: dict[str, Any]) -> str:
    if interval["value"] is None:
        return "undefined"
    return f"{interval['value']:.3g} [{interval['low']:.3g}, {interval['high']:.3g}]"


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
