"""The MedMNIST collection: 12 sets of images and 6 of volumes, by name.

``medmnist.json`` holds the facts: classes, tasks, licences and checksums, those of version 3
(Zenodo record 10519652).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from medfuncta._src.errors import ConfigError, DataError, suggest
from medfuncta._src.sources.contents import Contents, Format, Survey
from medfuncta._src.sources.download import download, md5_of
from medfuncta._src.sources.npz import Classes, NpzOptions, npz_contents
from medfuncta._src.sources.options import Options, details, option
from medfuncta._src.sources.skips import Skips

_URL: Final = "https://zenodo.org/records/10519652/files/{file}?download=1"
_CITATION: Final = (
    "Yang et al., MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D biomedical image "
    "classification, "
    "Scientific Data 10:41, 2023"
)


@dataclass(frozen=True)
class MedmnistOptions(Options):
    """Which of the files, and where it lies."""

    size: int = option(28, "pixels a side: 28, 64, 128 or 224, for volumes 28 or 64")
    root: str = option("~/.medmnist", "folder of the files")
    download: bool = option(False, "download the file when it is not there")
    verify: bool = option(True, "compare the file's checksum with the published one")
    limit: int | None = option(None, "the first N signals of each split", at_least=1)


@cache
def registry() -> dict[str, dict[str, Any]]:
    """Facts about every set by its lower-case name."""
    return json.loads(
        files("medfuncta._src.sources").joinpath("medmnist.json").read_text(encoding="utf-8")
    )


def _open_medmnist(location: str, options: MedmnistOptions, skips: Skips) -> Contents:
    """Open ``medmnist:NAME``: an archive with the names, the task and the licence that its
    publisher gives it.

    Raises:
        ConfigError: If there is no such set or it has no such size.
        DataError: If the file is missing and not to be downloaded, or its checksum differs.
    """
    name = location.lower()
    if name not in registry():
        raise ConfigError(f"no set '{location}' in MedMNIST; {suggest(name, registry())}")
    facts = registry()[name]
    path = _provided(name, facts["md5"], options)
    archive = npz_contents(
        path,
        NpzOptions(kind=facts["kind"], limit=options.limit),
        skips,
        Classes(tuple(facts["classes"]), facts["task"]),
    )
    survey = _survey(archive, path, options.size, facts["modality"])
    told = details(options)
    del told["root"]  # a folder of this machine is nobody else's business
    return replace(
        archive,
        name=f"medmnist:{name}",
        licence=facts["licence"],
        citation=_CITATION,
        details=told,
        published=options.verify,
        survey=lambda: survey,
    )


def _survey(archive: Contents, path: Path, size: int, modality: str) -> Survey:
    """What signals have in common, once it is known that they are of the size that was asked
    for."""
    assert archive.survey is not None
    spec = archive.survey().spec
    if set(spec.shape or ()) != {size}:
        raise DataError(
            f"{path.name} holds signals of shape {spec.shape}; expected {size} along each axis; "
            "get the file again"
        )
    return Survey(replace(spec, modality=modality))


def _provided(name: str, checksums: Mapping[str, str], options: MedmnistOptions) -> Path:
    """The file of a set, downloaded if need be, once it is known to be the published one."""
    if str(options.size) not in checksums:
        raise ConfigError(
            f"no size {options.size} of {name}; expected one of {', '.join(checksums)}"
        )
    md5 = checksums[str(options.size)]
    size = "" if options.size == 28 else f"_{options.size}"
    path = Path(options.root).expanduser() / f"{name}{size}.npz"
    if not path.is_file():
        if not options.download:
            raise DataError(
                f"no file {path.name}; get it with download=true, or name its folder with root=DIR"
            )
        download(_URL.format(file=path.name), path, md5)
    elif options.verify and md5_of(path) != md5:
        raise DataError(
            f"{path.name} has another checksum than the published {md5}; remove it and use "
            "download=true, or set verify=false"
        )
    return path


FORMAT = Format(
    "medmnist", "a set of the MedMNIST collection, by name", MedmnistOptions, _open_medmnist
)
