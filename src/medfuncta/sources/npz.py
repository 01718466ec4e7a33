"""NumPy archives in the layout of MedMNIST: ``train_images``, ``train_labels``, ``val_images``, ...
in one ``.npz`` file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np

from medfuncta.errors import DataError
from medfuncta.signals.domain import Grid
from medfuncta.signals.signal import Label, Signal, SignalSpec, ValueRange
from medfuncta.sources.npz_archive import ArrayHeader, NpzArchive
from medfuncta.sources.old_source import OldSource, SourceKind
from medfuncta.sources.options import check_bounds, describe, details, option, parse
from medfuncta.sources.source import SPLITS, SourceInfo

_SPATIAL_AXES: Final = {"trace": 1, "grey": 2, "rgb": 2, "volume": 3}
_MOST_CLASSES: Final = (
    10_000  # beyond it the column is a measurement or damaged, not a class number
)


@dataclass(frozen=True)
class NpzOptions:
    """How the arrays are read."""

    kind: Literal["", "trace", "grey", "rgb", "volume"] = option(
        "", "what the arrays hold; guessed from their shape when not given"
    )
    limit: int | None = option(None, "the first N signals of each split", at_least=1)
    range: tuple[float, ...] | None = option(
        None, "low,high mapped to [0, 1]; 0,255 for uint8, else what the first split spans"
    )
    labels: tuple[str, ...] = option((), "names of the classes by number, separated by commas")


@dataclass(frozen=True)
class Layout:
    """How the axes of an image array are meant: ``[signals, *shape]`` or
    ``[signals, *shape, channels]``."""

    shape: tuple[int, ...]
    channels: int

    @classmethod
    def of(cls, array: tuple[int, ...], kind: str) -> Layout:
        """The layout of an array's shape.

        Without a ``kind``, 2 axes are traces, 3 grey images, 5 volumes with channels; 4 are images
        with a channel axis when the last one is 1 or 3 long, else volumes.

        Raises:
            DataError: If the number of axes does not fit.
        """
        if not kind:
            last_is_channels = len(array) == 4 and array[-1] in (1, 3)
            kind = {
                2: "trace",
                3: "grey",
                4: "rgb" if last_is_channels else "volume",
                5: "volume",
            }.get(len(array), "")
        axes = _SPATIAL_AXES.get(kind, 0)
        if not kind or len(array) - 1 - axes not in {"grey": (0,), "rgb": (1,)}.get(kind, (0, 1)):
            raise DataError(
                f"an array of shape {array} as {kind or 'signals'}; expected [N, T], [N, H, W], "
                "[N, H, W, 3] or [N, D, H, W], "
                "or another kind= of trace, grey, rgb, volume"
            )
        return cls(array[1 : 1 + axes], (*array[1 + axes :], 1)[0])


class NpzSource(OldSource):
    """The splits of one archive; only the arrays of the split that is read are decompressed, block
    by block."""

    def __init__(self, path: Path, options: NpzOptions, *, skip_bad: bool = False) -> None:
        super().__init__(skip_bad=skip_bad)
        self.options, self.location = options, path
        self._archive = NpzArchive(path)
        check_bounds("range", options.range)
        if not self.splits:
            found = ", ".join(sorted(self._archive.names)) or "nothing"
            raise DataError(
                f"{path.name} holds {found}; expected train_images, val_images or test_images"
            )

    @property
    def own_info(self) -> SourceInfo:
        applied = {"range": f"{self._range.low},{self._range.high}"}
        return SourceInfo(f"npz:{self._archive.path.stem}", details=details(self.options) | applied)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if f"{split}_images" in self._archive.names)

    @property
    def spec(self) -> SignalSpec:
        return self._spec

    @cached_property
    def _spec(self) -> SignalSpec:
        layout = Layout.of(self._first_header.shape, self.options.kind)
        unit = "8-bit" if self._first_header.dtype == np.uint8 else ""
        names, task = self._label_facts()
        return SignalSpec(
            len(layout.shape), layout.channels, layout.shape, unit, label_names=names, task=task
        )

    @cached_property
    def _first_header(self) -> ArrayHeader:
        return self._archive.header(f"{self.splits[0]}_images")

    def _label_facts(self) -> tuple[tuple[str, ...], str]:
        """Names of the classes and the task, from the options and the first split's labels."""
        labels = self._labels(self.splits[0])
        if labels is None:
            return (), ""
        multi_label = labels.shape[1] > 1
        count = labels.shape[1] if multi_label else int(labels.max(initial=0)) + 1
        if count > _MOST_CLASSES:
            raise DataError(
                f"{self.splits[0]}_labels in {self._archive.path.name} goes up to {count - 1}; "
                "expected classes numbered from 0"
            )
        names = self.options.labels or tuple(map(str, range(count)))
        return names, "multi-label" if multi_label else "binary-class" if len(
            names
        ) == 2 else "multi-class"

    @cached_property
    def _grid(self) -> Grid:
        return Grid(self.spec.shape or ())

    @cached_property
    def _range(self) -> ValueRange:
        if self.options.range is not None:
            return ValueRange(*self.options.range)
        if self._first_header.dtype == np.uint8:
            return ValueRange(0.0, 255.0)
        finite = (
            block[np.isfinite(block)] for block in self._archive.blocks(f"{self.splits[0]}_images")
        )
        bounds = [bound for block in finite if block.size for bound in (block.min(), block.max())]
        if not bounds:
            raise DataError(
                f"{self.splits[0]}_images in {self._archive.path.name} holds no finite number; "
                "expected some to take the range from"
            )
        return ValueRange.of(np.array(bounds))

    def _read(self, split: str) -> Iterator[Signal]:
        shape = self._archive.header(f"{split}_images").shape
        if shape[1:] != self._first_header.shape[1:]:
            raise DataError(
                f"{split}_images in {self._archive.path.name} has shape {shape}; expected "
                f"{('N', *self._first_header.shape[1:])}"
            )
        labels = self._labels(split)
        images = (values for block in self._archive.blocks(f"{split}_images") for values in block)
        _ = (
            self._grid,
            self._range,
        )  # what is wrong with the archive as a whole is no signal's fault, and not to be skipped signal by signal
        for index, values in enumerate(islice(images, self.options.limit)):
            name = f"{split}-{index:06d}"
            try:
                yield self._signal(name, values, None if labels is None else labels[index])
            except DataError as error:
                self.skip(name, error)

    def _signal(self, name: str, values: np.ndarray, label: np.ndarray | None) -> Signal:
        return Signal.of(
            id=name,
            values=values.reshape(*self._grid.shape, self.spec.channels).astype(np.float32),
            domain=self._grid,
            range=self._range,
            unit=self.spec.unit,
            label=None if label is None else self._label(name, label),
            dtype=str(values.dtype),
        )

    def _label(self, name: str, columns: np.ndarray) -> Label:
        """A class number; for multi-label data the numbers of the classes that hold."""
        if len(columns) > 1:
            if len(columns) != len(self.spec.label_names) or not np.isin(columns, (0, 1)).all():
                raise DataError(
                    f"signal '{name}': labels {columns.tolist()}; expected "
                    f"{len(self.spec.label_names)} of 0 or 1, one a class"
                )
            return tuple(int(number) for number in np.flatnonzero(columns))
        number, classes = int(columns[0]), len(self.spec.label_names)
        if not 0 <= number < classes:
            raise DataError(
                f"signal '{name}': label {number}; expected 0 to {classes - 1}; name all classes "
                "with labels="
            )
        return number

    def _labels(self, split: str) -> np.ndarray | None:
        """The labels of a split, ``[N, columns]``, or None when there are none."""
        name = f"{split}_labels"
        if name not in self._archive.names:
            return None
        header, (count, *_) = (
            self._archive.header(name),
            self._archive.header(f"{split}_images").shape,
        )
        if (
            header.dtype.kind not in "iub"
            or len(header.shape) > 2
            or header.shape[:1] != (count,)
            or 0 in header.shape[1:]
        ):
            raise DataError(
                f"{name} in {self._archive.path.name} is {header.dtype} of shape {header.shape}; "
                f"expected whole numbers [{count}, columns]"
            )
        return self._archive.array(name).reshape(count, -1)


def open_npz(location: str, options: Mapping[str, str], skip_bad: bool) -> NpzSource:
    """Open ``npz:FILE``."""
    return NpzSource(Path(location).expanduser(), parse(NpzOptions, options), skip_bad=skip_bad)


FORMAT = SourceKind(
    "npz", "a NumPy archive in the layout of MedMNIST", describe(NpzOptions), open_npz
)
