"""``medfuncta segment``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from medfuncta.cli.command import Command
from medfuncta.errors import ConfigError

if TYPE_CHECKING:
    from medfuncta.signals.signal import Signal
    from medfuncta.sources.source import Source
    from medfuncta.tasks.segment import Segmentation


@dataclass(kw_only=True)
class Segment(Command):
    """Learn to segment signals from the features of their field and their latents, and measure Dice
    on the test split."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set with the splits train, val and test, as 'medfuncta fit' writes it."""
    data: str
    """The source that it was fitted from, with label maps: kind:path[?option=value]."""
    points: int = 2048
    """Points drawn of each training signal."""
    hidden: int = 128
    """Units of the head's hidden layers."""
    epochs: int = 100
    """Passes over the training split at the most."""
    seconds: float | None = None
    """Time budget of one training."""
    seed: int = 0
    """Of initial weights and of the points that are drawn."""
    out: Path | None = None
    """Folder for segmentation.json and segmentation.png."""

    def run(self) -> dict[str, Any]:
        from medfuncta.atomic import write_json
        from medfuncta.latents.latent_set import LatentSet
        from medfuncta.sources.table import open_source
        from medfuncta.tasks.drawing.figure import save_png
        from medfuncta.tasks.segment import SegmentOptions, segment, segmentation_picture

        for name, value in (
            ("points", self.points),
            ("hidden", self.hidden),
            ("epochs", self.epochs),
        ):
            if value < 1:
                raise ConfigError(f"--{name} is {value}; expected at least 1")
        source = open_source(self.data)
        options = SegmentOptions(
            points=self.points,
            hidden=self.hidden,
            epochs=self.epochs,
            seconds=self.seconds,
            seed=self.seed,
        )
        found = segment(LatentSet.open(self.latents), source, options, progress=_tell)
        result = found.to_dict()
        if self.out is not None:
            write_json(self.out / "segmentation.json", result)
            save_png(
                segmentation_picture(found, _shown(found, source)), self.out / "segmentation.png"
            )
        return result

    def summary(self, result: dict[str, Any]) -> str:
        from medfuncta.cli.table import table

        heads = result["dice"]
        rows = [
            (name, *(_interval(heads[head][name]) for head in heads))
            for name in (*result["structures"], "mean")
        ]
        sizes = ", ".join(f"{count:,} {name}" for name, count in result["signals"].items())
        return f"{table(('Dice', *heads), rows)}\ntest split with 95 % bootstrap intervals; {sizes}; {result['parameters']:,} parameters"


def _shown(found: Segmentation, source: Source) -> list[Signal]:
    """The signals of the picture as they were before fitting."""
    from medfuncta.tasks.segment import shown_volumes

    ids = [volume.entry.row.id for volume in shown_volumes(found)]
    signals = {signal.id: signal for signal in source.signals("test") if signal.id in ids}
    return [signals[id] for id in ids]


def _interval(interval: dict[str, Any]) -> str:
    return (
        "undefined"
        if interval["value"] is None
        else f"{interval['value']:.3f} [{interval['low']:.2f}, {interval['high']:.2f}]"
    )


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
