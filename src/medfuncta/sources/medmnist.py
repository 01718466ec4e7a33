"""The MedMNIST collection: 12 sets of images and 6 of volumes, by name.

``medmnist.json`` holds the facts: classes, tasks, licences and checksums, those of version 3
(Zenodo record 10519652).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from medfuncta.errors import ConfigError, DataError, suggest
from medfuncta.signals.signal import SignalSpec
from medfuncta.sources.download import download, md5_of
from medfuncta.sources.npz import NpzOptions, NpzSource
from medfuncta.sources.old_source import SourceKind
from medfuncta.sources.options import describe, details, option, parse
from medfuncta.sources.source import SourceInfo

_URL: Final = "https://zenodo.org/records/10519652/files/{file}?download=1"
_CITATION: Final = (
    "Yang et al., MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D biomedical image "
    "classification, "
    "Scientific Data 10:41, 2023"
)


@dataclass(frozen=True)
class MedmnistOptions:
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
        files("medfuncta.sources").joinpath("medmnist.json").read_text(encoding="utf-8")
    )


class MedmnistSource(NpzSource):
    """One set at one size, with the names, the task and the licence that its publisher gives it."""

    def __init__(
        self, name: str, path: Path, options: MedmnistOptions, *, skip_bad: bool = False
    ) -> None:
        self._name, self._facts, self._medmnist_options = name, registry()[name], options
        super().__init__(
            path, NpzOptions(kind=self._facts["kind"], limit=options.limit), skip_bad=skip_bad
        )
        shape = self.spec.shape or ()
        if set(shape) != {options.size}:
            raise DataError(
                f"{path.name} holds signals of shape {shape}; expected {options.size} along each "
                "axis; get the file again"
            )

    @property
    def own_info(self) -> SourceInfo:
        steps = details(self._medmnist_options)
        del steps["root"]  # a folder of this machine is nobody else's business
        return SourceInfo(
            f"medmnist:{self._name}", self._facts["licence"], _CITATION, details=steps
        )

    @cached_property
    def _spec(self) -> SignalSpec:
        return replace(super()._spec, modality=self._facts["modality"])

    def _label_facts(self) -> tuple[tuple[str, ...], str]:
        return tuple(self._facts["classes"]), self._facts["task"]


def open_medmnist(location: str, options: Mapping[str, str], skip_bad: bool) -> MedmnistSource:
    """Open ``medmnist:NAME``.

    Raises:
        ConfigError: If there is no such set or it has no such size.
        DataError: If the file is missing and not to be downloaded, or its checksum differs.
    """
    name, chosen = location.lower(), parse(MedmnistOptions, options)
    if name not in registry():
        raise ConfigError(f"no set '{location}' in MedMNIST; {suggest(name, registry())}")
    checksums = registry()[name]["md5"]
    if str(chosen.size) not in checksums:
        raise ConfigError(
            f"no size {chosen.size} of {name}; expected one of {', '.join(checksums)}"
        )
    path = Path(chosen.root).expanduser() / (
        f"{name}.npz" if chosen.size == 28 else f"{name}_{chosen.size}.npz"
    )
    _provide(path, checksums[str(chosen.size)], chosen)
    return MedmnistSource(name, path, chosen, skip_bad=skip_bad)


def _provide(path: Path, md5: str, options: MedmnistOptions) -> None:
    """See to it that the file is there and is the published one."""
    if not path.exists():
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


FORMAT = SourceKind(
    "medmnist",
    "a set of the MedMNIST collection, by name",
    describe(MedmnistOptions),
    open_medmnist,
)
