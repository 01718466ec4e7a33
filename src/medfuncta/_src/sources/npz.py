"""NumPy archives in the layout of MedMNIST: ``train_images``, ``train_labels``, ``val_images``, ...
in one ``.npz`` file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Label, Signal, SignalSpec, ValueRange
from medfuncta._src.sources.axes import Layout
from medfuncta._src.sources.contents import Contents, Format, Survey
from medfuncta._src.sources.npz_archive import ArrayHeader, NpzArchive
from medfuncta._src.sources.options import Options, check_bounds, details, option
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import SPLITS, Item, whole_splits
from medfuncta._src.sources.volume import narrowed

_MOST_CLASSES: Final = 10_000  # beyond it the column is a measurement or damaged, not a class


@dataclass(frozen=True)
class NpzOptions(Options):
    """How the arrays are read."""

    kind: Literal["", "trace", "grey", "rgb", "volume"] = option(
        "", "what the arrays hold; guessed from their shape when not given"
    )
    channels: Literal["", "none", "first", "last"] = option(
        "",
        "the axis of channels: none, the first of each signal ([N, 3, H, W]) or the last; guessed "
        "from the shape when not given",
    )
    limit: int | None = option(None, "the first N signals of each split", at_least=1)
    range: tuple[float, ...] | Literal["data"] | None = option(
        None,
        "low,high mapped to [0, 1], or 'data': what the first split spans; when not given, 0,255 "
        "for uint8 and 'data' for other types",
    )
    labels: tuple[str, ...] = option((), "names of the classes by number, separated by commas")


@dataclass(frozen=True)
class Classes:
    """Names of the classes by number, and the task in MedMNIST's words."""

    names: tuple[str, ...] = ()
    task: str = ""


def _open_npz(location: str, options: NpzOptions, skips: Skips) -> Contents:
    """Open ``npz:FILE``."""
    return npz_contents(Path(location).expanduser(), options, skips)


def npz_contents(
    path: Path, options: NpzOptions, skips: Skips, classes: Classes | None = None
) -> Contents:
    """The splits of an archive. Only the arrays of the split that is read are decompressed, block
    by block.

    Args:
        path: The file.
        options: How the arrays are read.
        skips: Where to note what is left out.
        classes: What labels mean; as the first split's labels tell when None.

    Raises:
        DataError: If the file is no archive, or holds no split.
    """
    check_bounds("range", options.range)
    reader = _Reader(NpzArchive(path), options, skips, classes)
    if not reader.splits:
        found = ", ".join(sorted(reader.archive.names)) or "nothing"
        raise DataError(
            f"{path.name} holds {found}; expected train_images, val_images or test_images"
        )
    return Contents(
        name=f"npz:{path.stem}",
        location=path,
        items=whole_splits(reader.splits),
        many=True,
        read=reader.read,
        count=reader.count,
        survey=reader.survey,
        details=details(options),
    )


@dataclass(frozen=True)
class _Reader:
    """Reads the arrays of an archive as signals; the arguments are those of
    :func:`npz_contents`."""

    archive: NpzArchive
    options: NpzOptions
    skips: Skips
    given_classes: Classes | None

    @property
    def splits(self) -> list[str]:
        return [split for split in SPLITS if f"{split}_images" in self.archive.names]

    def survey(self) -> Survey:
        """What the header and the labels of the first split say, and the range of its values."""
        layout = self._layout
        if layout.remark:
            self.skips.remark(layout.remark)
        spec = SignalSpec(
            dim=len(layout.shape),
            channels=layout.channels,
            shape=layout.shape,
            unit=self._unit,
            label_names=self._classes.names,
            task=self._classes.task,
        )
        return Survey(spec, {"range": f"{self._range.low},{self._range.high}"})

    def count(self, split: Item) -> int:
        """How many signals a split gives, as its header says."""
        there = self.archive.header(f"{split.name}_images").shape[0]
        return min(there, self.options.limit or there)

    def read(self, split: Item) -> Iterator[Signal]:
        """The signals of a split, in the order of the array."""
        shape = self.archive.header(f"{split.name}_images").shape
        expected = self._first_header.shape[1:]
        if shape[1:] != expected:
            raise DataError(
                f"{split.name}_images in {self.archive.path.name} has shape {shape}; expected "
                f"{('N', *expected)}"
            )
        labels = self._labels(split.name)
        images = islice(self._images(split.name), self.options.limit)
        for index, values in enumerate(images):
            name = f"{split.name}-{index:06d}"
            try:
                label = None if labels is None else self._label(name, labels[index])
                signal = self._signal(name, values, label)
            except DataError as error:
                self.skips.skip(name, error)
            else:
                yield signal

    def _images(self, split: str) -> Iterator[np.ndarray]:
        for block in self.archive.blocks(f"{split}_images"):
            yield from block

    def _signal(self, name: str, values: np.ndarray, label: Label) -> Signal:
        return Signal.of(
            id=name,
            values=self._narrowed(name, self._layout.channels_last(values)),
            domain=self._grid,
            range=self._range,
            unit=self._unit,
            label=label,
            dtype=str(values.dtype),
        )

    @cached_property
    def _first_header(self) -> ArrayHeader:
        return self.archive.header(f"{self.splits[0]}_images")

    @cached_property
    def _layout(self) -> Layout:
        return Layout.of(self._first_header.shape, self.options.kind, self.options.channels)

    @cached_property
    def _grid(self) -> Grid:
        return Grid(self._layout.shape)

    @property
    def _unit(self) -> str:
        return "8-bit" if self._first_header.dtype == np.uint8 else ""

    @cached_property
    def _range(self) -> ValueRange:
        """What is mapped to [0, 1]: of the options, of the type, or what the first split spans."""
        if isinstance(self.options.range, tuple):
            return ValueRange(*self.options.range)
        if self.options.range is None and self._first_header.dtype == np.uint8:
            return ValueRange(0.0, 255.0)
        bounds = []
        for block in self.archive.blocks(f"{self.splits[0]}_images"):
            finite = block[np.isfinite(block)]
            if finite.size:
                bounds += [finite.min(), finite.max()]
        if not bounds:
            raise DataError(
                f"{self.splits[0]}_images in {self.archive.path.name} holds no finite number; "
                "expected some to take the range from"
            )
        return ValueRange.of(np.array(bounds))

    @cached_property
    def _classes(self) -> Classes:
        """What labels mean, from the options and the first split's labels."""
        if self.given_classes is not None:
            return self.given_classes
        labels = self._labels(self.splits[0])
        if labels is None:
            return Classes()
        multi_label = labels.shape[1] > 1
        count = labels.shape[1] if multi_label else int(labels.max(initial=0)) + 1
        if count > _MOST_CLASSES:
            raise DataError(
                f"{self.splits[0]}_labels in {self.archive.path.name} goes up to {count - 1}; "
                "expected classes numbered from 0"
            )
        names = self.options.labels or tuple(map(str, range(count)))
        if multi_label:
            return Classes(names, "multi-label")
        return Classes(names, "binary-class" if len(names) == 2 else "multi-class")

    def _label(self, name: str, columns: np.ndarray) -> Label:
        """A class number; for multi-label data the numbers of the classes that hold."""
        classes = len(self._classes.names)
        if len(columns) > 1:
            if len(columns) != classes or not np.isin(columns, (0, 1)).all():
                raise DataError(
                    f"signal '{name}': labels {columns.tolist()}; expected {classes} of 0 or 1, "
                    "one a class"
                )
            return tuple(int(number) for number in np.flatnonzero(columns))
        number = int(columns[0])
        if not 0 <= number < classes:
            raise DataError(
                f"signal '{name}': label {number}; expected 0 to {classes - 1}; name all classes "
                "with labels="
            )
        return number

    def _narrowed(self, name: str, values: np.ndarray) -> np.ndarray:
        found, remark = narrowed(f"signal '{name}'", values)
        if remark:
            self.skips.remark(remark, name)
        return found

    def _labels(self, split: str) -> np.ndarray | None:
        """The labels of a split, ``[N, columns]``, or None when there are none."""
        name = f"{split}_labels"
        if name not in self.archive.names:
            return None
        header = self.archive.header(name)
        count = self.archive.header(f"{split}_images").shape[0]
        numbers = header.dtype.kind in "iubf"
        a_row_each = len(header.shape) <= 2 and header.shape[:1] == (count,)
        labels = None
        if numbers and a_row_each and 0 not in header.shape[1:]:
            labels = _whole(self.archive.array(name))
        if labels is None:
            raise DataError(
                f"{name} in {self.archive.path.name} is {header.dtype} of shape {header.shape}; "
                f"expected whole numbers [{count}, columns], the classes from 0"
            )
        return labels.reshape(count, -1)


def _whole(labels: np.ndarray) -> np.ndarray | None:
    """Class numbers as whole ones, which some programs keep as 0.0, 1.0; None where they are
    not."""
    if labels.dtype.kind != "f":
        return labels
    if not np.isfinite(labels).all() or np.abs(labels).max(initial=0) > _MOST_CLASSES:
        return None
    whole = np.rint(labels).astype(np.int64)
    return whole if np.array_equal(whole, labels) else None


FORMAT = Format("npz", "a NumPy archive in the layout of MedMNIST", NpzOptions, _open_npz)
