"""The table of formats, and how the text ``kind:path?option=value`` becomes a source.

A format is added in one file and one row. One whose files are one signal each is a function from a
path and options to a signal::

    @dataclass(frozen=True)
    class RawOptions(FileOptions):
        width: int = option(64, "samples of a row", at_least=1)


    def read_raw(path: Path, options: RawOptions) -> Signal: ...


    FORMAT = file_format("raw", "a folder of raw images", (".raw",), read_raw, RawOptions)

Of any other, a function says what a location holds
(:class:`~medfuncta._src.sources.contents.Contents`), and which function reads an item of it::

    def open_raw(location: str, options: RawOptions, skips: Skips) -> Contents: ...


    FORMAT = Format("raw", "a folder of raw images", RawOptions, open_raw)

The row stands in :data:`FORMATS`; another package gives it in its ``pyproject.toml``::

    [project.entry-points."medfuncta.sources"]
    raw = "medfuncta_raw:FORMAT"

Splits, labels, ids, bad files, the cache and all that a run records of its data come from
:class:`~medfuncta._src.sources.source.Source`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from medfuncta._src.door.callers import expecting
from medfuncta._src.errors import ConfigError, suggest
from medfuncta._src.remote.address import address_of
from medfuncta._src.remote.fetching import fetched
from medfuncta._src.sources.contents import Format
from medfuncta._src.sources.options import describe, parse
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.source import Reopening, Source
from medfuncta._src.status import doing

FORMATS: Final[Mapping[str, str]] = {
    "sample": "medfuncta._src.sources.sample:FORMAT",
    "npz": "medfuncta._src.sources.npz:FORMAT",
    "medmnist": "medfuncta._src.sources.medmnist:FORMAT",
    "wfdb": "medfuncta._src.sources.wfdb:FORMAT",
    "edf": "medfuncta._src.sources.edf:FORMAT",
    "csv": "medfuncta._src.sources.csv:FORMAT",
    "images": "medfuncta._src.sources.images:FORMAT",
    "nifti": "medfuncta._src.sources.nifti:FORMAT",
    "dicom": "medfuncta._src.sources.dicom:FORMAT",
    "nrrd": "medfuncta._src.sources.nrrd:FORMAT",
    "brats": "medfuncta._src.sources.brats:FORMAT",
    "lidc": "medfuncta._src.sources.lidc:FORMAT",
}
"""The word before the colon and where its :class:`~medfuncta._src.sources.contents.Format` stands;
imported only when asked for, since readers are heavy."""

ENTRY_POINTS: Final = "medfuncta.sources"
"""Group of entry points by which another package adds rows; a name of ours is never replaced."""

STATEMENTS: Final[Mapping[str, str]] = {
    "licence": "the data's licence, such as ODC-By 1.0 (default: what the data says)",
    "citation": "who made the data and where it is published (default: what the data says)",
}
"""Options of every kind: what the user says of the data, for runs and for the cards of latent
sets."""


def format_names() -> list[str]:
    """The words that may stand before the colon, those of other packages included."""
    others = {point.name for point in entry_points(group=ENTRY_POINTS)}
    return [*FORMATS, *sorted(others - FORMATS.keys())]


def format_named(name: str) -> Format:
    """One row of the table.

    Raises:
        ConfigError: If no such format is known; the nearest one is named.
    """
    if name in FORMATS:
        module, attribute = FORMATS[name].split(":")
        return getattr(import_module(module), attribute)
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return point.load()
    raise ConfigError(f"unknown kind of source '{name}'; {suggest(name, format_names())}")


def options_of(format: Format) -> dict[str, str]:
    """Names of a format's options, those of every format included, and what they mean."""
    return {**describe(format.options), **STATEMENTS}


@expecting
def open_source(text: str, *, skip_bad: bool = False) -> Source:
    """The source that ``kind:path[?option=value&option=value]`` names.

    The path may be an address in an object store, such as ``s3://bucket/scans``: its files are
    copied to this machine first, once.

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
            f"{suggest(Path(text).suffix, format_names())}"
        )
    format = format_named(name)
    location, query = _location_and_query(rest)
    if not location:
        raise ConfigError(f"nothing after '{name}:'; expected {name}:path[?option=value]")
    given = _given_options(name, options_of(format), query)
    stated = {
        option: _line(name, option, given.pop(option)) for option in STATEMENTS if option in given
    }
    skips = Skips(skip_bad=skip_bad)
    with doing("looking through the files"):
        at = str(fetched(location)) if address_of(location) else location
        contents = format.open(at, parse(format.options, given), skips)
    return Source(
        contents,
        skips,
        stated=stated,
        reopening=Reopening(_from_the_root(name, location, query), skip_bad),
    )


def _location_and_query(text: str) -> tuple[str, str]:
    """What stands before and behind the question mark that begins the options. Where files have
    question marks in their names, it is the last one with a file or folder before it."""
    parts = text.split("?")
    for count in range(len(parts), 1, -1):
        location = "?".join(parts[:count])
        if _exists(location):
            return location, "?".join(parts[count:])
    return parts[0], "?".join(parts[1:])


def _from_the_root(name: str, location: str, query: str) -> str:
    """The same source for a process that stands in another folder."""
    if _exists(location):
        location = str(Path(location).expanduser().absolute())
    return "?".join(filter(None, (f"{name}:{location}", query)))


def _exists(location: str) -> bool:
    try:
        return Path(location).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, with a null character, nobody's home
        return False


def _line(kind: str, option: str, text: str) -> str:
    """A statement as one line, which is what cards have room for."""
    line = " ".join(text.split())
    if not line:
        raise ConfigError(
            f"the option '{option}' of {kind} is blank; expected {STATEMENTS[option]}"
        )
    return line


def _given_options(kind: str, known: Mapping[str, str], query: str) -> dict[str, str]:
    """The options of a query as text, by name.

    Args:
        kind: The format's name.
        known: Names of its options and what they mean.
        query: ``option=value&option=value``.

    Raises:
        ConfigError: If an option is unknown, has no value, or is given twice.
    """
    given: dict[str, str] = {}
    for assignment in filter(None, query.split("&")):
        option, equals, value = assignment.partition("=")
        if option not in known:
            raise ConfigError(f"unknown option '{option}' of {kind}; {suggest(option, known)}")
        if not equals or not value:
            raise ConfigError(
                f"the option '{option}' of {kind} has no value; expected {option}=VALUE "
                f"({known[option]})"
            )
        if option in given:
            raise ConfigError(f"the option '{option}' of {kind} is given twice; expected it once")
        given[option] = unquote(value)
    return given
