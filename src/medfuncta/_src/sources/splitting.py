"""Train, validation and test split of groups (records, patients, files); a group is never cut in
two."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, DataError, suggest
from medfuncta._src.sources.options import Options, option

SPLITS: Final = ("train", "val", "test")
ALL: Final = "all"
"""All signals of a source, whatever split they are in; and the one split of data that is too
little to be split, such as a single file."""


@dataclass(frozen=True)
class Item:
    """One signal before it is read.

    Args:
        id: Safe to publish.
        name: What an error calls it: the file's name.
        paths: The files that it is made of.
        group: Its patient or file; a group is never cut in two by a split.
        split: The split that its folder gives it, or ``""``.
        label: The name of its class, or ``""``.
    """

    id: str
    name: str
    paths: tuple[Path, ...] = ()
    group: str = ""
    split: str = ""
    label: str = ""


@dataclass(frozen=True)
class SplitOptions(Options):
    """How groups are split; the options dataclass of a source that splits by itself inherits these.

    A number from 0 to 1 is always a fraction; a single group of that name is written with a comma
    behind it (``1,``).
    """

    val: str = option(
        "0.15", "validation split: a fraction from 0 to 1, or names separated by commas"
    )
    test: str = option("0.25", "test split: a fraction from 0 to 1, or names separated by commas")
    seed: int = option(0, "another number draws another split", at_least=0)


def whole_splits(names: Iterable[str]) -> list[Item]:
    """Items that are a split each, as in an archive that holds its splits in arrays of their
    own."""
    return [Item(id=name, name=name, split=name) for name in names]


def split_items(items: Sequence[Item], options: SplitOptions | None) -> dict[str, tuple[Item, ...]]:
    """Items by split: given ones stay where they are; a split that is not given is drawn from the
    items of train or of no split. A single one, where nobody asked for splits, is in the one
    split :data:`ALL`.

    Args:
        items: In their order, which stays.
        options: How groups are split; None when every item has a split.

    Raises:
        ConfigError, DataError: As :func:`split_groups` does.
    """
    splits = [item.split for item in items]
    if options is not None:
        alone = len(items) == 1  # one new file is a query; of several, their owner decides
        if alone and are_too_few(items, options):
            return {ALL: tuple(items)}
        splits = _drawn_splits(items, options)
    chosen: dict[str, list[Item]] = {split: [] for split in (*SPLITS, ALL)}
    for item, split in zip(items, splits, strict=True):
        chosen[split].append(item)
    return {split: tuple(found) for split, found in chosen.items() if found}


def first_split(
    items: Sequence[Item], options: SplitOptions | None
) -> tuple[str, tuple[Item, ...]]:
    """The first split that there is and its items: what a survey may read. Of items that are too
    few to be split, all.

    Raises:
        ConfigError, DataError: As :func:`split_groups` does.
    """
    if are_too_few(items, options):
        return ALL, tuple(items)
    return next(iter(split_items(items, options).items()))


def are_too_few(items: Collection[Item], options: SplitOptions | None) -> bool:
    """Whether nobody asked for splits or gave one, and there are fewer groups than splits."""
    if options is None or not _none_held_out(items):
        return False
    return is_too_little({item.group for item in items}, options)


def is_too_little(groups: Collection[str], options: SplitOptions) -> bool:
    """Whether there are some groups, but fewer than splits, and the fractions are those that nobody
    asked for: what is there is to be looked at, not to be split."""
    default = type(options)()
    asked_for = (options.val, options.test) != (default.val, default.test)
    return not asked_for and 0 < len(groups) < len(wanted_splits(options))


def _none_held_out(items: Iterable[Item]) -> bool:
    """Whether no folder or name puts an item into the validation or the test split."""
    return not {item.split for item in items} & {"val", "test"}


def _drawn_splits(items: Sequence[Item], options: SplitOptions) -> list[str]:
    """The split of each item, those in no split or in train being drawn for the splits that no
    item is in."""
    given = {item.split for item in items} & {"val", "test"}
    groups = {item.group for item in items if item.split not in given}
    split_of: dict[str, str] = {}
    if groups or not items:
        not_drawn = dict.fromkeys(given, "0")
        for split, drawn in split_groups(groups, replace(options, **not_drawn)).items():
            split_of |= dict.fromkeys(drawn, split)
    return [item.split if item.split in given else split_of[item.group] for item in items]


def split_groups(groups: Iterable[str], options: SplitOptions) -> dict[str, tuple[str, ...]]:
    """Assign groups to splits.

    Groups are ordered by a digest of seed and name, so that the split depends on nothing but the
    names, and hardly changes when files are added. Every split whose fraction is not zero gets at
    least one group.

    Args:
        groups: Unique names in any order.
        options: Fractions or names, and the seed.

    Returns:
        The sorted groups of each split that has one, in the order train, val, test.

    Raises:
        ConfigError: If fractions are not from 0 to 1 in sum, or a group is named for two splits.
        DataError: If a named group does not exist, or there are fewer groups than splits.
    """
    names = sorted(groups)
    wanted = {"val": _fraction_or_names(options.val), "test": _fraction_or_names(options.test)}
    named = {split: value for split, value in wanted.items() if isinstance(value, tuple)}
    fractions = {split: value for split, value in wanted.items() if isinstance(value, float)}
    _check_named(named, names)
    taken = set().union(*named.values())
    free = sorted(set(names) - taken, key=lambda name: _rank(name, options.seed))
    counts = _counts(len(free), len(names), fractions)
    chosen: dict[str, Sequence[str]] = dict(named)
    for split, count in counts.items():
        chosen[split], free = free[:count], free[count:]
    chosen["train"] = free
    return {split: tuple(sorted(chosen[split])) for split in SPLITS if chosen[split]}


def wanted_splits(options: SplitOptions) -> tuple[str, ...]:
    """The splits that :func:`split_groups` will make, told from the options alone."""
    wanted = {"val": _fraction_or_names(options.val), "test": _fraction_or_names(options.test)}
    fractions = [value for value in wanted.values() if isinstance(value, float)]
    held_out = [split for split, value in wanted.items() if value]
    if sum(fractions) == 1:
        return tuple(held_out)
    return ("train", *held_out)


def _fraction_or_names(text: str) -> float | tuple[str, ...]:
    """A number from 0 to 1, or else the names in a text, each once."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if 0 <= number <= 1:
        return number
    names = [name.strip() for name in text.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def _check_named(named: Mapping[str, tuple[str, ...]], known: Sequence[str]) -> None:
    for split, chosen in named.items():
        for name in chosen:
            if name not in known:
                raise DataError(f"no '{name}' for the {split} split; {suggest(name, known)}")
    both = set(named.get("val", ())) & set(named.get("test", ()))
    if both:
        raise ConfigError(
            f"'{min(both)}' is named for the val and the test split; expected it in one of them"
        )


def _counts(free: int, total: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """Groups of val and test where a fraction was given: the rounded share, yet at least one, and
    at least one left for train."""
    if sum(fractions.values()) > 1:
        raise ConfigError(
            f"fractions of {' and '.join(map(str, fractions.values()))} for "
            f"{' and '.join(fractions)}; expected at most 1 in sum"
        )
    rest = int(free > 0 and sum(fractions.values()) < 1)
    needed = rest + sum(fraction > 0 for fraction in fractions.values())
    if free < needed:
        raise DataError(
            f"{counted(free, 'group')} (records, patients or files) for "
            f"{counted(needed, 'split')}, and a group is never "
            "cut in two; give more data, switch a split off with val=0 or test=0, or take all "
            "of it as the split 'all'"
        )
    counts = {
        split: max(round(fraction * total), int(fraction > 0))
        for split, fraction in fractions.items()
    }
    while sum(counts.values()) > free - rest:
        largest = max(counts, key=lambda split: counts[split])
        counts[largest] -= 1
    return counts


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()
