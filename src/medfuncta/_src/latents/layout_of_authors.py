"""Where the files of the authors' layout lie in what people have: ``train/datapoint_<i>.pt`` and
the like, below any folders that an archive or a download has put around them."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, overload

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import LatentSetError, suggest
from medfuncta._src.latents.file_tree import FileTree, Found, base, sizes_text
from medfuncta._src.sources.source import SPLITS

_DATAPOINT: Final = re.compile(r"datapoint_([0-9]{1,18})\.pt", re.ASCII)
_STEP: Final = re.compile(r"step_?([0-9]{1,9})\.model", re.ASCII)
_WEIGHTS: Final = ("model.pt", "best.model")
"""Names that their training gives to a network, the most telling first."""


class Entry(NamedTuple):
    """A file of one latent."""

    number: int
    file: Found


class _Growing:
    """Files as they are found, some bytes each: there may be millions. A name is made again of its
    folder and its number, but for those that write the number in another way."""

    def __init__(self) -> None:
        self.numbers, self.places, self.folders = array("q"), array("q"), array("q")
        self._known: dict[str, int] = {}
        self._odd: dict[int, str] = {}

    def add(self, number: int, file: Found) -> None:
        """One more."""
        folder = _folder(file.name)
        if file.name != _name(folder, number):
            self._odd[len(self.numbers)] = file.name
        self.numbers.append(number)
        self.places.append(file.place)
        self.folders.append(self._known.setdefault(folder, len(self._known)))

    @cached_property
    def folder_names(self) -> list[str]:
        """Of all folders, once nothing more is found."""
        return list(self._known)

    def entry(self, row: int) -> Entry:
        """The one that was found so many before."""
        number = self.numbers[row]
        name = self._odd.get(row) or _name(self.folder_names[self.folders[row]], number)
        return Entry(number, Found(name, self.places[row]))


@dataclass(frozen=True, eq=False)
class Entries(Sequence[Entry]):
    """The files of a split, each made when it is asked for.

    Args:
        found: All that there are.
        rows: Which of them, in the order of this sequence.
    """

    found: _Growing
    rows: Int[ndarray, " entries"]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Entries: ...
    def __getitem__(self, index: int | slice) -> Entry | Entries:
        if isinstance(index, slice):
            return Entries(self.found, self.rows[index])
        return self.found.entry(int(self.rows[index]))


@dataclass(frozen=True)
class Layout:
    """The files of one set.

    Args:
        root: The folder that its splits lie in, with a slash; ``""`` for the tree itself.
        splits: The files of each, in the order in which they are read.
        weights: The file of its network; None where there is none.
    """

    root: str
    splits: Mapping[str, Entries]
    weights: str | None


def find_layout(tree: FileTree, inside: str | None = None) -> Layout:
    """The set in a tree. Files are read by their number, or where a packed archive can be read from
    its beginning only, as they lie in it.

    Args:
        tree: Where to look.
        inside: A folder in it; anywhere when None.

    Raises:
        LatentSetError: If there is no set, or several, or two files of a split have one number.
    """
    weights: list[str] = []
    found: dict[str, dict[str, _Growing]] = {}
    for file in tree.files(_wanted):
        place = _place_of(file.name)
        if place is None:
            if file.name in weights:
                raise _twice(file.name, tree.path)
            weights.append(file.name)
            continue
        root, split, number = place
        found.setdefault(root, {}).setdefault(split, _Growing()).add(number, file)
    root = _chosen(tree, sorted(found), inside)
    splits = {}
    for split in SPLITS:
        entries = found[root].get(split)
        if entries:
            splits[split] = _in_order(entries, tree, split)
    return Layout(root, splits, _weights_of(sorted(weights), root))


def _wanted(name: str) -> bool:
    last = base(name)
    if _DATAPOINT.fullmatch(last):
        return _place_of(name) is not None
    return last in _WEIGHTS or _STEP.fullmatch(last) is not None


def _place_of(name: str) -> tuple[str, str, int] | None:
    """The root, the split and the number that a name says; None where it is of no latent.

    >>> _place_of("MedNF/chest/train/train/datapoint_7.pt")
    ('MedNF/chest/', 'train', 7)
    """
    *folders, last = name.split("/")
    number = _DATAPOINT.fullmatch(last)
    if number is None:
        return None
    while folders and folders[-1] not in SPLITS:
        folders.pop()
    if not folders:
        return None
    split = folders[-1]
    while folders and folders[-1] == split:  # doubled, as an archive of a folder of its name is
        folders.pop()
    root = "".join(f"{folder}/" for folder in folders)
    return root, split, int(number[1])


def _chosen(tree: FileTree, roots: Sequence[str], inside: str | None) -> str:
    """The root of the set that is meant."""
    if not roots:
        raise LatentSetError(
            f"no datapoint_<i>.pt files in train/, val/ or test/ of '{tree.path.name}'; give the "
            "folder that fit_NFset.py wrote, or an archive of it"
        )
    fitting = roots
    if inside is not None:
        wanted = f"{inside.strip('/')}/".removeprefix("/")
        fitting = [root for root in roots if root == wanted or f"/{root}".endswith(f"/{wanted}")]
        if not fitting:
            known = [root.rstrip("/") or "." for root in roots]
            raise LatentSetError(
                f"no set in '{shortened(inside, 60)}' of '{tree.path.name}'; "
                f"{suggest(inside, known[:20])}"
            )
    if len(fitting) > 1:
        raise LatentSetError(
            f"'{tree.path.name}' holds {len(fitting)} sets ({sizes_text(fitting)}); say which one "
            "with --inside FOLDER"
        )
    return fitting[0]


def _in_order(found: _Growing, tree: FileTree, split: str) -> Entries:
    numbers = np.array(found.numbers)
    by_number = np.argsort(numbers, kind="stable")
    same = np.flatnonzero(np.diff(numbers[by_number]) == 0)
    if len(same):
        one, other = (found.entry(int(by_number[same[0] + step])).file.name for step in (0, 1))
        if one == other:
            raise _twice(one, tree.path)
        raise LatentSetError(
            f"{base(one)} and {base(other)} in '{split}' have one number; expected one file a "
            "signal"
        )
    if tree.in_order:
        return Entries(found, np.arange(len(numbers)))
    return Entries(found, by_number)


def _name(folder: str, number: int) -> str:
    """A file as the authors' code calls it."""
    return f"{folder}datapoint_{number}.pt"


def _twice(name: str, path: Path) -> LatentSetError:
    return LatentSetError(
        f"{shortened(base(name), 80)} is twice in '{path.name}'; expected every file once"
    )


def _weights_of(names: Sequence[str], root: str) -> str | None:
    """The file of the network nearest to the splits: beside them, in a folder around them, else the
    only one that there is."""
    around = [name for name in names if root.startswith(_folder(name))]
    if not around:
        around = [name for name in names if len({_folder(other) for other in names}) == 1]
    if not around:
        return None
    return max(around, key=_telling)


def _folder(name: str) -> str:
    return name.removesuffix(base(name))


def _telling(name: str) -> tuple[int, int, int]:
    """How much a file of weights is to be preferred: the nearest, by its name, the latest."""
    last = base(name)
    step = _STEP.fullmatch(last)
    if step is not None:
        return len(_folder(name)), -len(_WEIGHTS), int(step[1])
    return len(_folder(name)), -_WEIGHTS.index(last), 0
