"""Labels of signals in memory: which class each is of, and what the classes are called."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, Final

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import DataError
from medfuncta._src.signals.signal import Label
from medfuncta._src.sources.held import Held

_MOST_CLASSES: Final = 10_000
"""Beyond it labels are measurements, not classes."""


def classes_of(
    labels: Sequence[Any] | None, names: Sequence[str], entries: Sequence[Held]
) -> tuple[list[Label], tuple[str, ...]]:
    """The class number of each signal, and the names of the classes."""
    if labels is None:
        own = [entry.signal.label if entry.signal is not None else None for entry in entries]
        return own, _names_of(own, names)
    known = [label for label in labels if label is not None]
    named = bool(known) and all(isinstance(label, str) for label in known)
    classes: tuple[str, ...] = ()
    if named:
        classes = tuple(names) or tuple(sorted(set(known)))
    numbers: list[Label] = []
    for number, label in enumerate(labels):
        if label is None:
            numbers.append(None)
        elif named and label in classes:
            numbers.append(classes.index(label))
        elif _is_several(label) and not named:
            numbers.append(tuple(int(part) for part in label))
        elif named or isinstance(label, bool | str) or not _is_whole(label):
            raise DataError(
                f"the label of signal {number} is none of the "
                f"{counted(len(classes), 'class', 'classes')}; expected all "
                "labels to be names, or all to be numbers from 0, or tuples of these where a "
                "signal is of several classes"
            )
        else:
            numbers.append(int(label))
    return numbers, classes or _names_of(numbers, names)


def _names_of(labels: Sequence[Label], names: Sequence[str]) -> tuple[str, ...]:
    """The given names, or the numbers from 0 up to the highest label."""
    most = len(names) or _MOST_CLASSES
    highest = -1
    for number, label in enumerate(labels):
        parts: tuple[int, ...] = ()
        if isinstance(label, tuple):
            parts = label
        elif label is not None:
            parts = (label,)
        for part in parts:
            if not 0 <= part < most:
                raise DataError(
                    f"the label of signal {number} is {part}; expected a class from 0 to {most - 1}"
                )
            highest = max(highest, part)
    return tuple(names) or tuple(str(number) for number in np.arange(highest + 1))


def _is_several(label: Any) -> bool:
    """Whether it names several classes by their numbers, or none of them."""
    return isinstance(label, tuple) and all(_is_whole(part) for part in label)


def _is_whole(label: Any) -> bool:
    """Whether it is one whole number; every array claims to be."""
    try:
        index(label)
    except TypeError:
        return False
    return True
