"""A source whose signals lie in memory: arrays, tensors, images, signals, or data sets of
PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, DataError, suggest
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Label, Signal, SignalSpec, ValueRange
from medfuncta._src.sources.axes import odd_axes
from medfuncta._src.sources.containers import Channels
from medfuncta._src.sources.contents import Contents, Survey
from medfuncta._src.sources.held import (
    Held,
    HeldSplits,
    OneEach,
    check_texts,
    held_mask,
    held_signal,
    one_by_one,
    one_each,
)
from medfuncta._src.sources.held_labels import classes_of
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.splitting import SPLITS, Item, first_split
from medfuncta._src.sources.torch_data import gathered

Range: TypeAlias = tuple[float, float] | Literal["train", "each"]
"""What is mapped to [0, 1]: these two values, what the first split spans, or what each signal
does."""


def from_arrays(
    values: Any,
    *,
    channels: Channels | None = None,
    labels: OneEach | None = None,
    label_names: Sequence[str] = (),
    groups: OneEach | None = None,
    splits: OneEach | None = None,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    spacing: float | Sequence[float] | None = None,
    unit: str = "",
    range: Range = "train",
    masks: OneEach | None = None,
    ids: OneEach | None = None,
    modality: str = "",
    name: str = "memory",
    licence: str = "unknown",
    citation: str = "",
    skip_bad: bool = False,
) -> Source:
    """A source of signals that are in memory already, to train on, to fit and to evaluate.

    >>> import numpy as np
    >>> beats = np.sin(np.linspace(0, 6, 32) + np.arange(20)[:, None])
    >>> source = from_arrays(beats, spacing=1 / 125, unit="mV", name="sines")
    >>> source.splits, source.spec.shape
    (('train', 'val', 'test'), (32,))
    >>> len(list(source.signals("test")))
    3

    Args:
        values: One signal after the other: a NumPy array or a tensor whose first axis counts
            signals, or a sequence of arrays, tensors, images of nibabel, MONAI (``MetaTensor``) or
            TorchIO (their affine and spacing are kept) or signals of this package (which keep all
            that they say of themselves). Or a ``Dataset`` or ``DataLoader`` of PyTorch, read once,
            or a list of dicts: its items are arrays, ``(array, label)``, or dicts with ``"image"``
            (or ``"signal"``) and, if known, ``"label"``, ``"id"``, ``"group"`` and ``"mask"``;
            labels that are no classes, such as label maps, are left out with a remark. A signal has
            1 to 3 axes besides the channels. Arrays are kept, not copied.
        channels: Where the channels of an array or tensor are: ``"none"`` when there is no axis for
            them, or the ``"first"`` or the ``"last"`` axis of each signal. Where a signal has one
            axis there is none for channels; else it must be said. Images say it themselves.
        labels: A class a signal: numbers from 0, or names; None where it is not known.
        label_names: Names of the classes by number; by default the numbers, or the names in order.
        groups: What each signal belongs to, such as its patient; a group is never split.
        splits: ``"train"``, ``"val"`` or ``"test"`` for each signal; drawn when not given.
        val: Fraction that is drawn for validation.
        test: Fraction that is drawn for the test.
        seed: Another number draws another split.
        spacing: Seconds from sample to sample in 1D, else millimetres along each axis; one number
            is that of every axis.
        unit: Unit of the values, such as ``"mV"`` or ``"HU"``.
        range: ``(low, high)`` in units of the values, mapped to [0, 1]; ``"train"``, what the first
            split spans; or ``"each"``, what each signal spans.
        masks: For each signal where it was observed, of its shape without channels, bool or 0 and
            1, or None.
        ids: A name a signal, safe to publish; its number when not given.
        modality: Kind of recording, such as ``"ecg"``.
        name: What the data set is called; safe to publish.
        licence: The data's licence as its publisher words it.
        citation: Who made the data and where it is published.
        skip_bad: Leave out signals with NaN or Inf that no mask hides, instead of stopping there.

    Raises:
        ConfigError: If an argument is not of its kind.
        DataError: If there is no signal, an argument has not one entry a signal, signals are not
            alike, or there are fewer groups than the splits that were asked for.
    """
    if not name or "/" in name or "\\" in name:
        raise ConfigError("the name is empty or a path; expected one that is safe to publish")
    _check_range(range)
    given = gathered(values, labels=labels, groups=groups, masks=masks, ids=ids)
    entries = [
        held_signal(f"signal {number}", entry, channels, spacing)
        for number, entry in enumerate(one_by_one(given.values))
    ]
    count = len(entries)
    splitting = None
    if splits is None:
        splitting = HeldSplits(_fraction("val", val), _fraction("test", test), seed)
    items = _items(
        _ids(one_each("ids", given.ids, count), entries),
        one_each("groups", given.groups, count),
        one_each("splits", splits, count),
    )
    numbers = {item.id: number for number, item in enumerate(items)}
    own_labels = one_each("labels", given.labels, count)
    class_numbers, classes = classes_of(own_labels, label_names, entries)
    check_texts({"name": name, "unit": unit, "modality": modality}, classes)
    _, first_items = first_split(items, splitting)
    held = _HeldSignals(
        entries=entries,
        first=[numbers[item.id] for item in first_items],
        range=range,
        unit=unit,
        masks=one_each("masks", given.masks, count) or [None] * count,
        labels=class_numbers,
        classes=classes,
        modality=modality,
    )
    skips = Skips(skip_bad=skip_bad)
    for remark in (*given.remarks, *_odd(entries[0], channels)):
        skips.remark(remark)

    def read(item: Item) -> Iterator[Signal]:
        try:
            yield held.signal(numbers[item.id], item.id)
        except DataError as error:
            skips.skip(item.name, error)

    details: dict[str, str | int | float | bool | None] = {"channels": channels}
    if splitting is not None:
        details |= {"val": splitting.val, "test": splitting.test, "seed": splitting.seed}
    contents = Contents(
        name=f"arrays:{name}",
        items=items,
        read=read,
        many=True,
        splitting=splitting,
        survey=held.survey,
        licence=licence,
        citation=citation,
        split_by=_split_by(given.groups, splits),
        details=details,
    )
    return Source(contents, skips)


@dataclass(eq=False)
class _HeldSignals:
    """What was given, turned into signals one by one."""

    entries: Sequence[Held]
    first: Sequence[int]
    range: Range
    unit: str
    masks: Sequence[Any]
    labels: Sequence[Label]
    classes: tuple[str, ...]
    modality: str

    def survey(self) -> Survey:
        """What all signals have in common.

        Raises:
            DataError: If they differ in dimension, channels or unit.
        """
        first = self.entries[self.first[0]]
        expected = self._form(first)
        for number, entry in enumerate(self.entries):
            if self._form(entry) != expected:
                raise DataError(
                    f"signal {number} has {self._form(entry)}; the first one has {expected}; keep "
                    "signals of one form in a source"
                )
        shape = None
        if isinstance(first.domain, Grid) and len({entry.shape for entry in self.entries}) == 1:
            shape = first.domain.shape
        task = {0: "", 2: "binary-class"}.get(len(self.classes), "multi-class")
        if any(isinstance(label, tuple) for label in self.labels):
            task = "multi-label"
        spec = SignalSpec(
            dim=first.domain.dim,
            channels=first.channels,
            shape=shape,
            unit=self._unit(first),
            modality=self.modality,
            label_names=self.classes,
            task=task,
        )
        return Survey(spec, {"range": self._said_range})

    def signal(self, number: int, id: str) -> Signal:
        """The signal of this number.

        Raises:
            DataError: If it has a NaN or Inf that no mask hides, or its mask does not fit.
        """
        entry, label = self.entries[number], self.labels[number]
        if entry.signal is not None:
            return entry.signal.with_header(id=id, label=label)
        values = entry.load()
        mask = self._mask(number)
        span = self._span
        if span is None:
            span = ValueRange.of(_observed(f"signal '{id}'", values, mask))
        return Signal.of(
            id=id,
            values=values,
            domain=entry.domain,
            range=span,
            unit=self.unit,
            mask=mask,
            label=label,
            dtype=entry.dtype,
        )

    @cached_property
    def _span(self) -> ValueRange | None:
        """The range of all signals; None when each has its own."""
        if self.range == "each":
            return None
        if self.range != "train":
            return ValueRange(*self.range)
        low, high = np.inf, -np.inf
        for number in self.first:
            if self.entries[number].signal is None:
                values = self.entries[number].load()
                seen = _observed(f"signal {number}", values, self._mask(number))
                low, high = min(low, float(seen.min())), max(high, float(seen.max()))
        if low > high:
            return None
        return ValueRange.of(np.array([low, high]))

    @property
    def _said_range(self) -> str:
        if all(entry.signal is not None for entry in self.entries):
            return "as the signals say"
        if self._span is None:
            return "each signal's own"
        return f"{self._span.low},{self._span.high}"

    def _mask(self, number: int) -> np.ndarray | None:
        given = self.masks[number]
        if given is None:
            return None
        return held_mask(f"signal {number}", given, self.entries[number].shape)

    def _unit(self, entry: Held) -> str:
        if entry.signal is not None:
            return entry.signal.unit
        return self.unit

    def _form(self, entry: Held) -> str:
        unit = self._unit(entry) or "no unit"
        channels = counted(entry.channels, "channel")
        return f"{counted(entry.domain.dim, 'dimension')} and {channels} in {unit}"


def _observed(name: str, values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """The finite values that the mask keeps."""
    if mask is not None:
        values = values[mask]
    seen = values[np.isfinite(values)]
    if not seen.size:
        raise DataError(f"{name} has no finite value that was observed; leave it out")
    return seen


def _ids(given: Sequence[Any] | None, entries: Sequence[Held]) -> list[str]:
    """The ids as given, or else what signals call themselves, or their numbers."""
    ids = []
    for number, entry in enumerate(entries):
        id = f"{number:06d}"
        if given is not None:
            id = given[number]
        elif entry.signal is not None:
            id = entry.signal.id
        if not isinstance(id, str) or not id or "/" in id or "\\" in id or not id.isprintable():
            raise DataError(
                f"the id of signal {number} is no name; expected printable text without / and \\"
            )
        ids.append(id)
    different = len(set(ids))
    if different != len(ids):
        raise DataError(
            f"{different} different ids for {counted(len(ids), 'signal')}; expected one for each"
        )
    return ids


def _items(
    ids: Sequence[str], groups: Sequence[Any] | None, splits: Sequence[Any] | None
) -> list[Item]:
    items = []
    split_of: dict[str, str] = {}
    for number, id in enumerate(ids):
        group, split = id, ""
        if groups is not None:
            group = str(groups[number])
        if splits is not None:
            split = str(splits[number])
            if split not in SPLITS:
                raise ConfigError(
                    f"the split of signal {number} is '{split}'; {suggest(split, SPLITS)}"
                )
        if split_of.setdefault(group, split) != split:
            raise DataError(
                f"signal {number} is in the {split} split and others of its group are in the "
                f"{split_of[group]} split; expected a group in one split"
            )
        items.append(Item(id=id, name=f"signal {number}", group=group, split=split))
    return items


def _check_range(given: Any) -> None:
    pair = isinstance(given, tuple | list) and len(given) == 2
    numbers = pair and all(isinstance(bound, int | float | np.number) for bound in given)
    words = isinstance(given, str) and given in ("train", "each")
    if not (numbers or words):
        raise ConfigError(f"the range is {given!r}; expected (low, high), 'train' or 'each'")


def _fraction(what: str, given: float) -> str:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise ConfigError(
            f"the {what} split is given as {given!r}; expected a fraction from 0 to 1; name the "
            "split of each signal with splits="
        )
    return str(float(given))


def _odd(first: Held, channels: Channels | None) -> Sequence[str]:
    """What is odd about the axes of arrays, if anything."""
    if first.signal is not None or channels is None:
        return ()
    return odd_axes(first.shape, first.channels, channels)


def _split_by(groups: Any, splits: Any) -> str:
    if splits is not None:
        return "given"
    if groups is not None:
        return "group"
    return "signal"
