"""What the names of files beside each other mean: label maps among images, and channels of one
signal.

Nothing is opened here; a name tells, and what was taken from names is said in a remark.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Sequence
from pathlib import PurePath
from typing import Final

from medfuncta._src.sources.layout import subject_of

_IMAGE_FOLDER: Final = re.compile(
    r"images?|imgs?|scans?|pictures?|photos?|volumes?|data|raw|inputs?|images(tr|ts|val)",
    re.IGNORECASE,
)
_LABEL_FOLDER: Final = re.compile(
    r"masks?|labels?|segs?|segmentations?|gt|ground_?truth|annotations?|labels(tr|ts|val)",
    re.IGNORECASE,
)
_LABEL_NAME: Final = re.compile(
    r"(?P<base>.+?)[-_. ](mask|masks|label|labels|labelmap|seg|segm|dseg|probseg|segmentation|gt|"
    r"groundtruth|ground_truth|annotation)([-_ ]?\d{1,3})?$",
    re.IGNORECASE,
)
"""A file's name without suffix that says it is a label map, and of what."""
_OWN_FOLDERS: Final = ("imagesTr", "imagesVal", "imagesTs")
"""Folders of nnU-Net, in which a case may lack a channel; it is refused then."""
_MOST_CHANNELS: Final = 16
_SEPARATOR: Final = re.compile("[-_. ]")
_CHANNEL_NAME: Final = re.compile(r"(?P<case>.+)_(?P<channel>00\d\d)$")
_SUFFIXES: Final = re.compile(r"(\.nii\.gz|\.[A-Za-z0-9]{1,5})$")


def stem_of(name: str) -> str:
    """A file's name without its one or two suffixes of letters and digits."""
    return _SUFFIXES.sub("", name) or name


def label_maps_among(paths: Sequence[PurePath]) -> dict[PurePath, list[PurePath]]:
    """Label maps that lie among images, each with the images that it is beside.

    A file is one if a folder or its own name says so, and if it has a partner: an image of the name
    that is left, files of the same case beside it, or of the same subject in the names of BIDS. A
    folder of masks alone holds signals.

    Args:
        paths: All files of a format, relative to one folder.

    Returns:
        By label map; no image is named where several could be meant.
    """
    named = {path: _LABEL_NAME.match(stem_of(path.name)) for path in paths}
    plain = [path for path in paths if named[path] is None and not _in_label_folder(path)]
    by_stem: dict[str, list[PurePath]] = defaultdict(list)
    by_case: dict[str, list[PurePath]] = defaultdict(list)
    beginnings: set[PurePath] = set()
    folders = {path.parent for path in plain}
    image_folders: set[PurePath] = set()
    subjects_of_images = {subject_of(path) for path in plain}
    for path in plain:
        stem = stem_of(path.name)
        by_stem[stem].append(path)
        if case_of(stem) != stem:
            by_case[case_of(stem)].append(path)
        ends = (match.start() for match in _SEPARATOR.finditer(path.name, 1))
        beginnings.update(path.with_name(path.name[:end]) for end in ends)
        image_folders.update(_around_image_folder(path))
    found: dict[PurePath, list[PurePath]] = {}
    for path in paths:
        match, around = named[path], _around_label_folder(path)
        if around is not None and (around in image_folders or around in folders):
            base = match["base"] if match else stem_of(path.name)
            found[path] = _partners(path, by_stem.get(base) or by_case.get(base, []))
        elif match is not None:
            base = match["base"]
            partners = by_stem.get(base) or by_case.get(base, [])
            subject_known = subject_of(path) and subject_of(path) in subjects_of_images
            same_case = path.with_name(base) in beginnings  # as a_t1 is beside a_seg
            if partners or subject_known or same_case:
                found[path] = _partners(path, partners)
    return found


def case_of(stem: str) -> str:
    """The case of a file of nnU-Net, whose last four digits count channels; else the name itself.

    >>> case_of("liver_001_0000")
    'liver_001'
    """
    match = _CHANNEL_NAME.match(stem)
    return match["case"] if match else stem


def channels_among(
    paths: Sequence[PurePath], whole: Container[PurePath] = ()
) -> dict[PurePath, list[PurePath]]:
    """Files that are channels of one signal by the names of nnU-Net: ``case_0000``,
    ``case_0001``, ...

    Volumes may just be numbered. So channels are counted from 0, and in the same way in each of
    several cases; only in a folder of nnU-Net's one case is enough, and one may lack some, which is
    refused when it is read.

    Args:
        paths: Of all files that are no label maps.
        whole: Files that have a label map of their own name, and are a signal each.

    Returns:
        The files of each case that has several, in order of their numbers, by a path that has no
        number; empty where no case has several.
    """
    cases: dict[PurePath, list[PurePath]] = defaultdict(list)
    for path in paths:
        stem = stem_of(path.name)
        match = _CHANNEL_NAME.match(stem)
        if match and path not in whole:
            cases[path.with_name(match["case"] + path.name[len(stem) :])].append(path)
    found = {case: sorted(files) for case, files in cases.items() if len(files) > 1}
    numbers = {case: [int(stem_of(file.name)[-4:]) for file in found[case]] for case in found}
    highest = max((max(counted) for counted in numbers.values()), default=0)
    every = list(range(highest + 1))
    alike = len(found) > 1 and all(counted == every for counted in numbers.values())
    own = any(counted == every for counted in numbers.values()) and all(
        case.parent.name in _OWN_FOLDERS for case in found
    )
    return found if highest < _MOST_CHANNELS and (alike or own) else {}


def _in_label_folder(path: PurePath) -> bool:
    return any(_LABEL_FOLDER.fullmatch(name) for name in path.parts[:-1])


def _around_label_folder(path: PurePath) -> PurePath | None:
    """What the first folder of label maps on the way lies in."""
    for place, name in enumerate(path.parts[:-1]):
        if _LABEL_FOLDER.fullmatch(name):
            return PurePath(*path.parts[:place])
    return None


def _around_image_folder(path: PurePath) -> list[PurePath]:
    """What folders of images on the way lie in."""
    places = [n for n, name in enumerate(path.parts[:-1]) if _IMAGE_FOLDER.fullmatch(name)]
    return [PurePath(*path.parts[:place]) for place in places]


def _partners(label_map: PurePath, images: Sequence[PurePath]) -> list[PurePath]:
    """The images of a label map's name: those in its own folder, or else those of all folders that
    lie as it does but for the folder that says what they are."""
    beside = [image for image in images if image.parent == label_map.parent]
    if beside:
        return beside
    return [image for image in images if _bare_folders(image) == _bare_folders(label_map)]


def _bare_folders(path: PurePath) -> tuple[str, ...]:
    """Folders but for those that say whether images or label maps are in them; the split of the
    Decathlon's stays."""
    bare = []
    for name in path.parts[:-1]:
        word = name.lower()
        if word.startswith(("imagest", "labelst", "imagesval", "labelsval")):
            bare.append(word.removeprefix("images").removeprefix("labels"))
        elif not _IMAGE_FOLDER.fullmatch(word) and not _LABEL_FOLDER.fullmatch(word):
            bare.append(name)
    return tuple(bare)
