"""What the names of files beside each other mean: label maps among images, and channels of one
signal.

Nothing is opened here; a name tells, and what was taken from names is said in a remark.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from medfuncta.sources.layout import subject_of

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
    beginnings: set[PurePath] = set()
    folders = {path.parent for path in plain}
    image_folders: set[PurePath] = set()
    subjects_of_images = {subject_of(path) for path in plain}
    for path in plain:
        by_stem[case_of(stem_of(path.name))].append(path)
        ends = (match.start() for match in _SEPARATOR.finditer(path.name, 1))
        beginnings.update(path.with_name(path.name[:end]) for end in ends)
        image_folders.update(_around_image_folder(path))
    found: dict[PurePath, list[PurePath]] = {}
    for path in paths:
        match, around = named[path], _around_label_folder(path)
        if around is not None and (around in image_folders or around in folders):
            base = match["base"] if match else stem_of(path.name)
            found[path] = _partners(path, by_stem.get(base, []))
        elif match is not None:
            base = match["base"]
            partners = by_stem.get(base, [])
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


def channels_among(paths: Sequence[PurePath]) -> dict[PurePath, list[PurePath]]:
    """Files that are channels of one signal by the names of nnU-Net: ``case_0000``,
    ``case_0001``, ...

    One case alone may be a series of volumes that are merely numbered; it is taken for channels
    only in a folder of nnU-Net's.

    Returns:
        The files of each case that has several, in order of their numbers, by a path that has no
        number; empty where no case has several.
    """
    cases: dict[PurePath, list[PurePath]] = defaultdict(list)
    for path in paths:
        match = _CHANNEL_NAME.match(stem_of(path.name))
        if match:
            suffix = path.name[len(stem_of(path.name)) :]
            cases[path.with_name(match["case"] + suffix)].append(path)
    found = {case: sorted(files) for case, files in cases.items() if len(files) > 1}
    if found and all(case.parent.name in _OWN_FOLDERS for case in found):
        return found
    numbers = {tuple(int(stem_of(path.name)[-4:]) for path in files) for files in found.values()}
    several_alike = len(found) > 1 and len(numbers) == 1
    return found if several_alike and numbers.pop()[0] == 0 else {}


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
