"""The table of formats, and how the text ``kind:path?option=value`` becomes a source."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from medfuncta.errors import ConfigError, suggest
from medfuncta.sources.source import Source, SourceKind

KINDS: Final[Mapping[str, str]] = {
    "sample": "medfuncta.sources.sample:KIND",
    "npz": "medfuncta.sources.npz:KIND",
    "medmnist": "medfuncta.sources.medmnist:KIND",
    "wfdb": "medfuncta.sources.wfdb:KIND",
    "csv": "medfuncta.sources.csv:KIND",
    "images": "medfuncta.sources.images:KIND",
    "nifti": "medfuncta.sources.nifti:KIND",
    "dicom": "medfuncta.sources.dicom:KIND",
    "nrrd": "medfuncta.sources.nrrd:KIND",
    "brats": "medfuncta.sources.brats:KIND",
    "lidc": "medfuncta.sources.lidc:KIND",
}
"""The word before the colon and where its :class:`SourceKind` stands; imported only when asked for, since readers are heavy."""


def source_kind(name: str) -> SourceKind:
    """One row of the table.

    Raises:
        ConfigError: If no such kind is known; the nearest one is named.
    """
    if name not in KINDS:
        raise ConfigError(f"unknown kind of source '{name}'; {suggest(name, KINDS)}")
    module, attribute = KINDS[name].split(":")
    return getattr(import_module(module), attribute)


def open_source(text: str, *, skip_bad: bool = False) -> Source:
    """The source that ``kind:path[?option=value&option=value]`` names.

    A ``&`` or ``%`` inside a value is written as in a web address (``%26``, ``%25``).

    Args:
        text: What the user gave, such as ``"wfdb:mitbih?lead=V1"``.
        skip_bad: Leave out bad files, noting each in ``source.skipped``, instead of stopping at the first.

    Raises:
        ConfigError: If the text is not of this form, or the kind or an option is unknown.
        DataError: If the location cannot be read.
    """
    name, colon, rest = text.partition(":")
    if not colon:
        raise ConfigError(f"got '{Path(text).name}' as a source; expected kind:path[?option=value]; {suggest(Path(text).suffix, KINDS)}")
    kind = source_kind(name)
    location, _, query = rest.partition("?")
    if not location:
        raise ConfigError(f"nothing after '{name}:'; expected {name}:path[?option=value]")
    return kind.opener(location, _parse_options(kind, query), skip_bad)


def _parse_options(kind: SourceKind, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for assignment in filter(None, query.split("&")):
        option, equals, value = assignment.partition("=")
        if option not in kind.options:
            raise ConfigError(f"unknown option '{option}' of {kind.name}; {suggest(option, kind.options)}")
        if not equals or not value:
            raise ConfigError(f"the option '{option}' of {kind.name} has no value; expected {option}=VALUE ({kind.options[option]})")
        if option in options:
            raise ConfigError(f"the option '{option}' of {kind.name} is given twice; expected it once")
        options[option] = unquote(value)
    return options
