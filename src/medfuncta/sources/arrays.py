"""A source whose signals lie in memory: arrays, tensors, images of nibabel, or signals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from medfuncta.errors import ConfigError, DataError, suggest
from medfuncta.signals.domain import Domain, Grid
from medfuncta.signals.signal import Label, Signal, SignalSpec, ValueRange
from medfuncta.sources.contents import Contents, Survey
from medfuncta.sources.skips import Skips
from medfuncta.sources.source import Source
from medfuncta.sources.splitting import SPLITS, Item, SplitOptions, first_split

Channels: TypeAlias = Literal["none", "first", "last"]
"""Whether arrays have an axis of channels, and where."""
Range: TypeAlias = tuple[float, float] | Literal["train", "each"]
"""What is mapped to [0, 1]: these two values, what the first split spans, or what each signal
does."""

_MOST_CLASSES: Final = 10_000  # beyond it labels are measurements, not classes
_SPACING_UNITS: Final = {1: "s", 2: "mm", 3: "mm"}  # by the number of axes


def from_arrays(
    values: Any,
    *,
    channels: Channels | None = None,
    labels: Sequence[int | str | None] | None = None,
    label_names: Sequence[str] = (),
    groups: Sequence[str | int] | None = None,
    splits: Sequence[str] | None = None,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    spacing: float | Sequence[float] | None = None,
    unit: str = "",
    range: Range = "train",
    masks: Sequence[Any] | None = None,
    ids: Sequence[str] | None = None,
    modality: str = "",
    name: str = "memory",
    licence: str = "unknown",
    citation: str = "",
    skip_bad: bool = False,
) -> Source:
    """A source of signals that are in memory already, to train on, to fit and to evaluate.

    >>> import numpy as np
    >>> beats = np.sin(np.linspace(0, 6, 32) + np.arange(20)[:, None])
    >>> source = from_arrays(beats, channels="none", spacing=1 / 125, unit="mV", name="sines")
    >>> source.splits, source.spec.shape
    (('train', 'val', 'test'), (32,))
    >>> len(list(source.signals("test")))
    3

    Args:
        values: One signal after the other: a NumPy array or a tensor whose first axis counts
            signals, or a sequence of arrays, tensors, images of nibabel (their affine and spacing
            are kept) or signals of this package (which keep all that they say of themselves).
            A signal has 1 to 3 axes besides the channels. Arrays are kept, not copied.
        channels: Where the channels of an array or tensor are: ``"none"`` when there is no axis for
            them, or the ``"first"`` or the ``"last"`` axis of each signal. It must be said.
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
        masks: For each signal where it was observed, of its shape without channels, or None.
        ids: A name a signal, safe to publish; its number when not given.
        modality: Kind of recording, such as ``"ecg"``.
        name: What the data set is called; safe to publish.
        licence: The data's licence as its publisher words it.
        citation: Who made the data and where it is published.
        skip_bad: Leave out signals with NaN or Inf that no mask hides, instead of stopping there.

    Raises:
        ConfigError: If an argument is not of its kind.
        DataError: If there is no signal, an argument has not one entry a signal, signals are not
            alike, or there are fewer groups than splits.
    """
    if not name or "/" in name or "\\" in name:
        raise ConfigError("the name is empty or a path; expected one that is safe to publish")
    if not isinstance(range, tuple) and range not in ("train", "each"):
        raise ConfigError("the range is a text; expected (low, high), 'train' or 'each'")
    entries = _entries(values)
    count = len(entries)
    names = _checked_ids(_one_each("ids", ids, count) or _own_ids(entries))
    splitting = None
    if splits is None:
        splitting = SplitOptions(_fraction("val", val), _fraction("test", test), seed)
    items = _items(names, _one_each("groups", groups, count), _one_each("splits", splits, count))
    number_of = dict(zip(names, np.arange(count).tolist(), strict=True))
    _, first_items = first_split(items, splitting)
    numbers, classes = _classes(_one_each("labels", labels, count), label_names, entries)
    held = _Held(
        entries=entries,
        forms=[_form(f"signal {i}", entry, channels, spacing) for i, entry in enumerate(entries)],
        first=[number_of[item.id] for item in first_items],
        range=range,
        unit=unit,
        masks=_one_each("masks", masks, count),
        labels=numbers,
        classes=classes,
        modality=modality,
    )
    skips = Skips(skip_bad=skip_bad)

    def read(item: Item) -> Iterator[Signal]:
        try:
            yield held.signal(number_of[item.id], item.id)
        except DataError as error:
            skips.skip(item.name, error)

    contents = Contents(
        name=f"arrays:{name}",
        items=items,
        read=read,
        many=True,
        splitting=splitting,
        survey=held.survey,
        licence=licence,
        citation=citation,
        split_by=_split_by(groups, splits),
        details=_details(splitting, channels),
    )
    return Source(contents, skips)


@dataclass(frozen=True, eq=False)
class _Form:
    """What is known of a signal before its values are touched.

    Args:
        domain: Where its values lie.
        channels: Numbers per point.
        channel_axis: Where its channels are in what the user gave.
        unit: Its own unit, or None when it is the one that the user states.
    """

    domain: Domain
    channels: int
    channel_axis: Channels
    unit: str | None = None


@dataclass(eq=False)
class _Held:
    """The signals as they were given, turned into signals one by one."""

    entries: Sequence[Any]
    forms: Sequence[_Form]
    first: Sequence[int]
    range: Range
    unit: str
    masks: Sequence[Any] | None
    labels: Sequence[Label]
    classes: tuple[str, ...]
    modality: str

    def survey(self) -> Survey:
        """What all signals have in common.

        Raises:
            DataError: If they differ in dimension, channels or unit.
        """
        first = self.forms[self.first[0]]
        expected = self._words(first)
        for number, form in enumerate(self.forms):
            if self._words(form) != expected:
                raise DataError(
                    f"signal {number} has {self._words(form)}; the first one has {expected}; keep "
                    "signals of one form in a source"
                )
        shapes = {_shape(form) for form in self.forms}
        shape = None
        if len(shapes) == 1 and isinstance(first.domain, Grid):
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
        return Survey(spec, {"range": self._range_words()})

    def signal(self, number: int, id: str) -> Signal:
        """The signal of this number.

        Raises:
            DataError: If it has a NaN or Inf that no mask hides, or its mask does not fit.
        """
        entry, form, label = self.entries[number], self.forms[number], self.labels[number]
        if isinstance(entry, Signal):
            return entry.with_header(id=id, label=label)
        values = _values(entry, form)
        mask = self._mask(number, id)
        span = self._span
        if span is None:
            span = ValueRange.of(values[_observed(values, mask)])
        return Signal.of(
            id=id,
            values=values,
            domain=form.domain,
            range=span,
            unit=self.unit,
            mask=mask,
            label=label,
            dtype=_dtype_name(entry),
        )

    @cached_property
    def _span(self) -> ValueRange | None:
        """The range of all signals; None when each has its own."""
        if self.range == "each":
            return None
        if isinstance(self.range, tuple):
            return ValueRange(*self.range)
        low, high = np.inf, -np.inf
        for number in self.first:
            if isinstance(self.entries[number], Signal):
                continue
            values = _values(self.entries[number], self.forms[number])
            seen = values[_observed(values, self._mask(number, f"{number}"))]
            low = min(low, float(seen.min(initial=np.inf)))
            high = max(high, float(seen.max(initial=-np.inf)))
        if low > high:
            return None
        return ValueRange.of(np.array([low, high]))

    def _mask(self, number: int, id: str) -> np.ndarray | None:
        mask = None if self.masks is None else self.masks[number]
        if mask is None:
            return None
        array = _array(mask)
        if array.dtype != bool:
            raise DataError(
                f"the mask of signal '{id}' is of {array.dtype}; expected bool, True where a value "
                "was observed"
            )
        if array.shape != _shape(self.forms[number]):
            raise DataError(
                f"the mask of signal '{id}' has a shape of {array.shape}; expected "
                f"{_shape(self.forms[number])}"
            )
        return array

    def _unit(self, form: _Form) -> str:
        return self.unit if form.unit is None else form.unit

    def _words(self, form: _Form) -> str:
        unit = self._unit(form) or "no unit"
        return f"{form.domain.dim} dimensions and {form.channels} channels in {unit}"

    def _range_words(self) -> str:
        if self.range == "each":
            return "each signal's own"
        if all(isinstance(entry, Signal) for entry in self.entries):
            return "as the signals say"
        span = self._span
        return "" if span is None else f"{span.low},{span.high}"


def _entries(values: Any) -> list[Any]:
    """The signals one by one; the first axis of a stacked array counts them."""
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise ConfigError(
            f"signals were given as {type(values).__name__}; expected a stacked array or tensor, "
            "or a list of arrays, tensors, images of nibabel or signals"
        )
    if getattr(values, "ndim", 1) == 0:
        raise ConfigError("signals were given as a single number; expected a stacked array")
    if len(values) == 0:
        raise DataError("no signal was given; expected at least one")
    return list(values)


def _one_each(what: str, given: Any, count: int) -> list[Any] | None:
    """An argument that has an entry for each signal."""
    if given is None:
        return None
    if isinstance(given, str | Mapping) or not hasattr(given, "__len__"):
        raise ConfigError(
            f"{what} were given as {type(given).__name__}; expected a list with one entry a signal"
        )
    if len(given) != count:
        raise DataError(f"{len(given)} {what} for {count} signals; expected one for each")
    return list(given)


def _own_ids(entries: Sequence[Any]) -> list[str]:
    """What signals call themselves, or their numbers."""
    ids = []
    for number, entry in enumerate(entries):
        ids.append(entry.id if isinstance(entry, Signal) else f"{number:06d}")
    return ids


def _checked_ids(ids: Sequence[Any]) -> list[str]:
    for number, id in enumerate(ids):
        if not isinstance(id, str) or not id or "/" in id or "\\" in id:
            raise DataError(f"the id of signal {number} is no name; expected text without / and \\")
    if len(set(ids)) != len(ids):
        raise DataError(f"{len(set(ids))} different ids for {len(ids)} signals; expected one each")
    return list(ids)


def _fraction(what: str, given: float) -> str:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise ConfigError(
            f"the {what} split is given as {given!r}; expected a fraction from 0 to 1; name the "
            "split of each signal with splits="
        )
    return str(float(given))


def _items(
    ids: Sequence[str], groups: Sequence[Any] | None, splits: Sequence[Any] | None
) -> list[Item]:
    items = []
    split_of_group: dict[str, str] = {}
    for number, id in enumerate(ids):
        group = id if groups is None else str(groups[number])
        split = "" if splits is None else str(splits[number])
        if splits is not None and split not in SPLITS:
            raise ConfigError(
                f"the split of signal {number} is '{split}'; {suggest(split, SPLITS)}"
            )
        if split_of_group.setdefault(group, split) != split:
            raise DataError(
                f"signal {number} is in the {split} split and others of its group in the "
                f"{split_of_group[group]} split; expected a group in one split"
            )
        items.append(Item(id=id, name=f"signal {number}", paths=(), group=group, split=split))
    return items


def _classes(
    labels: Sequence[Any] | None, names: Sequence[str], entries: Sequence[Any]
) -> tuple[list[Label], tuple[str, ...]]:
    """The class number of each signal, and the names of the classes."""
    if labels is None:
        own: list[Label] = [e.label if isinstance(e, Signal) else None for e in entries]
        return own, _names_of(own, names)
    known = [label for label in labels if label is not None]
    if all(isinstance(label, str) for label in known) and known:
        classes = tuple(names) or tuple(sorted(set(known)))
        for number, label in enumerate(labels):
            if label is not None and label not in classes:
                raise DataError(
                    f"the label of signal {number} is not among the {len(classes)} label names"
                )
        return [None if label is None else classes.index(label) for label in labels], classes
    numbers: list[Label] = []
    for number, label in enumerate(labels):
        if label is not None and (isinstance(label, bool) or not _is_whole(label)):
            raise DataError(
                f"the label of signal {number} is a {type(label).__name__}; expected all to be "
                "numbers from 0, or all to be names"
            )
        numbers.append(None if label is None else int(label))
    return numbers, _names_of(numbers, names)


def _is_whole(label: Any) -> bool:
    """Whether a label is a whole number of Python, NumPy or a tensor."""
    return bool(getattr(label, "ndim", 0) == 0 and hasattr(label, "__index__") and label == label)


def _names_of(labels: Sequence[Label], names: Sequence[str]) -> tuple[str, ...]:
    """The given names, or the numbers from 0 up to the highest label."""
    highest = -1
    for number, label in enumerate(labels):
        own = label if isinstance(label, tuple) else (label,)
        for part in own:
            if part is None:
                continue
            limit = len(names) or _MOST_CLASSES
            if not 0 <= part < limit:
                raise DataError(
                    f"the label of signal {number} is {part}; expected a class from 0 to "
                    f"{limit - 1}"
                )
            highest = max(highest, part)
    return tuple(names) or tuple(str(part) for part in np.arange(highest + 1))


def _form(
    name: str, entry: Any, channels: Channels | None, spacing: float | Sequence[float] | None
) -> _Form:
    """Where the values of an entry lie, from its shape alone."""
    if isinstance(entry, Signal):
        return _Form(entry.domain, entry.channels, "last", entry.unit)
    if _is_image(entry):
        return _image_form(name, entry)
    shape = getattr(entry, "shape", None)
    if shape is None:
        raise ConfigError(
            f"{name} is a {type(entry).__name__}; expected an array, a tensor, an image of nibabel "
            "or a signal"
        )
    shape = tuple(int(n) for n in shape)
    if channels not in get_args(Channels):
        raise ConfigError(
            f"channels={channels!r} for arrays of shape {shape}; expected 'none' when there is no "
            "axis of channels, or 'first' or 'last' where it is"
        )
    spatial, count = shape, 1
    if channels == "first":
        count, spatial = shape[:1], shape[1:]
    elif channels == "last":
        count, spatial = shape[-1:], shape[:-1]
    if count != 1:
        count = count[0] if count else 0
    if not 1 <= len(spatial) <= 3 or count < 1:
        raise DataError(
            f"{name} has a shape of {shape} with channels={channels!r}; expected 1 to 3 axes "
            "besides the channels"
        )
    grid = Grid(spatial, _spacing(spacing, len(spatial)), unit=_grid_unit(spacing, len(spatial)))
    return _Form(grid, count, channels)


def _grid_unit(spacing: Any, dim: int) -> str:
    return "" if spacing is None else _SPACING_UNITS[dim]


def _spacing(spacing: float | Sequence[float] | None, dim: int) -> tuple[float, ...] | None:
    if spacing is None:
        return None
    if isinstance(spacing, int | float):
        return (float(spacing),) * dim
    return tuple(float(step) for step in spacing)


def _is_image(entry: Any) -> bool:
    return hasattr(entry, "dataobj") and hasattr(entry, "affine")


def _image_form(name: str, image: Any) -> _Form:
    from medfuncta.sources.volume import physical_grid

    shape = tuple(int(n) for n in image.shape)
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise DataError(f"{name} is an image of shape {shape}; expected 3 axes, or channels behind")
    affine = np.array(image.affine, float)
    grid = physical_grid(name, shape[:3], affine)
    count = shape[3] if len(shape) == 4 else 1
    return _Form(grid, count, "last" if len(shape) == 4 else "none")


def _shape(form: _Form) -> tuple[int, ...]:
    """The shape of a signal's values without channels."""
    if isinstance(form.domain, Grid):
        return form.domain.shape
    return (form.domain.points,)


def _values(entry: Any, form: _Form) -> np.ndarray:
    """``[*shape, channels]`` float32; no copy when it was."""
    array = np.asarray(entry.dataobj) if _is_image(entry) else _array(entry)
    if array.dtype.kind not in "biuf":
        raise DataError(f"values of {array.dtype}; expected real numbers")
    if form.channel_axis == "first":
        array = np.moveaxis(array, 0, -1)
    return array.astype(np.float32, copy=False).reshape(*_shape(form), form.channels)


def _array(entry: Any) -> np.ndarray:
    """An array or tensor as an array."""
    if hasattr(entry, "detach"):
        entry = entry.detach().cpu()
        if entry.dtype.is_floating_point and entry.dtype.itemsize < 4:
            entry = entry.float()  # NumPy knows no bfloat16
        return entry.numpy()
    return np.asarray(entry)


def _dtype_name(entry: Any) -> str:
    if _is_image(entry):
        return str(np.dtype(entry.get_data_dtype()))
    return str(entry.dtype).removeprefix("torch.")


def _observed(values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """``[*shape]``: points whose values are all finite and that the mask keeps."""
    finite = np.isfinite(values).all(axis=-1)
    return finite if mask is None else finite & mask


def _split_by(groups: Any, splits: Any) -> str:
    if splits is not None:
        return "given"
    return "signal" if groups is None else "group"


def _details(
    splitting: SplitOptions | None, channels: Channels | None
) -> dict[str, str | int | float | bool | None]:
    details: dict[str, str | int | float | bool | None] = {"channels": channels}
    if splitting is not None:
        details |= {"val": splitting.val, "test": splitting.test, "seed": splitting.seed}
    return details
