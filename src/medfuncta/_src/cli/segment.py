"""``medfuncta segment``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import counts_text, interval_text, left_out_lines, table, tell
from medfuncta._src.door.limits import DrawnPoints, Epochs, Seconds, Seed, Units

if TYPE_CHECKING:
    from medfuncta._src.signals.signal import Signal
    from medfuncta._src.sources.source import Source
    from medfuncta._src.tasks.segment import Segmentation


@dataclass(kw_only=True)
class Segment(Command):
    """Learn to segment signals from the features of their field and their latents, and measure Dice
    on the test split."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set with the splits train, val and test, as 'medfuncta fit' writes it."""
    data: str
    """The source that it was fitted from, with label maps: kind:path[?option=value]."""
    points: DrawnPoints = 2048
    """Points drawn of each training signal."""
    hidden: Units = 128
    """Units of the head's hidden layers."""
    epochs: Epochs = 100
    """Passes over the training split at the most."""
    seconds: Seconds | None = None
    """Time budget of one training."""
    seed: Seed = 0
    """Of initial weights and of the points that are drawn."""
    strict: bool = False
    """Refuse signals without a label map, and structures that training never shows, instead of
    leaving them out and saying so."""
    out: Path | None = None
    """Folder for segmentation.json and segmentation.png."""

    def run(self) -> Segmentation:
        from medfuncta._src.disk.atomic import write_json
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.sources.table import open_source
        from medfuncta._src.tasks.drawing.figure import save_png
        from medfuncta._src.tasks.segment import SegmentOptions, segment, segmentation_picture

        source = open_source(self.data)
        options = SegmentOptions(
            points=self.points,
            hidden=self.hidden,
            epochs=self.epochs,
            seconds=self.seconds,
            seed=self.seed,
        )
        latents = LatentSet.open(self.latents)
        found = segment(latents, source, options, strict=self.strict, progress=tell)
        if self.out is not None:
            write_json(self.out / "segmentation.json", found.to_json())
            picture = segmentation_picture(found, _shown(found, source))
            save_png(picture, self.out / "segmentation.png")
        return found

    def summary(self, result: Segmentation) -> str:
        heads = result.dice.values()
        rows = []
        for name in (*result.structures, "mean"):
            rows.append((name, *(interval_text(dice[name], ".3f", ".2f") for dice in heads)))
        lines = [
            table(("Dice", *result.dice), rows),
            f"test split with 95 % bootstrap intervals; {counts_text(result.signals)}; "
            f"{result.parameters:,} parameters",
            *left_out_lines(result.left_out),
        ]
        if result.unseen:
            lines.append(f"not measured, since training never shows it: {', '.join(result.unseen)}")
        return "\n".join(lines)


def _shown(found: Segmentation, source: Source) -> list[Signal]:
    """The signals of the picture as they were before fitting."""
    from medfuncta._src.tasks.segment import shown_volumes

    ids = [volume.entry.row.id for volume in shown_volumes(found)]
    signals = {signal.id: signal for signal in source.signals("test") if signal.id in ids}
    return [signals[id] for id in ids]
