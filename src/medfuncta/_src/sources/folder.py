"""A folder's files, found safely, named, and made into the items of a format's contents."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final, Literal

from medfuncta._src.door.allowance import allowance
from medfuncta._src.door.files import lies_outside, reason
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.preprocess import Preprocessing
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.contents import Contents, Details
from medfuncta._src.sources.file_names import label_maps_among, stem_of
from medfuncta._src.sources.identity import public_name
from medfuncta._src.sources.layout import has_subjects, layout_remarks, places, subject_of
from medfuncta._src.sources.options import details, option
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import Item, SplitOptions

_COMPANIONS: Final = re.compile(
    r"|\.(txt|md|rst|pdf|docx?|jsonl?|[ct]sv|xlsx?|xml|html?|ya?ml|toml|ini|inf|db|log|py|m|sh|"
    r"ipynb|bib|bval|bvec)"
)
"""Ends of names of files that belong to a data set and hold no signal; those without one too."""

_KINDS: Final = {
    ".nii": "nifti:",
    ".nii.gz": "nifti:",
    ".hdr": "nifti:",
    ".dcm": "dicom:",
    ".ima": "dicom:",
    ".nrrd": "nrrd:",
    ".nhdr": "nrrd:",
    ".hea": "wfdb:",
    ".edf": "edf:",
    ".npz": "npz:",
    ".png": "images:",
    ".jpg": "images:",
    ".jpeg": "images:",
    ".tif": "images:",
    ".tiff": "images:",
}
"""Which kind of source reads files of other kinds, by the end of their names."""


@dataclass(frozen=True)
class FolderOptions(SplitOptions):
    """Options of every source that reads a folder."""

    test: str = option("0.15", "test split: a fraction from 0 to 1, or names separated by commas")
    limit: int | None = option(None, "the first N signals of each split", at_least=1)


@dataclass(frozen=True)
class FileOptions(FolderOptions):
    """Options of a source whose files are one signal each."""

    ids: Literal["hash", "names"] = option(
        "hash", "name signals by a 'hash' of their file's name, or by the 'names' themselves"
    )
    patient: str = option(
        "",
        "regular expression whose first group, found in a file's name, is its patient; patients "
        "are never split",
    )
    labels: str = option(
        "", "CSV file in the folder: under a header, a file's name and its class a row"
    )


@dataclass(frozen=True)
class LabelMapOptions(FileOptions):
    """Options of a source that may have label maps among its images."""

    masks: Literal["apart", "signals"] = option(
        "apart",
        "label maps among the images, known by names such as masks/ and _seg: keep them 'apart' "
        "from the signals, or take them as 'signals' too",
    )


@dataclass(frozen=True)
class Found:
    """The files of a folder.

    Args:
        signals: Of these, each is a signal, or a channel of one; sorted.
        label_maps: Label maps among them, by the signal's file; only where it is clear which.
    """

    signals: list[Path]
    label_maps: Mapping[Path, Path]


def find_signals(
    folder: Path,
    suffixes: tuple[str, ...],
    options: FileOptions,
    skips: Skips,
    companions: tuple[str, ...] = (),
) -> Found:
    """The files of a folder that are signals; label maps among them are told apart, and what is
    passed over is counted, both in a remark.

    Args:
        folder: Where to look, or one file.
        suffixes: Lower-case ends of names.
        options: Whether label maps are kept apart, where they say so.
        skips: Where to note what is left out.
        companions: Ends of names of files that belong to those and need no word.

    Raises:
        DataError: If there is no such file.
    """
    others: Counter[str] = Counter()
    paths = find_files(folder, suffixes, skips.skip, others)
    for suffix in companions:
        others.pop(suffix, None)
    if others:
        skips.remark(f"passed over {_counted(others)}, which are not read as signals here")
    if folder.is_file() or getattr(options, "masks", "") != "apart":
        return Found(paths, {})
    inner: dict[PurePath, Path] = {path.relative_to(folder): path for path in paths}
    label_maps = label_maps_among(list(inner))
    if not label_maps:
        return Found(paths, {})
    signals = [path for name, path in inner.items() if name not in label_maps]
    skips.remark(
        f"{len(label_maps)} label maps, such as {min(label_maps).name}, are kept apart from the "
        "signals (masks=signals takes them as signals)"
    )
    beside: dict[Path, Path] = {}
    several: set[Path] = set()
    for name, images in label_maps.items():
        for image in images:
            if inner[image] in beside:
                several.add(inner[image])
            beside[inner[image]] = inner[name]
    return Found(signals, {image: beside[image] for image in beside.keys() - several})


def _counted(others: Mapping[str, int]) -> str:
    """Files by the ends of their names: ``3 .webp and 1 .gif files``."""
    parts = [f"{count} {suffix}" for suffix, count in sorted(others.items())]
    last = parts.pop()
    return f"{', '.join(parts)} and {last} files" if parts else f"{last} files"


def open_folder(location: str) -> Path:
    """The folder or file that a user named.

    Raises:
        DataError: If there is none.
    """
    path = Path(location).expanduser()
    if not path.exists():
        raise DataError(f"no folder or file '{path.name}'; check the location")
    if not path.is_dir() and not path.is_file():
        raise DataError(f"'{path.name}' is a pipe or a device; expected a folder or a file")
    return path


def find_files(
    folder: Path,
    suffixes: tuple[str, ...],
    refuse: Callable[[str, DataError], None],
    others: Counter[str] | None = None,
) -> list[Path]:
    """All files below a folder whose names end like this, sorted; or the one file that ``folder``
    is. Hidden ones are left out.

    Args:
        folder: Where to look.
        suffixes: Lower-case ends of names; ``("",)`` takes every file.
        refuse: Called with the name of a symbolic link that leaves the folder, and the error to
            raise or to note.
        others: Where to count the files that are passed over, by the end of their name; those that
            lie beside signals in every data set, such as tables, are not counted.

    Raises:
        DataError: If there is no such file.
    """
    if folder.is_file():
        return [folder]
    others = Counter() if others is None else others
    found: list[Path] = []
    for root, folders, files in _walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in (*folders, *sorted(files)):
            path = Path(root, name)
            if path.is_symlink() and lies_outside(path, folder):
                refuse(
                    name,
                    DataError(
                        f"{name} is a symbolic link that leaves the folder; copy the file into the "
                        "folder, or give --follow-links"
                    ),
                )
            elif name.startswith(".") or not path.is_file():
                continue
            elif name.lower().endswith(suffixes):
                found.append(path)
            elif not _COMPANIONS.fullmatch(path.suffix.lower()):
                others[_end_of(name.lower())] += 1
    if not found:
        instead = f", only {_counted(others)}" if others else ""
        kinds = sorted({_KINDS[suffix] for suffix in others if suffix in _KINDS})
        way_out = f"; {' or '.join(kinds)} reads those" if kinds else ""
        raise DataError(
            f"no {' or '.join(suffixes).strip() or 'file'} in '{folder.name}'{instead}; expected "
            f"at least one file of that kind{way_out}"
        )
    return sorted(found)


def _end_of(name: str) -> str:
    """The end of a file's name that tells its kind.

    >>> _end_of("a.1.nii.gz"), _end_of("a.1.gz")
    ('.nii.gz', '.gz')
    """
    suffixes = PurePath(name).suffixes
    both = "".join(suffixes[-2:])
    if both in _KINDS:
        return both
    return suffixes[-1]


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As ``os.walk``; folders that are links are looked into only where links that leave the folder
    are followed, and no folder twice."""
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=allowance().links):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield root, folders, files


def file_items(folder: Path, paths: Sequence[Path], options: FileOptions) -> list[Item]:
    """One item a file: its id from its name, its patient from the option's pattern or the subject
    that BIDS has in its path, its split from a folder.

    Raises:
        ConfigError: If the pattern is not a regular expression with a group.
        DataError: If it is not found in a file's name, or a file has no label though labels are
            given.
    """
    relative = [Path(path.name) if path == folder else path.relative_to(folder) for path in paths]
    stems = Counter(stem_of(path.name) for path in relative)
    labels = _read_labels(folder, options.labels, relative) if options.labels else {}
    items = []
    for path, inner, place in zip(paths, relative, places(relative), strict=True):
        stem = stem_of(path.name)
        plain = stem if stems[stem] == 1 else "--".join(inner.parts)
        name = public_name(plain if options.ids == "names" else inner.as_posix(), options.ids)
        label = ""
        if labels:
            label = _label_of(inner, labels, options.labels)
        group = _patient(inner, options.patient)
        items.append(Item(name, path.name, (path,), group, place.split, label))
    return items


def folder_contents(
    kind: str,
    folder: Path,
    items: Sequence[Item],
    options: FileOptions,
    *,
    read: Callable[[Item], Signal],
    preprocessing: Preprocessing,
    settled: Callable[[], Details] | None = None,
) -> Contents:
    """The contents of a folder whose items are one signal each.

    Args:
        kind: The format's name.
        folder: The folder, or one file.
        items: As :func:`file_items` makes them.
        options: How the folder is read.
        read: The reading function.
        preprocessing: Steps for every signal.
        settled: What a look into the first split settles.
    """
    return Contents(
        name=f"{kind}:{folder.name}",
        location=folder,
        items=items,
        read=read,
        preprocessing=preprocessing,
        splitting=options,
        limit=options.limit,
        split_by=what_splits(folder, items, options),
        details=details(options),
        settled=settled,
        remarks=layout_remarks(items, folder),
    )


def what_splits(folder: Path, items: Sequence[Item], options: FileOptions) -> str:
    """What keeps the splits of a folder's files apart, in a word."""
    if any(item.split in ("val", "test") for item in items):
        return "given"
    if options.patient or has_subjects(items, folder):
        return "patient"
    return "file"


def _patient(path: Path, pattern: str) -> str:
    if not pattern:
        return subject_of(path) or path.as_posix()
    try:
        found = re.search(pattern, path.as_posix())
        if found is None:
            raise DataError(
                f"the option 'patient' finds nothing in {path.name}; expected a pattern that fits "
                "every file's name"
            )
        return found.group(1)
    except (re.error, IndexError) as error:
        raise ConfigError(
            f"the option 'patient' is '{pattern}' ({error}); expected a regular expression with "
            "one (group)"
        ) from error


def _label_of(inner: Path, labels: Mapping[str, str], table: str) -> str:
    """The class of a file, by its path in the folder, its name, or its name without suffix."""
    for key in (inner.as_posix(), inner.name, stem_of(inner.name)):
        if key in labels:
            return labels[key]
    raise DataError(
        f"{Path(table).name} has no row for {inner.name}; expected a header and one row for every "
        "file"
    )


def _read_labels(folder: Path, name: str, relative: Sequence[Path]) -> dict[str, str]:
    """The class of each file by its name, from a CSV file of two columns or more, separated by
    commas, semicolons or tabs. A first row that names a file is no header."""
    path = folder / name
    if lies_outside(path, folder):
        raise DataError(
            f"the file of labels {path.name} lies outside the folder; copy it into the folder, or "
            "give --follow-links"
        )
    try:
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        text = path.read_text(encoding="utf-8-sig")
        first_line = text.partition("\n")[0]
        separator = max(",;\t", key=first_line.count)
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(row)]
        if not rows or len(rows[0]) < 2:
            raise ValueError("its first row has one column")
        files = {key for inner in relative for key in (inner.name, stem_of(inner.name))}
        if rows[0][0].strip() not in files:
            rows.pop(0)
        return _labels_of(rows)
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise DataError(
            f"cannot read labels from {path.name} ({reason(error)}); expected a header, then rows "
            "of file name,class, separated by commas, semicolons or tabs"
        ) from error


def _labels_of(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """The second column by the first.

    Raises:
        ValueError: If a file has two classes.
    """
    labels: dict[str, str] = {}
    for row in rows:
        file, label = row[0].strip(), row[1].strip()
        if labels.setdefault(file, label) != label:
            raise ValueError(f"{file} has two classes, {labels[file]} and {label}")
    return labels
