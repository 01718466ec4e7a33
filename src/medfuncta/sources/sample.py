"""Signals that ship with the package, for the demo and the tests: ``sample:NAME``.

A file holds a card (what the signals have in common, licence, how they were made) as JSON text, and
for each split the arrays ``values``, ``labels``, ``ranges`` (what is mapped to [0, 1]), ``origins``
(where in the source a signal lies) and, for volumes, ``affines``. ``tools/make_samples.py`` makes
them; ``samples/LICENSES.md`` says from what.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from medfuncta.errors import ConfigError, suggest
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta.sources.old_source import OldSource, SourceKind
from medfuncta.sources.source import SPLITS, SourceInfo

_FOLDER: Final = Path(__file__).parent / "samples"
SAMPLES: Final = tuple(sorted(path.stem for path in _FOLDER.glob("*.npz")))
"""Names of the samples: ``ecg`` (1D), ``histology`` (2D RGB), ``slices`` (2D grey), ``volumes``
(3D)."""


class SampleSource(OldSource):
    """One of the files; the arrays of a split are read when its signals are asked for.

    Raises:
        ConfigError: If there is no sample of this name.
    """

    def __init__(self, name: str, *, skip_bad: bool = False) -> None:
        super().__init__(skip_bad=skip_bad)
        if name not in SAMPLES:
            raise ConfigError(f"no sample '{name}'; {suggest(name, SAMPLES)}")
        self.location = self._path = _FOLDER / f"{name}.npz"
        with np.load(self._path, allow_pickle=False) as file:
            self._card: dict[str, Any] = json.loads(str(file["card"]))
            self._splits = tuple(split for split in SPLITS if f"{split}/values" in file.files)

    @property
    def own_info(self) -> SourceInfo:
        return SourceInfo(**self._card["info"])

    @property
    def spec(self) -> SignalSpec:
        return SignalSpec.from_dict(self._card["signal"])

    @property
    def splits(self) -> tuple[str, ...]:
        return self._splits

    def _read(self, split: str) -> Iterator[Signal]:
        with np.load(self._path, allow_pickle=False) as file:
            arrays = {
                key: file[f"{split}/{key}"] for key in ("values", "labels", "ranges", "origins")
            }
            affines = (
                file[f"{split}/affines"]
                if f"{split}/affines" in file.files
                else [None] * len(arrays["values"])
            )
        spec = self.spec
        spacing = self._card["spacing"] and tuple(self._card["spacing"])
        shared = Grid(arrays["values"].shape[1:-1], spacing, unit=self._card["spacing_unit"])
        for index, (values, affine) in enumerate(zip(arrays["values"], affines, strict=True)):
            low, high = (float(bound) for bound in arrays["ranges"][index])
            yield Signal.of(
                id=f"{split}-{index:04d}",
                values=values.astype(np.float32),
                domain=shared
                if affine is None
                else Grid(shared.shape, spacing, affine, shared.unit),
                range=ValueRange(low, high),
                unit=spec.unit,
                label=int(arrays["labels"][index]),
                dtype=str(values.dtype),
                metadata={"origin": str(arrays["origins"][index])},
            )


def open_sample(location: str, options: Mapping[str, str], skip_bad: bool) -> SampleSource:
    """Open ``sample:NAME``."""
    return SampleSource(location, skip_bad=skip_bad)


FORMAT = SourceKind(
    "sample", f"signals that ship with the package: {', '.join(SAMPLES)}", {}, open_sample
)
