"""A folder's files, found safely, named, and made into the items of a format's contents."""

from __future__ import annotations

import csv
import errno
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medfuncta.door.files import lies_outside, reason
from medfuncta.errors import ConfigError, DataError
from medfuncta.signals.preprocess import Preprocessing
from medfuncta.signals.signal import Signal
from medfuncta.sources.contents import Contents, Details
from medfuncta.sources.identity import public_name
from medfuncta.sources.layout import has_subjects, layout_remarks, places, subject_of
from medfuncta.sources.options import details, option
from medfuncta.sources.splitting import Item, SplitOptions


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
    folder: Path, suffixes: tuple[str, ...], refuse: Callable[[str, DataError], None]
) -> list[Path]:
    """All files below a folder whose names end like this, sorted; or the one file that ``folder``
    is. Hidden ones are left out.

    Args:
        folder: Where to look.
        suffixes: Lower-case ends of names; ``("",)`` takes every file.
        refuse: Called with the name of a symbolic link that leaves the folder, and the error to
            raise or to note.

    Raises:
        DataError: If there is no such file.
    """
    if folder.is_file():
        return [folder]
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in (*folders, *sorted(files)):
            path = Path(root, name)
            if path.is_symlink() and lies_outside(path, folder):
                refuse(
                    name,
                    DataError(
                        f"{name} is a symbolic link that leaves the folder; copy the file into the "
                        "folder"
                    ),
                )
            elif name.lower().endswith(suffixes) and not name.startswith(".") and path.is_file():
                found.append(path)
    if not found:
        raise DataError(
            f"no {' or '.join(suffixes).strip() or 'file'} in '{folder.name}'; expected at least "
            "one file of that kind"
        )
    return sorted(found)


def file_items(folder: Path, paths: Sequence[Path], options: FileOptions) -> list[Item]:
    """One item a file: its id from its name, its patient from the option's pattern or the subject
    that BIDS has in its path, its split from a folder.

    Raises:
        ConfigError: If the pattern is not a regular expression with a group.
        DataError: If it is not found in a file's name, or a file has no label though labels are
            given.
    """
    relative = [Path(path.name) if path == folder else path.relative_to(folder) for path in paths]
    stems = Counter(_stem(path.name) for path in relative)
    labels = _read_labels(folder, options.labels) if options.labels else {}
    items = []
    for path, inner, place in zip(paths, relative, places(relative), strict=True):
        stem = _stem(path.name)
        if labels and path.name not in labels and stem not in labels:
            raise DataError(
                f"{Path(options.labels).name} has no row for {path.name}; expected one for every "
                "file"
            )
        plain = stem if stems[stem] == 1 else "--".join(inner.parts)
        name = public_name(plain if options.ids == "names" else inner.as_posix(), options.ids)
        label = labels.get(path.name, labels.get(stem, ""))
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


def _stem(name: str) -> str:
    """A file's name without its one or two suffixes of letters and digits."""
    return re.sub(r"(\.nii\.gz|\.[A-Za-z0-9]{1,5})$", "", name) or name


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


def _read_labels(folder: Path, name: str) -> dict[str, str]:
    """The class of each file by its name, from a CSV file of two columns or more."""
    path = folder / name
    if lies_outside(path, folder):
        raise DataError(
            f"the file of labels {path.name} lies outside the folder; copy it into the folder"
        )
    try:
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        with path.open(newline="", encoding="utf-8") as file:
            _, *rows = csv.reader(file)
        return {row[0].strip(): row[1].strip() for row in rows if row}
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise DataError(
            f"cannot read labels from {path.name} ({reason(error)}); expected a header, then rows "
            "of file name,class"
        ) from error
