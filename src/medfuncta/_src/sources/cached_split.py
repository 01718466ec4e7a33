"""Splits of a source through the cache of signal sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from medfuncta._src.disk.places import file_name
from medfuncta._src.errors import ConfigError
from medfuncta._src.signals.cache import CacheKey, cached
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.identity import key_fingerprint
from medfuncta._src.sources.source import Skipped, Source


def cached_split(source: Source, split: str, folder: Path) -> SignalSet:
    """One split as a memory-mapped set, read from its files only when they, the options or the
    package have changed since.

    What was left out or remarked when the files were read is noted in ``source`` again.

    Raises:
        ConfigError: If the source lies in no files whose changes could be noticed.
        DataError: If the split does not exist or holds no signal, or a file is bad and not to be
            skipped.
        MedFunctaError: If the cache cannot be written.
    """
    signals, notes = cached(
        source.spec,
        source.signals(split),
        folder,
        cache_key(source, split),
        notes=lambda: asdict(_Notes(tuple(source.skipped), source.skips.counts)),
        notes_type=_Notes,
    )
    for entry in notes.left_out:
        source.skips.leave_out(entry.name, entry.reason)
    source.skips.remark_all(notes.remarks)
    return signals


@dataclass(frozen=True)
class _Notes:
    """What was left out and remarked when the files were read."""

    left_out: tuple[Skipped, ...]
    remarks: dict[str, int]


def cache_key(source: Source, split: str) -> CacheKey:
    """The entry of a split, and a digest of its options and of the size and time of change of every
    file that it may be read from.

    What the user states of the data changes no signal, and has no part in it.

    Raises:
        ConfigError: If the source lies in no files.
    """
    if source.location is None:
        raise ConfigError(
            f"{source.info.name} lies in no files that a cache could watch; do without the cache"
        )
    location = source.location.resolve()
    facts = {
        "info": asdict(source.own_info),
        "split": split,
        "skip_bad": source.skips.skip_bad,
        "ids": key_fingerprint(),  # users of one cache may have keys of their own
    }
    files = [
        (path.as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in watched_files(location)
    ]
    state = _digest([version("medfuncta"), asdict(source.spec), files])
    name = f"{source.info.name}-{split}-{_digest([facts, location.as_posix()])[:12]}"
    return CacheKey(file_name(name.replace(":", "-")), state)


def watched_files(location: Path) -> Iterator[Path]:
    """All files below a folder; of a file, those beside it whose names begin as its own does, such
    as a header's samples."""
    if location.is_dir():
        return (path for path in sorted(location.rglob("*")) if path.is_file())
    stem = location.name.split(".")[0]
    return (
        path
        for path in sorted(location.parent.iterdir())
        if path.name.startswith(stem) and path.is_file()
    )


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
