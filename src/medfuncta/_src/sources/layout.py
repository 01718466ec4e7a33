"""What the folders and names of a data set say: splits, classes, subjects; and what looks like a
patient in two splits.

Layouts that are known: folders of splits under any of their usual names, at any depth, with class
folders below or above them (Kaggle); the Medical Segmentation Decathlon and nnU-Net; BIDS.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from medfuncta._src.sources.splitting import SPLITS, Item

_SPLIT_WORDS: Final = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_SPLIT_FOLDER: Final = re.compile(
    rf"({'|'.join(_SPLIT_WORDS)})(?:[ _-]?(?:set|split|data|dataset|images|imgs))?", re.IGNORECASE
)
_DECATHLON: Final = {"imagesTr": "train", "imagesVal": "val", "imagesTs": "test"}
"""Folders of the Medical Segmentation Decathlon and nnU-Net."""
_SUBJECT: Final = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)(?=[/_.])")
"""A subject of BIDS in a path."""
_PATIENT: Final = re.compile(
    r"(?:^|[/_\- ])((?:patient|patid|pat|pid|subject|subj|sub|person|case|participant|p)"
    r"[-_]?\d{2,})(?=$|[/_\-. ])",
    re.IGNORECASE,
)
"""What looks like the number of a patient in a path."""


@dataclass(frozen=True)
class Place:
    """What the folders of a file say of it.

    Args:
        split: One of train, val and test, or ``""``.
        label: The name of its class, should folders name classes; or ``""``.
    """

    split: str = ""
    label: str = ""


def split_of_folder(name: str) -> str:
    """The split that a folder of this name holds, or ``""``.

    >>> split_of_folder("Training"), split_of_folder("test_set"), split_of_folder("imagesTs")
    ('train', 'test', 'test')
    """
    if name in _DECATHLON:
        return _DECATHLON[name]
    found = _SPLIT_FOLDER.fullmatch(name)
    return _SPLIT_WORDS[found[1].lower()] if found is not None else ""


def places(paths: Sequence[Path]) -> list[Place]:
    """What the folders of each file say.

    Args:
        paths: Of all files, relative to the folder of the data set.
    """
    folders = [path.parts[:-1] for path in paths]
    around = _shared(folders)  # folders that all files lie in name no class
    cuts = [_split_at(parts) for parts in folders]
    if not {split_of_folder(folders[k][at]) for k, at in enumerate(cuts) if at >= 0} - {"val"}:
        cuts = [-1] * len(folders)  # "valid" alone may be the other class of "invalid"
    above = [
        parts[around:at] if at > around else () for parts, at in zip(folders, cuts, strict=True)
    ]
    classes_above = all(above) and len(set(above)) > 1
    found = []
    for parts, at, before in zip(folders, cuts, above, strict=True):
        split = split_of_folder(parts[at]) if at >= 0 else ""
        within = parts[around:] if at < 0 else parts[at + 1 :]
        if classes_above:
            within = before
        found.append(Place(split, within[0] if within else ""))
    return found


def subject_of(path: PurePath) -> str:
    """The subject of BIDS that a path names, or ``""``.

    >>> subject_of(Path("sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz"))
    'sub-01'
    """
    found = _SUBJECT.search(path.as_posix())
    return found[1] if found is not None else ""


def has_subjects(items: Sequence[Item], root: Path) -> bool:
    """Whether items are grouped by the subjects of BIDS."""
    return any(item.group and item.group == subject_of(_inner(item, root)) for item in items)


def layout_remarks(items: Sequence[Item], root: Path) -> list[str]:
    """What was made of a known layout, one sentence each.

    Args:
        items: Of the data set, before splits are drawn.
        root: The folder that they lie in.
    """
    remarks = []
    names: dict[str, set[str]] = defaultdict(set)
    for item in items:
        for name in _inner(item, root).parts[:-1]:
            if item.split and split_of_folder(name) == item.split:
                names[item.split].add(name)
    if names:
        said = []
        for split in SPLITS:
            said += [f"{name} is the {split} split" for name in sorted(names[split])]
        drawn = [split for split in SPLITS if not names[split]]
        if drawn and names["train"]:
            verb = "is" if len(drawn) == 1 else "are"
            said.append(f"{' and '.join(drawn)} {verb} drawn from train")
        remarks.append(f"folders: {', '.join(said)}")
    if has_subjects(items, root):
        remarks.append("laid out as in BIDS: all files of a subject stay in one split")
    return remarks


def leak_remarks(splits: Mapping[str, Sequence[Item]], root: Path) -> list[str]:
    """What looks like one patient in several splits, in a sentence.

    Args:
        splits: The items of each split.
        root: The folder that they lie in.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    for split, items in splits.items():
        for item in items:
            for name in _patients_in(item, root):
                seen[name].add(split)
    torn = [name for name, where in seen.items() if len(where) > 1]
    if not torn:
        return []
    where = sorted(set().union(*(seen[name] for name in torn)), key=SPLITS.index)
    return [
        f"{len(torn)} names that look like patients lie in several splits ({', '.join(where)}), "
        "which may leak; keep a patient's files together with patient=REGEX, or patients=A+B of "
        "wfdb"
    ]


def _shared(folders: Sequence[tuple[str, ...]]) -> int:
    """How many of the outermost folders all paths have in common."""
    count = 0
    for names in zip(*folders, strict=False):
        if len(set(names)) > 1:
            break
        count += 1
    return count


def _split_at(parts: Sequence[str]) -> int:
    """Which folder of a path is that of a split, the outermost; -1 when none is."""
    for at, name in enumerate(parts):
        if split_of_folder(name):
            return at
    return -1


def _patients_in(item: Item, root: Path) -> set[str]:
    """What looks like the number of a patient in the folders and in the name of an item's file; a
    whole name does not count where splits are given, since each may just be numbered from 1."""
    path = _inner(item, root)
    stem = path.name.split(".")[0]
    found = _PATIENT.findall(path.parent.as_posix())[-1:]
    in_name = _PATIENT.findall(stem)[-1:]
    if not item.split or in_name != [stem]:
        found += in_name
    return {name.lower() for name in found}


def _inner(item: Item, root: Path) -> Path:
    """The path of an item's file within the data set."""
    if not item.paths or not item.paths[0].is_relative_to(root):
        return Path(item.name)
    return item.paths[0].relative_to(root)
