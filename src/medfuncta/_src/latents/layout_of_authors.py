"""Where the files of the authors' layout lie in what people have: ``train/datapoint_<i>.pt`` and
the like, below any folders that an archive or a download has put around them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import LatentSetError, suggest
from medfuncta._src.latents.file_tree import FileTree, base, sizes_text
from medfuncta._src.sources.source import SPLITS

_DATAPOINT: Final = re.compile(r"datapoint_([0-9]{1,18})\.pt", re.ASCII)
_STEP: Final = re.compile(r"step_?([0-9]{1,9})\.model", re.ASCII)
_WEIGHTS: Final = ("model.pt", "best.model")
"""Names that their training gives to a network, the most telling first."""


class Entry(NamedTuple):
    """A file of one latent."""

    number: int
    name: str


@dataclass(frozen=True)
class Layout:
    """The files of one set.

    Args:
        root: The folder that its splits lie in, with a slash; ``""`` for the tree itself.
        splits: The files of each, in the order in which they are read.
        weights: The file of its network; None where there is none.
    """

    root: str
    splits: Mapping[str, Sequence[Entry]]
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
    names = tree.names(_wanted)
    found: dict[str, dict[str, list[Entry]]] = {}
    for name in names:
        place = _place_of(name)
        if place is not None:
            root, split, number = place
            found.setdefault(root, {}).setdefault(split, []).append(Entry(number, name))
    root = _chosen(tree, sorted(found), inside)
    splits = {}
    for split in SPLITS:
        entries = found[root].get(split)
        if entries:
            splits[split] = _in_order(entries, tree, split)
    weights = [name for name in names if _place_of(name) is None]
    return Layout(root, splits, _weights_of(weights, root))


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


def _in_order(entries: list[Entry], tree: FileTree, split: str) -> list[Entry]:
    by_number = sorted(entries)
    for one, other in pairwise(by_number):
        if one.number == other.number:
            raise LatentSetError(
                f"{base(one.name)} and {base(other.name)} in '{split}' have one number; expected "
                "one file a signal"
            )
    if tree.in_order:
        return entries
    return by_number


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
