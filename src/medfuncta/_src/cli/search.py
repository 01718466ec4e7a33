"""``medfuncta search``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import table
from medfuncta._src.door.limits import Some as Count
from medfuncta._src.errors import ConfigError

if TYPE_CHECKING:
    from medfuncta._src.latents.latent_set import LatentSet
    from medfuncta._src.latents.rows import LatentRow
    from medfuncta._src.signals.signal import Signal
    from medfuncta._src.tasks.search import Search as Found


@dataclass(kw_only=True)
class Search(Command):
    """Find the signals of a latent set that are nearest to one of them, or to a new one that is
    fitted on the fly."""

    latents: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="LATENTS")]
    """A latent set, as 'medfuncta fit' writes it."""
    id: str | None = None
    """The signal to search for: one of the set, or of --file."""
    split: str | None = None
    """Where the signal with that id is, when several splits have it."""
    file: str | None = None
    """A new signal: a source, kind:path[?option=value], read with the options that the set was made
    with; its first signal without --id."""
    k: Annotated[Count, tyro.conf.arg(aliases=["-k"])] = 10
    """How many neighbours."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """What near means."""
    index: Path | None = None
    """Answer from this FAISS index, made when it is not there yet: faster for large sets, and
    approximate."""
    out: Path | None = None
    """Folder for search.json and search.png, a picture of the query and its neighbours."""

    def run(self) -> Found:
        from medfuncta._src.disk.atomic import write_json
        from medfuncta._src.latents.latent_set import LatentSet
        from medfuncta._src.tasks.drawing.figure import class_names, save_png
        from medfuncta._src.tasks.search import (
            FaissIndex,
            Query,
            search_picture,
            search_set,
        )
        from medfuncta._src.tasks.search import Search as Found

        latents = LatentSet.open(self.latents)
        signal, latent, itself = self._query(latents)
        index = None
        if self.index is not None:
            index = FaissIndex.open(self.index, latents, self.metric)
        hits = search_set(latents, latent, self.k, self.metric, leave_out=itself, index=index)
        classes = class_names(signal.label, latents.info.spec.label_names)
        query = Query(signal.id, classes, in_set=itself is not None)
        found = Found(query, self.metric, exact=index is None, neighbours=hits)
        if self.out is not None:
            write_json(self.out / "search.json", found.to_json())
            picture = search_picture(latents, signal, f"query {signal.id}", hits)
            save_png(picture, self.out / "search.png")
        return found

    def summary(self, result: Found) -> str:
        rows = []
        for hit in result.neighbours:
            rows.append((hit.id, hit.split, ", ".join(hit.classes), f"{hit.distance:.4f}"))
        title = f"nearest to {result.query.id}"
        if result.query.classes:
            title += f" ({', '.join(result.query.classes)})"
        return table(("signal", "split", "class", f"{result.metric} distance"), rows, title)

    def _query(self, latents: LatentSet) -> tuple[Signal, Any, LatentRow | None]:
        """The signal to show, its latent, and its row when the set holds it."""
        import torch

        from medfuncta._src.latents.decode import reconstruct
        from medfuncta._src.latents.fit import fit_latents
        from medfuncta._src.signals.signal_set import SignalSet

        if self.file is not None:
            signal = _one_signal(self.file, self.split, self.id)
            fitted = fit_latents(
                latents.run, SignalSet.collect(latents.run.spec, [signal]), latents.fit_config
            )
            return signal, fitted.latents[0].numpy(), None
        if self.id is None:
            raise ConfigError(
                "nothing to search for; give --id with a signal of the set, or --file with a source"
            )
        row = latents.row(self.id, self.split)
        return reconstruct(latents.run, torch.tensor(row.latent), row.header), row.latent, row


def _one_signal(text: str, split: str | None, id: str | None) -> Signal:
    """The first signal of a source, or the one with this id."""
    from medfuncta._src.errors import DataError
    from medfuncta._src.sources.source import ALL
    from medfuncta._src.sources.table import open_source

    source = open_source(text)
    for signal in source.signals(split or ALL):
        if id is None or signal.id == id:
            return signal
    raise DataError(f"no signal '{id}' in {source.info.name}; leave --id out to take its first one")
