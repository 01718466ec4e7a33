"""Classes as the cells of a table name them."""

from __future__ import annotations

import re
from typing import Final

from medfuncta._src.errors import DataError

_WHOLE: Final = re.compile(r"-?\d+")
_MOST_CLASSES: Final = 10_000  # beyond it the column is a measurement, not a class


def plain_label(text: str) -> str:
    """A label as written, but a whole number without its decimals (``4.000e+00`` is class 4)."""
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def class_names(labels: set[str], file: str) -> tuple[str, ...]:
    """Names of the classes: the numbers from 0 up to the highest label, or the labels themselves in
    order where one is text or below 0."""
    plain = {plain_label(label) for label in labels}
    whole = [int(label) for label in plain if _WHOLE.fullmatch(label)]
    measured = [label for label in plain if _is_number(label) and not _WHOLE.fullmatch(label)]
    count = len(plain)
    if len(whole) == len(plain) and min(whole, default=0) >= 0:
        count = 1 + max(whole, default=-1)
    if count > _MOST_CLASSES or measured:
        raise DataError(
            f"the labels in '{file}' are not class numbers; where a row is a signal, name their "
            "column with label=COLUMN, or set label=none when a row holds samples only; where a "
            "row is a sample, name the columns with time=COLUMN and value=COLUMN"
        )
    if len(whole) < len(plain):
        return tuple(sorted(plain))
    if min(whole, default=0) < 0:
        return tuple(str(number) for number in sorted(whole))
    return tuple(str(number) for number in range(count))


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True
