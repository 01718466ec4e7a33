"""Signals that ship with the package, for the demo and the tests: ``sample:NAME``.

A file holds a card (what the signals have in common, licence, how they were made) as JSON text, and
for each split the arrays ``values``, ``labels``, ``ranges`` (what is mapped to [0, 1]), ``origins``
(where in the source a signal lies) and, for volumes, ``affines``. ``tools/make_samples.py`` makes
them; ``samples/LICENSES.md`` says from what.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.contents import Contents, Format, Survey
from medfuncta._src.sources.options import Options
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import SPLITS, whole_splits

_FOLDER: Final = Path(__file__).parent / "samples"
SAMPLES: Final = tuple(sorted(path.stem for path in _FOLDER.glob("*.npz")))
"""Names of the samples: ``ecg`` (1D), ``histology`` (2D RGB), ``slices`` (2D grey), ``volumes``
(3D)."""


@dataclass(frozen=True)
class SampleOptions(Options):
    """None."""


def _open_sample(location: str, options: SampleOptions, skips: Skips) -> Contents:
    """Open ``sample:NAME``; the arrays of a split are read when its signals are asked for.

    Raises:
        ConfigError: If there is no sample of this name.
    """
    if location not in SAMPLES:
        raise ConfigError(f"no sample '{location}'; {suggest(location, SAMPLES)}")
    path = _FOLDER / f"{location}.npz"
    with np.load(path, allow_pickle=False) as file:
        card = json.loads(str(file["card"]))
        splits = [split for split in SPLITS if f"{split}/values" in file.files]
    spec = SignalSpec.from_dict(card["signal"])
    info = card["info"]
    return Contents(
        name=info["name"],
        location=path,
        items=whole_splits(splits),
        many=True,
        read=lambda split: _read(path, split.name, card),
        survey=lambda: Survey(spec),
        licence=info["licence"],
        citation=info["citation"],
        split_by=info["split_by"],
        details=info["details"],
    )


def _read(path: Path, split: str, card: Mapping[str, Any]) -> Iterator[Signal]:
    """The signals of one split."""
    with np.load(path, allow_pickle=False) as file:
        prefix = f"{split}/"
        arrays = {
            key.removeprefix(prefix): file[key] for key in file.files if key.startswith(prefix)
        }
    shape = arrays["values"].shape[1:-1]
    spacing = tuple(card["spacing"]) if card["spacing"] else None
    grid = Grid(shape, spacing, unit=card["spacing_unit"])
    for index, values in enumerate(arrays["values"]):
        if "affines" in arrays:
            grid = Grid(shape, spacing, arrays["affines"][index], card["spacing_unit"])
        low, high = (float(bound) for bound in arrays["ranges"][index])
        yield Signal.of(
            id=f"{split}-{index:04d}",
            values=values.astype(np.float32),
            domain=grid,
            range=ValueRange(low, high),
            unit=card["signal"]["unit"],
            label=int(arrays["labels"][index]),
            dtype=str(values.dtype),
            metadata={"origin": str(arrays["origins"][index])},
        )


FORMAT = Format(
    "sample",
    f"signals that ship with the package: {', '.join(SAMPLES)}",
    SampleOptions,
    _open_sample,
)
