"""Copies planted across splits, and how many of them are found: ``python -m benchmarks.leaks``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta

from benchmarks.command import main
from benchmarks.measure import Row, rows_table
from medfuncta._src.cli.command import Command
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.run import Run
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.contents import Contents, Survey
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.splitting import whole_splits
from medfuncta._src.sources.table import open_source
from medfuncta._src.tasks.explore import Leaks, find_leaks
from medfuncta._src.tasks.explore.leaks import ALIKE

Kind = Literal["exact", "noisy", "shifted", "cropped"]
KINDS: Final[tuple[Kind, ...]] = ("exact", "noisy", "shifted", "cropped")
_NOISE: Final = 0.03
"""Standard deviation, of what a signal spans."""
_SHIFT: Final = (0.03, 0.08)
"""Of each side."""
_SIDE: Final = (0.75, 0.92)
"""Of a cut-out, which is then sampled as the whole was."""
_APART: Final = 8
"""Every eighth signal is taken, so that neighbours of one record are not all there is."""


@dataclass(kw_only=True)
class LeaksBenchmark(Command):
    """Copy some test signals into the training split, each kind in as many, fit them all, and look
    for leaks: the share of suspected pairs that are copies, and of copies that are suspected."""

    run_name: Literal["ecg", "blood-cells-donors", "hippocampus", "chest-xrays"] = "ecg"
    """A field that ships with the package."""
    data: str = "sample:ecg"
    """Signals of its kind, with the splits train and test."""
    signals: Annotated[int, Meta(ge=8)] = 300
    """Of each split, at the most."""
    copies: Annotated[int, Meta(ge=1)] = 10
    """Of each kind."""
    seed: int = 0
    """Of what is done to the copies."""

    def run(self) -> dict[str, Any]:
        generator = np.random.default_rng(self.seed)
        with tempfile.TemporaryDirectory() as folder:
            latents = self._leaky(Path(folder) / "set", generator)
            start = time.perf_counter()
            found = find_leaks(latents, listed=len(latents))
            seconds = time.perf_counter() - start
        rows = [
            Row("search", "s", seconds, note=f"{found.signals} signals"),
            *_rows(found, self.copies),
        ]
        return {"rows": [asdict(row) for row in rows], "settings": {"threshold": ALIKE}}

    def summary(self, result: dict[str, Any]) -> str:
        return rows_table(Row(**row) for row in result["rows"])

    def _leaky(self, folder: Path, generator: np.random.Generator) -> LatentSet:
        """A set whose training split holds copies, called by kind and by what they were made of."""
        source = open_source(self.data)
        splits = {name: self._some(source, name) for name in ("train", "test")}
        for number, kind in enumerate(KINDS):
            first = number * self.copies
            for signal in splits["test"][first : first + self.copies]:
                splits["train"].append(copied(signal, kind, generator))
        contents = Contents(
            name=f"{source.info.name} with copies",
            items=whole_splits(splits),
            many=True,
            read=lambda split: iter(splits[split.name]),
            survey=lambda: Survey(source.spec),
        )
        return create_latent_set(Run.from_pretrained(self.run_name), Source(contents), folder)

    def _some(self, source: Source, split: str) -> list[Signal]:
        """Signals that are spread over a split."""
        read = list(islice(source.signals(split), _APART * self.signals))
        return read[:: max(1, len(read) // self.signals)][: self.signals]


def copied(signal: Signal, kind: Kind, generator: np.random.Generator) -> Signal:
    """A signal as a careless hand puts it into another split."""
    values = signal.values.astype(np.float64)
    if kind == "noisy":
        values = values + generator.normal(0, _NOISE * np.ptp(values), values.shape)
    if kind == "shifted":
        sides = values.shape[:-1]
        shares = generator.uniform(*_SHIFT, len(sides)) * generator.choice([-1, 1], len(sides))
        values = _moved(values, [1.0] * len(sides), (2 * shares).tolist())
    if kind == "cropped":
        side = generator.uniform(*_SIDE)
        places = (1 - side) * generator.uniform(-1, 1, values.ndim - 1)
        values = _moved(values, [side] * len(places), places.tolist())
    return signal.with_values(values.astype(np.float32)).with_header(id=f"{kind}:{signal.id}")


def _moved(values: np.ndarray, sides: Sequence[float], shifts: Sequence[float]) -> np.ndarray:
    """Values at other places of the box; the outermost ones go on beyond it."""
    from scipy.ndimage import map_coordinates

    places = []
    for samples, side, shift in zip(values.shape[:-1], sides, shifts, strict=True):
        own = (2 * np.arange(samples) + 1) / samples - 1
        places.append(((side * own + shift + 1) * samples - 1) / 2)
    index = np.meshgrid(*places, indexing="ij")
    channels = []
    for channel in range(values.shape[-1]):
        channels.append(map_coordinates(values[..., channel], index, order=1, mode="nearest"))
    return np.stack(channels, axis=-1)


def _rows(found: Leaks, copies: int) -> list[Row]:
    """Recall of each kind, and precision and recall of all."""
    hits = dict.fromkeys(KINDS, 0)
    for pair in found.pairs:
        kind = _kind_of(pair.first, pair.second)
        if pair.suspected and kind is not None:
            hits[kind] += 1
    rows = [Row(f"recall, {kind}", "share", count / copies) for kind, count in hits.items()]
    right = sum(hits.values())
    precision = right / found.suspected if found.suspected else None
    return [
        *rows,
        Row("recall", "share", right / (copies * len(KINDS))),
        Row("precision", "share", precision, note=f"{found.suspected} suspected pairs"),
    ]


def _kind_of(first: str, second: str) -> Kind | None:
    """What was done to one of two signals to make the other; None where neither is a copy of the
    other."""
    for kind in KINDS:
        if f"{kind}:{first}" == second or f"{kind}:{second}" == first:
            return kind
    return None


if __name__ == "__main__":
    sys.exit(main(LeaksBenchmark))
