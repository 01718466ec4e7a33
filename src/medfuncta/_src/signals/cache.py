"""Signal sets on the disk: normalised values are written once and memory-mapped ever after, so that
no set is too large to train on.

An entry is a folder of plain files: ``values.npy`` and ``observed.npy`` (memory-mapped),
``positions.npz`` (of scattered samples) and ``headers.json`` (all else). It is written signal by
signal beside its place and gets its name only when it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import msgspec
import numpy as np
from msgspec import Meta

from medfuncta._src.disk.atomic import write_json
from medfuncta._src.disk.lock import remove_abandoned, writing
from medfuncta._src.disk.places import (
    TEMPORARY,
    fresh_folder,
    make_folder,
    move,
    place,
    remove_file,
    remove_folder,
)
from medfuncta._src.disk.refusals import disk_told
from medfuncta._src.door.declared import convert
from medfuncta._src.door.files import Origin, check_regular, read_bytes
from medfuncta._src.door.limits import MAX_CACHE_BYTES
from medfuncta._src.door.stored_arrays import read_arrays
from medfuncta._src.errors import DataError, MedFunctaError
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalHeader, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet, starts_of

_VALUES: Final = "values.npy"
_OBSERVED: Final = "observed.npy"
_POSITIONS: Final = "positions.npz"
_HEADERS: Final = "headers.json"
_ORIGIN: Final = Origin("an entry of the cache", DataError, "it is written anew")
_UNREADABLE: Final = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    EOFError,
    RecursionError,
    MedFunctaError,
)
"""What may be said of an entry that is not as it was written; msgspec's errors are ValueErrors."""


@dataclass(frozen=True)
class CacheKey:
    """What an entry is of.

    Args:
        name: The entry's own name: a set has one entry, whatever becomes of its files.
        state: A digest of all that its values depend on; an entry of another state is written anew.
    """

    name: str
    state: str


def cached(
    spec: SignalSpec,
    signals: Iterable[Signal],
    folder: Path,
    key: CacheKey,
    notes: Callable[[], Any] = lambda: None,
    notes_type: Any = None,
) -> tuple[SignalSet, Any]:
    """The signals as a memory-mapped set: from the cache when it holds them as they are now, else
    read once and written to it.

    Args:
        spec: What the signals have in common.
        signals: Iterated only when the cache has no entry for them; one at a time is in memory.
        folder: The cache; made when missing.
        key: Which entry.
        notes: Called after the last signal; what it gives (plain data) is kept with the entry.
        notes_type: What notes are read back as.

    Returns:
        The set, and the notes of when its signals were read.

    Raises:
        DataError: If there is no signal, or one does not have the dimension and channels of
            ``spec``.
        MedFunctaError: If the disk is full or the folder cannot be written.
    """
    entry = place(folder, key.name)
    found = _open(entry, spec, key.state, notes_type)
    if found is not None:
        return found
    with disk_told(f"the cache '{folder.name}'"):
        make_folder(folder)
        remove_abandoned(folder, f"{TEMPORARY}*")
        with fresh_folder(folder) as beside, writing(beside):
            fresh = make_folder(beside, "entry")
            _write(fresh, spec, signals, key.state, notes)
            remove_folder(folder, key.name)  # whoever has mapped its files keeps them
            move(fresh, folder, key.name)
    found = _open(entry, spec, key.state, notes_type)
    if found is None:
        raise MedFunctaError(
            f"the cache '{folder.name}' changed while it was read; give every process a cache of "
            "its own"
        )
    return found


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    """A signal's header in JSON."""

    id: str
    domain: Annotated[int, Meta(ge=0)]
    range: tuple[float, float]
    unit: str
    label: int | tuple[int, ...] | None
    dtype: str
    metadata: dict[str, str | int | float]

    def on(self, domains: list[Domain], channels: int) -> SignalHeader:
        """The header, told where its values lie."""
        return SignalHeader(
            id=self.id,
            domain=domains[self.domain],
            channels=channels,
            range=ValueRange(*self.range),
            unit=self.unit,
            label=self.label,
            dtype=self.dtype,
            metadata=self.metadata,
        )


class _Facts(msgspec.Struct, forbid_unknown_fields=True):
    """``headers.json``."""

    state: str
    masked: bool
    notes: Any
    domains: list[dict[str, Any]]
    headers: Annotated[list[_Header], Meta(min_length=1)]


def _open(
    entry: Path, spec: SignalSpec, state: str, notes_type: Any
) -> tuple[SignalSet, Any] | None:
    """The entry, or None when there is none, it is of another state, or it is damaged."""
    try:
        content = read_bytes(entry / _HEADERS, _ORIGIN, limit=MAX_CACHE_BYTES, within=entry)
        facts = msgspec.json.decode(content, type=_Facts)
        if facts.state != state:
            return None
        notes = convert(facts.notes, notes_type)
        domains = _read_domains(entry, facts.domains)
        headers = [header.on(domains, spec.channels) for header in facts.headers]
        points = sum(header.domain.points for header in headers)
        values = _mapped(entry / _VALUES, np.float32, (points, spec.channels))
        observed = None
        if facts.masked:
            observed = _mapped(entry / _OBSERVED, np.bool_, (points,))
    except _UNREADABLE:
        return None
    return SignalSet(spec, headers, values, observed, starts_of(headers)), notes


def _mapped(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
    """The array in a file, once it is known to be of this type and shape."""
    check_regular(path, _ORIGIN, within=path.parent)
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{array.dtype} of shape {array.shape}")
    return array


def _read_domains(entry: Path, stored: list[dict[str, Any]]) -> list[Domain]:
    domains: list[Domain] = []
    positions = read_arrays(entry / _POSITIONS, _ORIGIN, within=entry)
    for number, data in enumerate(stored):
        if "low" in data:
            domains.append(Scatter.from_dict(data, positions[str(number)]))
        else:
            domains.append(Grid.from_dict(data))
    return domains


def _write(
    entry: Path, spec: SignalSpec, signals: Iterable[Signal], state: str, notes: Callable[[], Any]
) -> None:
    headers: list[dict[str, Any]] = []
    domains: list[Domain] = []
    for signal in _written(entry, spec, signals):
        if not domains or signal.domain != domains[-1]:  # many share one, which is kept once
            domains.append(signal.domain)
        headers.append(_header_to(signal, domain=len(domains) - 1))
    if not headers:
        raise DataError("no signals; expected at least one in this split")
    positions = {}
    for number, domain in enumerate(domains):
        if isinstance(domain, Scatter):
            positions[str(number)] = domain.positions
    np.savez(place(entry, _POSITIONS), allow_pickle=False, **positions)
    facts = {
        "state": state,
        "masked": (entry / _OBSERVED).exists(),
        "notes": notes(),
        "domains": [domain.to_dict() for domain in domains],
        "headers": headers,
    }
    write_json(place(entry, _HEADERS), facts)


def _written(entry: Path, spec: SignalSpec, signals: Iterable[Signal]) -> Iterator[Signal]:
    """The signals, one by one, after their values were written; which points were observed is kept
    only where one was not."""
    number = np.dtype(np.float32)
    masked = False
    with (
        _GrowingArray(place(entry, _VALUES), (spec.channels,), number) as values,
        _GrowingArray(place(entry, _OBSERVED), (), np.dtype(np.bool_)) as observed,
    ):
        for signal in signals:
            spec.check_fits(SignalSpec(signal.domain.dim, signal.channels))
            values.append(signal.normalised())
            seen = signal.observed()
            observed.append(seen)
            masked |= not seen.all()
            yield signal
    if not masked:
        remove_file(entry, _OBSERVED)


class _GrowingArray:
    """An ``.npy`` file that rows are appended to; NumPy leaves room in its header for a first axis
    of any length."""

    def __init__(self, path: Path, row: tuple[int, ...], dtype: np.dtype) -> None:
        self._path, self._row, self._dtype, self._count = path, row, dtype, 0

    def __enter__(self) -> _GrowingArray:
        self._file: BinaryIO = self._path.open("wb")
        self._write_header()
        return self

    def append(self, rows: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self._count += len(rows)

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._count, *self._row),
        }
        np.lib.format.write_array_header_1_0(self._file, header)


def _header_to(signal: Signal, domain: int) -> dict[str, Any]:
    return {
        "id": signal.id,
        "domain": domain,
        "range": [signal.range.low, signal.range.high],
        "unit": signal.unit,
        "label": signal.label,
        "dtype": signal.dtype,
        "metadata": dict(signal.metadata),
    }
