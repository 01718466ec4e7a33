"""The table of formats, and how the text ``kind:path?option=value`` becomes a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
"""The word before the colon and where its :class:`SourceKind` stands; imported only when asked for,
since readers are heavy."""

STATEMENTS: Final[Mapping[str, str]] = {
    "licence": "the data's licence, such as ODC-By 1.0 (default: what the data says)",
    "citation": "who made the data and where it is published (default: what the data says)",
}
"""Options of every kind: what the user says of the data, for runs and for the cards of latent
sets."""


def source_kind(name: str) -> SourceKind:
    """One row of the table, with the options of every kind beside its own.

    Raises:
        ConfigError: If no such kind is known; the nearest one is named.
    """
    if name not in KINDS:
        raise ConfigError(f"unknown kind of source '{name}'; {suggest(name, KINDS)}")
    module, attribute = KINDS[name].split(":")
    kind: SourceKind = getattr(import_module(module), attribute)
    return replace(kind, options={**kind.options, **STATEMENTS})


def open_source(text: str, *, skip_bad: bool = False) -> Source:
    """The source that ``kind:path[?option=value&option=value]`` names.

    A ``&`` or ``%`` inside a value is written as in a web address (``%26``, ``%25``).

    Args:
        text: What the user gave, such as ``"wfdb:mitbih?lead=V1"``.
        skip_bad: Leave out bad files, noting each in ``source.skipped``, instead of stopping at the
            first.

    Raises:
        ConfigError: If the text is not of this form, or the kind or an option is unknown.
        DataError: If the location cannot be read.
    """
    name, colon, rest = text.partition(":")
    if not colon:
        raise ConfigError(
            f"got '{Path(text).name}' as a source; expected kind:path[?option=value]; "
            f"{suggest(Path(text).suffix, KINDS)}"
        )
    kind = source_kind(name)
    location, _, query = rest.partition("?")
    if not location:
        raise ConfigError(f"nothing after '{name}:'; expected {name}:path[?option=value]")
    options = _parse_options(kind, query)
    stated = {
        option: _line(kind, option, options.pop(option))
        for option in STATEMENTS
        if option in options
    }
    source = kind.opener(location, options, skip_bad)
    source.stated = stated
    return source


def _line(kind: SourceKind, option: str, text: str) -> str:
    """A statement as one line, which is what cards have room for."""
    line = " ".join(text.split())
    if not line:
        raise ConfigError(
            f"the option '{option}' of {kind.name} is blank; expected {kind.options[option]}"
        )
    return line


def _parse_options(kind: SourceKind, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for assignment in filter(None, query.split("&")):
        option, equals, value = assignment.partition("=")
        if option not in kind.options:
            raise ConfigError(
                f"unknown option '{option}' of {kind.name}; {suggest(option, kind.options)}"
            )
        if not equals or not value:
            raise ConfigError(
                f"the option '{option}' of {kind.name} has no value; expected {option}=VALUE "
                f"({kind.options[option]})"
            )
        if option in options:
            raise ConfigError(
                f"the option '{option}' of {kind.name} is given twice; expected it once"
            )
        options[option] = unquote(value)
    return options
