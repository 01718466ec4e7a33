"""The columns of tables that this program has written itself
(:func:`medfuncta._src.writers.csv.write_csv`), which say what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_TITLE: Final = re.compile(r"(?P<name>[a-z0-9 ]+?)(?: \[(?P<unit>[^\[\]]+)\])?")
_UNIT: Final = re.compile(r".*\[(?P<unit>[^\[\]]+)\]\s*")
_AXES: Final = (["x", "y"], ["x", "y", "z"])
_TIMES: Final = (["time"], ["sample"])


@dataclass(frozen=True)
class WrittenColumns:
    """What the columns of such a table are, by their names in the header.

    Args:
        values: The channels.
        time: The time of a trace; ``""`` for scattered samples.
        position: Where scattered samples lie; empty for a trace.
        unit: Of the values.
    """

    values: tuple[str, ...]
    time: str
    position: tuple[str, ...]
    unit: str


def written_columns(header: Sequence[str]) -> WrittenColumns | None:
    """What the columns of this header are; None where it is another program's.

    >>> written_columns(["time [s]", "value [mV]"])
    WrittenColumns(values=('value [mV]',), time='time [s]', position=(), unit='mV')
    >>> written_columns(["time", "ecg"])
    """
    titles = [_TITLE.fullmatch(title) for title in header]
    names = [title["name"] for title in titles if title is not None]
    channels = [name for name in names if name.split(" ")[0] == "value"]
    places, count = names[: len(names) - len(channels)], len(channels)
    numbered = [f"value {number}" for number in range(1, count + 1)]
    if len(names) < len(header) or not count or channels not in (["value"], numbered):
        return None
    units = {title["unit"] or "" for title in titles[-count:] if title is not None}
    if names != [*places, *channels] or len(units) > 1 or places not in (*_TIMES, *_AXES):
        return None
    where, values = tuple(header[:-count]), tuple(header[-count:])
    [unit] = units
    if places in _TIMES:
        return WrittenColumns(values, where[0], (), unit)
    return WrittenColumns(values, "", where, unit)


def unit_named(columns: Sequence[str]) -> str:
    """The unit in brackets that ends the names of all these columns; ``""`` where they have none,
    or several.

    >>> unit_named(["MLII [mV]", "V5 [mV]"])
    'mV'
    >>> unit_named(["MLII [mV]", "SpO2 [%]"])
    ''
    """
    titles = [_UNIT.fullmatch(column) for column in columns]
    units = {"" if title is None else title["unit"] for title in titles}
    return units.pop() if len(units) == 1 else ""
