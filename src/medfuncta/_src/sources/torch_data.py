"""Signals that a ``Dataset`` or ``DataLoader`` of PyTorch hands out, read once into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Final

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from medfuncta._src.door.wording import shown
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.sources.containers import as_array, is_subject

_SIGNAL_KEYS: Final = ("image", "signal")
_OTHER_KEYS: Final = ("label", "id", "group", "mask")
_WANTED: Final = (
    "expected an array, (array, label), or a dict with 'image' (or 'signal') and, if known, "
    "'label', 'id', 'group' and 'mask'"
)


@dataclass(frozen=True)
class Gathered:
    """Signals, and what is known of each.

    Args:
        values: As :func:`~medfuncta._src.sources.arrays.from_arrays` takes them.
        labels, groups, masks, ids: One a signal, or None.
        remarks: What was left out.
    """

    values: Any
    labels: Any = None
    groups: Any = None
    masks: Any = None
    ids: Any = None
    remarks: tuple[str, ...] = ()


def gathered(values: Any, **given: Any) -> Gathered:
    """What a data set hands out, item by item; anything else as it is.

    Args:
        values: Perhaps a data set.
        given: ``labels``, ``groups``, ``masks`` and ``ids`` that the user gives; they count more
            than those of the items.

    Raises:
        ConfigError: If an item is of none of the known forms.
        DataError: If there is no item, or only some have a label, an id, a group or a mask.
    """
    listed = isinstance(values, list | tuple) and values and _is_dict(values[0])
    if not listed and not isinstance(values, Dataset | DataLoader):
        return Gathered(values, **given)
    items = [_parts(item) for item in (values if listed else _items(values))]
    if not items:
        raise DataError("the data set has no item; expected at least one")
    found = {f"{key}s": _column(items, key) for key in _OTHER_KEYS}
    remarks = []
    if given["labels"] is None and found["labels"] is not None:
        found["labels"], remark = _classes(found["labels"])
        remarks = [remark] if remark else []
    if found["ids"] is not None:
        found["ids"] = [str(id) for id in found["ids"]]
    chosen = {key: found[key] if own is None else own for key, own in given.items()}
    return Gathered([item["image"] for item in items], **chosen, remarks=tuple(remarks))


def _items(values: Any) -> Iterator[Any]:
    """The items, those of batches one by one."""
    if isinstance(values, DataLoader):
        for batch in values:
            yield from [batch] if values.batch_size is None else _unbatched(batch)
    elif isinstance(values, IterableDataset) or not hasattr(values, "__len__"):
        yield from iter(_iterable(values))
    else:
        for number in np.arange(len(values)).tolist():
            yield values[number]


def _iterable(values: Any) -> Iterable[Any]:
    if not hasattr(values, "__iter__"):
        raise ConfigError(
            f"the data set {type(values).__name__} has no length and cannot be iterated; expected "
            "__len__ and __getitem__, or __iter__"
        )
    return values


def _unbatched(batch: Any) -> Iterator[Any]:
    """The items of a batch that was collated."""
    if isinstance(batch, Mapping):
        columns = {key: value for key, value in batch.items() if _counts(value)}
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(columns, row, strict=True))
    elif isinstance(batch, list | tuple):
        yield from zip(*batch, strict=True)
    else:
        yield from batch


def _counts(value: Any) -> bool:
    return hasattr(value, "__len__") and getattr(value, "ndim", 1) > 0


def _parts(item: Any) -> dict[str, Any]:
    """The parts of an item by name; a subject of TorchIO is its image."""
    if _is_dict(item):
        keys = [key for key in _SIGNAL_KEYS if key in item]
        if not keys:
            raise ConfigError(f"an item with {shown(sorted(map(str, item)))}; {_WANTED}")
        if isinstance(item[keys[0]], str | PathLike):
            raise ConfigError(
                f"an item whose '{keys[0]}' is the path of a file; name the files as a source, "
                "such as 'nifti:FOLDER', or read them first, as MONAI does by "
                "Dataset(items, LoadImaged('image'))"
            )
        others = {key: item[key] for key in _OTHER_KEYS if key in item}
        return {"image": item[keys[0]], **others}
    if not isinstance(item, list | tuple):
        return {"image": item}
    if len(item) not in (1, 2):
        raise ConfigError(f"an item of {len(item)} parts; {_WANTED}")
    return dict(zip(("image", "label"), item, strict=False))


def _is_dict(item: Any) -> bool:
    """Whether it is a dictionary of parts; a subject of TorchIO is an image."""
    return isinstance(item, Mapping) and not is_subject(item)


def _column(items: Sequence[Mapping[str, Any]], key: str) -> list[Any] | None:
    """One part of every item.

    Raises:
        DataError: If only some items have it.
    """
    found = [item[key] for item in items if key in item]
    if not found:
        return None
    if len(found) < len(items):
        raise DataError(
            f"{len(found)} of {len(items)} items have a '{key}'; expected it of each, or of none"
        )
    return found


def _classes(labels: Sequence[Any]) -> tuple[list[Any] | None, str]:
    """Labels as numbers, names or, of several classes at once, tuples of numbers; None, and a
    remark, where they are something else."""
    classes = []
    for label in labels:
        number = _class_of(label)
        if number is NotImplemented:
            what = f"arrays of shape {tuple(label.shape)}" if hasattr(label, "shape") else ""
            return None, (
                f"labels that are {what or type(label).__name__} are no classes and are left out"
            )
        classes.append(number)
    return classes, ""


def _class_of(label: Any) -> Any:
    if label is None or isinstance(label, str):
        return label
    if isinstance(label, bool | int | np.integer):
        return int(label)
    if not isinstance(label, Tensor | np.ndarray):
        return NotImplemented
    numbers = as_array(label)
    if numbers.dtype.kind not in "biu":
        return NotImplemented
    if numbers.size == 1:
        return int(numbers.item())
    if numbers.ndim == 1 and np.isin(numbers, (0, 1)).all():
        return tuple(np.flatnonzero(numbers).tolist())
    return NotImplemented
