"""``medfuncta latents``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from medfuncta._src.cli.command import GOES_ON, Command
from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError
from medfuncta._src.result import Result


@dataclass(kw_only=True)
class Latents(Command):
    """Make a new latent set of finished ones: of some of their rows (filter), or of several sets of
    one field (merge)."""

    action: Annotated[
        tyro.conf.Positional[Literal["filter", "merge"]], tyro.conf.arg(metavar="ACTION")
    ]
    """filter or merge."""
    sets: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="LATENTS")]
    """The latent set to filter, or those to merge."""
    out: Path
    """Folder of the new set."""
    where: str | None = None
    """Which rows a filter keeps, such as "psnr > 30 and label in ['normal', 'pneumonia']"; columns
    are those of the set's Parquet files."""

    def when_stopped(self) -> str:
        return GOES_ON

    def run(self) -> EditedSet:
        from medfuncta._src.latents.edit import filter_latent_set, merge_latent_sets
        from medfuncta._src.latents.latent_set import LatentSet

        sets = [LatentSet.open(folder) for folder in self.sets]
        if self.action == "merge":
            if self.where is not None:
                raise ConfigError("got --where with merge; filter the sets first, or leave it out")
            made = merge_latent_sets(sets, self.out)
            splits = made.splits
        else:
            if len(sets) != 1:
                raise ConfigError(f"got {len(sets)} latent sets to filter; give one")
            if self.where is None:
                raise ConfigError("nothing to filter by; give --where, such as 'psnr > 30'")
            made = filter_latent_set(sets[0], self.where, self.out)
            splits = sets[0].splits
        counts = {name: len(made.split(name)) if name in made.splits else 0 for name in splits}
        return EditedSet(self.out, len(made), counts)

    def summary(self, result: EditedSet) -> str:
        splits = ", ".join(f"{name} {count:,}" for name, count in result.splits.items())
        return f"{result.latents}: {counted(result.signals, 'signal')} ({splits})"


@dataclass(frozen=True)
class EditedSet(Result):
    """The latent set that was written.

    Args:
        latents: Its folder.
        signals: How many it has.
        splits: How many each split has; 0 where a filter has left the split out.
    """

    latents: Path
    signals: int
    splits: Mapping[str, int]
