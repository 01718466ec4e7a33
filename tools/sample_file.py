"""The form of the sample files: one ``npz`` with a card as JSON text and the arrays of each split
as ``split/array``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.sources.source import SourceInfo

OUT = Path(__file__).parents[1] / "src/medfuncta/_src/sources/samples"


@dataclass
class Split:
    """The signals of one split, gathered one by one."""

    values: list[np.ndarray] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    ranges: list[tuple[float, float]] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    affines: list[np.ndarray] = field(default_factory=list)

    def add(
        self,
        values: np.ndarray,
        label: int,
        span: tuple[float, float],
        origin: str,
        affine: np.ndarray | None = None,
    ) -> None:
        self.values.append(values)
        self.labels.append(label)
        self.ranges.append(span)
        self.origins.append(origin)
        if affine is not None:
            self.affines.append(affine)

    def arrays(self) -> dict[str, np.ndarray]:
        arrays = {
            "values": np.stack(self.values),
            "labels": np.array(self.labels, np.uint8),
            "ranges": np.array(self.ranges, np.float32),
            "origins": np.array(self.origins),
        }
        return arrays | ({"affines": np.stack(self.affines)} if self.affines else {})


@dataclass(frozen=True)
class Card:
    """What a sample says of itself; the package reads it back into the same objects.

    Args:
        signal: What the signals have in common.
        info: Licence, citation and how the signals were made.
        spacing: Of the grid along each axis, or None.
        spacing_unit: ``"s"``, ``"mm"`` or ``""``.
    """

    signal: SignalSpec
    info: SourceInfo
    spacing: tuple[float, ...] | None = None
    spacing_unit: str = ""


def write_sample(name: str, card: Card, splits: Mapping[str, Split]) -> None:
    """Write one sample file atomically and say what it holds."""
    arrays = {
        f"{split}/{key}": array
        for split, signals in splits.items()
        for key, array in signals.arrays().items()
    }
    counts = {split: np.bincount(signals.labels).tolist() for split, signals in splits.items()}
    text = np.array(json.dumps(asdict(card)))
    path = OUT / f"{name}.npz"
    write_atomically(path, lambda temporary: np.savez_compressed(temporary, card=text, **arrays))
    print(f"{name}: {path.stat().st_size / 1e6:.2f} MB, signals by class {counts}")
