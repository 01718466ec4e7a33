"""What columns of CSV files mean, and which files, or shares of them, make up each split."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from medfuncta._src.errors import DataError
from medfuncta._src.sources.csv_table import Record, Refuse, rows_up_to
from medfuncta._src.sources.layout import split_of_folder
from medfuncta._src.sources.options import option
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import (
    ALL,
    SPLITS,
    Item,
    SplitOptions,
    is_too_little,
    wanted_splits,
)

_LAST_WORD: Final = re.compile(r"[^_-]+$")

ReadRecords: TypeAlias = Callable[[Path, Refuse], Iterator[Record]]
"""The records of a file in their order; the second argument gets what is wrong with one of them."""


@dataclass(frozen=True)
class CsvOptions(SplitOptions):
    """Which columns mean what. Without ``value`` a row is a signal: its samples, then its label."""

    value: tuple[str, ...] = option((), "columns of the channels, when a row is a sample")
    time: str = option("", "column of the time, when a row is a sample of a trace")
    position: tuple[str, ...] = option((), "columns x,y or x,y,z, when a row is a scattered point")
    id: str = option("", "column that tells signals apart; without it a file is one signal")
    label: str = option(
        "",
        "column of the class; without 'value' the last column holds it, the first where only that "
        "can, or none does (label=none)",
    )
    box: tuple[float, ...] | None = option(
        None,
        "low,high of each axis of the box that signals fill; each spans its own when not given",
    )
    rate: float | None = option(None, "samples a second, when a row is a signal", more_than=0)
    unit: str = option("", "unit of the values, such as mV")
    range: tuple[float, ...] | None = option(
        None, "low,high mapped to [0, 1]; what the first split spans when not given"
    )
    classes: tuple[str, ...] = option((), "names of the classes by number")
    modality: str = option("", "kind of recording, such as ecg")
    ids: Literal["hash", "names"] = option(
        "hash", "name signals by a 'hash' of file name and id, or by the 'names' themselves"
    )
    limit: int | None = option(None, "the first N signals of each split", at_least=1)


@dataclass(frozen=True)
class CsvPlan:
    """Which files, or shares of them, make up each split.

    Files named ``..._train``, ``..._val`` and ``..._test`` keep their split, and splits that no
    file holds are drawn from the signals of train; several other files are split file by file, and
    a single one signal by signal, unless it holds too few of them.

    Args:
        items: A file, or the share of a file that a split gets.
        splitting: How files are split; None when each has its split.
        divided: Files whose signals are split among themselves.
        within: How these signals are split.
        split_by: What keeps splits apart.
    """

    items: Sequence[Item]
    splitting: SplitOptions | None
    divided: frozenset[Path]
    within: SplitOptions
    split_by: str


def plan_of(
    names: Mapping[Path, str], options: CsvOptions, read_records: ReadRecords, skips: Skips
) -> CsvPlan:
    """Which files, or shares of them, make up each split; see :class:`CsvPlan`."""
    first, *others = names
    given = {}
    for path in names:
        match = _LAST_WORD.search(path.stem)
        split = split_of_folder(match[0]) if match is not None else ""
        if split:
            given[path] = split
    if not given and others:
        by_name = sorted(names, key=lambda path: names[path])
        items = [_item(path, names[path]) for path in by_name]
        return CsvPlan(items, options, frozenset(), options, "file")
    if not given and is_too_little(_few_keys(first, options, read_records), options):
        return CsvPlan([_item(first, names[first], ALL)], None, frozenset(), options, "file")
    split_by = "given"
    if not given:
        given = dict.fromkeys(names, "train")
        split_by = "id" if options.id else "row"
    for path in names.keys() - given.keys():
        skips.leave_out(
            path.name, "its name does not end in _train, _val or _test as those of other files do"
        )
    not_drawn = dict.fromkeys({"val", "test"} & set(given.values()), "0")
    within = replace(options, **not_drawn)
    divided = [path for path in given if given[path] == "train"]
    items = []
    for split in SPLITS:
        paths = [path for path in given if given[path] == split and split != "train"]
        if not paths and split in wanted_splits(within):
            paths = divided
        items += [_item(path, names[path], split) for path in paths]
    return CsvPlan(items, None, frozenset(divided), within, split_by)


def _few_keys(path: Path, options: CsvOptions, read_records: ReadRecords) -> set[str]:
    """What tells a file's signals apart, of as many as tell whether they can be split."""
    if options.value and not options.id:
        return {""}
    try:
        if options.value:
            return {record.key for record in read_records(path, lambda name, error: None)}
        return {str(row) for row in range(rows_up_to(path, len(SPLITS)))}
    except DataError:  # is said when the file is read
        return set()


def _item(path: Path, name: str, split: str = "") -> Item:
    return Item(id=name, name=path.name, paths=(path,), group=name, split=split)
