"""The classes of a signal by name."""

from __future__ import annotations

from collections.abc import Sequence

from medfuncta.signals.signal import Label


def class_names(label: Label, names: Sequence[str]) -> tuple[str, ...]:
    """The names of a signal's classes: none without a label, several for multi-label data; a class
    without a name keeps its number.

    >>> class_names((0, 2), ["cyst", "mass"])
    ('cyst', '2')
    """
    numbers = () if label is None else (label,) if isinstance(label, int) else label
    return tuple(names[number] if number < len(names) else str(number) for number in numbers)
