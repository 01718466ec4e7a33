"""Traces and scattered points in CSV files: the layout of the Kaggle heartbeat set, or columns that
options name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np

from medfuncta.errors import ConfigError, DataError
from medfuncta.signals.domain import Domain, Grid, Scatter
from medfuncta.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta.sources.csv_layouts import Layout, Record, RowLayout, SampleLayout
from medfuncta.sources.csv_table import is_number
from medfuncta.sources.folder import find_files, open_folder
from medfuncta.sources.identity import public_name
from medfuncta.sources.old_source import OldSource, SourceKind
from medfuncta.sources.options import check_bounds, describe, details, option, parse
from medfuncta.sources.source import SPLITS, SourceInfo
from medfuncta.sources.splitting import SplitOptions, split_groups, wanted_splits

_GIVEN_SPLIT: Final = re.compile(r"(?:^|[_-])(train|val|test)$")
_MOST_CLASSES: Final = 10_000  # beyond it the column is a measurement, not a class


@dataclass(frozen=True)
class CsvOptions(SplitOptions):
    """Which columns mean what. Without ``value`` a row is a signal: its samples, then its label."""

    value: tuple[str, ...] = option((), "columns of the channels, when a row is a sample")
    time: str = option("", "column of the time, when a row is a sample of a trace")
    position: tuple[str, ...] = option((), "columns x,y or x,y,z, when a row is a scattered point")
    id: str = option("", "column that tells signals apart; without it a file is one signal")
    label: str = option(
        "",
        "column of the class; without 'value' the last column holds it, or none does (label=none)",
    )
    box: tuple[float, ...] | None = option(
        None,
        "low,high of each axis of the box that signals fill; each spans its own when not given",
    )
    rate: float | None = option(None, "samples a second, when a row is a signal", more_than=0)
    unit: str = option("", "unit of the values, such as mV")
    range: tuple[float, ...] | None = option(
        None, "low,high mapped to [0, 1]; what the first split spans when not given"
    )
    classes: tuple[str, ...] = option((), "names of the classes by number")
    modality: str = option("", "kind of recording, such as ecg")
    ids: Literal["hash", "names"] = option(
        "hash", "name signals by a 'hash' of file name and id, or by the 'names' themselves"
    )
    limit: int | None = option(None, "the first N signals of each split", at_least=1)


@dataclass(frozen=True)
class Share:
    """A file, or those of its signals that a split gets when the file is split within itself."""

    path: Path
    split: str = ""


@dataclass(frozen=True)
class Facts:
    """What the signals of the first split say of the data set: the range of values, samples a
    signal, names of the classes."""

    range: ValueRange
    samples: int
    classes: tuple[str, ...]


class CsvSource(OldSource):
    """Signals of one file or of a folder of them.

    Files named ``..._train``, ``..._val`` and ``..._test`` keep their split, and splits that no
    file holds are drawn from the signals of train; several other files are split file by file, and
    a single one signal by signal.
    """

    def __init__(self, location: Path, options: CsvOptions, *, skip_bad: bool = False) -> None:
        super().__init__(skip_bad=skip_bad)
        self._place = self.location = location
        self.options = options
        self._layout = _layout(options)
        self._dim = len(options.position) or 1
        check_bounds("range", options.range)
        check_bounds("box", options.box, self._dim)
        root = location.parent if location.is_file() else location
        paths = find_files(location, (".csv",), self.skip)
        self._names = {path: path.relative_to(root).with_suffix("").as_posix() for path in paths}
        self._given = {
            path: match[1] for path in paths if (match := _GIVEN_SPLIT.search(path.stem))
        }
        self._within = replace(
            options, **dict.fromkeys({"val", "test"} & set(self._given.values()), "0")
        )
        self._shares = self._plan()

    @property
    def own_info(self) -> SourceInfo:
        by = (
            "given"
            if self._given
            else "file"
            if len(self._names) > 1
            else "id"
            if self.options.id
            else "row"
        )
        steps = {
            "layout": "a row a sample" if self.options.value else "a row a signal",
            "range": f"{self._facts.range.low},{self._facts.range.high}",
        }
        return SourceInfo(
            f"csv:{self._place.resolve().stem}", split_by=by, details=details(self.options) | steps
        )

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._shares)

    @property
    def spec(self) -> SignalSpec:
        classes = self._facts.classes
        return SignalSpec(
            self._dim,
            len(self.options.value) or 1,
            None if self.options.value else (self._facts.samples,),
            self.options.unit,
            self.options.modality,
            classes,
            {0: "", 2: "binary-class"}.get(len(classes), "multi-class"),
        )

    def _plan(self) -> dict[str, tuple[Share, ...]]:
        """Which files, or shares of them, make up each split."""
        if not self._given and len(self._names) > 1:
            paths = {name: path for path, name in self._names.items()}
            return {
                split: tuple(Share(paths[name]) for name in chosen)
                for split, chosen in split_groups(paths, self.options).items()
            }
        given = self._given or dict.fromkeys(self._names, "train")
        for path in self._names.keys() - given.keys():
            self.leave_out(
                path.name,
                "its name does not end in _train, _val or _test as those of other files do",
            )
        whole = {
            split: tuple(Share(path) for path in given if given[path] == split)
            for split in ("val", "test")
        }
        divided = [path for path in given if given[path] == "train"]
        drawn = {
            split: tuple(Share(path, split) for path in divided)
            for split in wanted_splits(self._within)
        }
        shares = {split: whole.get(split) or drawn.get(split, ()) for split in SPLITS}
        return {split: found for split, found in shares.items() if found}

    @cached_property
    def _facts(self) -> Facts:
        low, high, samples, labels = np.inf, -np.inf, 0, set[str]()
        for _, record in self._records(self.splits[0]):
            finite = record.values[np.isfinite(record.values)]
            low, high = min(low, finite.min(initial=np.inf)), max(high, finite.max(initial=-np.inf))
            samples = samples or len(record.values)
            labels.add(record.label)
        if low > high:
            raise DataError(
                f"no number in the {self.splits[0]} split of '{self._place.name}'; expected some "
                "to take the range from"
            )
        span = (
            ValueRange(*self.options.range)
            if self.options.range
            else ValueRange.of(np.array([low, high]))
        )
        return Facts(
            span, samples, self.options.classes or _class_names(labels - {""}, self._place.name)
        )

    def _records(self, split: str) -> Iterator[tuple[Path, Record]]:
        """The records of a split and the files they lie in."""
        for share in self._shares[split]:
            records = self._layout.records(share.path, self.skip)
            if share.split:
                held = list(records)
                chosen = set(
                    split_groups({record.key for record in held}, self._within)[share.split]
                )
                records = (record for record in held if record.key in chosen)
            yield from ((share.path, record) for record in records)

    def _read(self, split: str) -> Iterator[Signal]:
        return islice(self._signals(split), self.options.limit)

    def _signals(self, split: str) -> Iterator[Signal]:
        _ = self._facts  # what is wrong with the data set as a whole is no signal's fault, and not to be skipped signal by signal
        for path, record in self._records(split):
            try:
                yield self._signal(path, record)
            except DataError as error:
                self.skip(record.name, DataError(f"{record.name}: {error}"))

    def _signal(self, path: Path, record: Record) -> Signal:
        observed = np.logical_not(np.isnan(record.values).any(axis=1))
        return Signal.of(
            id=self._identity(path, record.key),
            values=record.values,
            domain=self._domain(record),
            range=self._facts.range,
            unit=self.options.unit,
            mask=None if observed.all() else observed,
            label=self._label(record.label) if record.label else None,
        )

    def _identity(self, path: Path, key: str) -> str:
        """A signal's id from its file's name and its own, each safe to publish; the number of a row
        needs no hiding."""
        file = public_name(self._names[path], self.options.ids)
        own = public_name(key, self.options.ids) if self.options.id else key
        return re.sub(r"[\\/]", "--", f"{file}-{own}" if own else file)

    def _domain(self, record: Record) -> Domain:
        positions, unit = record.positions, "s" if self.options.time else ""
        if positions is None:
            if len(record.values) != self._facts.samples:
                raise DataError(
                    f"{len(record.values)} samples; expected {self._facts.samples} as in the first "
                    "file"
                )
            return self._grid
        bounds = self.options.box or tuple(
            np.stack([positions.min(axis=0), positions.max(axis=0)], axis=1).ravel().tolist()
        )
        low, high = bounds[::2], bounds[1::2]
        if low == high:
            raise DataError("all samples at one position; expected at least two apart")
        return Scatter(positions, low, high, unit)

    @cached_property
    def _grid(self) -> Grid:
        rate = self.options.rate
        return (
            Grid((self._facts.samples,), (1 / rate,), unit="s")
            if rate
            else Grid((self._facts.samples,))
        )

    def _label(self, text: str) -> int:
        names, label = self._facts.classes, _plain_label(text)
        if label in names:
            return names.index(label)
        if label.isdigit() and int(label) < len(names):
            return int(label)
        raise DataError(
            f"a label that is not among the {len(names)} classes of the first split; name all "
            "classes with classes="
        )


def _layout(options: CsvOptions) -> Layout:
    if not options.value:
        if options.time or options.position or options.id or options.label not in ("", "none"):
            raise ConfigError(
                "columns are named but none for the values; expected value=COLUMN beside time= or "
                "position="
            )
        return RowLayout(labelled=options.label != "none")
    if bool(options.time) == bool(options.position) or len(options.position) not in (0, 2, 3):
        raise ConfigError(
            "values are named without a position; expected either time=COLUMN or position=X,Y or "
            "position=X,Y,Z"
        )
    return SampleLayout(
        options.value,
        options.position or (options.time,),
        bool(options.time),
        options.id,
        options.label,
    )


def _plain_label(text: str) -> str:
    """A label as written, but a whole number without its decimals (``4.000e+00`` is class 4)."""
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def _class_names(labels: set[str], file: str) -> tuple[str, ...]:
    """Names of the classes: the numbers from 0 up to the highest label, or the labels themselves in
    order."""
    plain = sorted({_plain_label(label) for label in labels})
    numbered = all(label.isdigit() for label in plain)
    count = 1 + max((int(label) for label in plain), default=-1) if numbered else len(plain)
    if count > _MOST_CLASSES or any(is_number(label) and not label.isdigit() for label in plain):
        raise DataError(
            f"the labels in '{file}' are not class numbers; when a row holds samples only, set "
            "label=none"
        )
    return tuple(map(str, range(count))) if numbered else tuple(plain)


def open_csv(location: str, options: Mapping[str, str], skip_bad: bool) -> CsvSource:
    """Open ``csv:FILE`` or ``csv:DIR``."""
    return CsvSource(open_folder(location), parse(CsvOptions, options), skip_bad=skip_bad)


FORMAT = SourceKind(
    "csv", "traces or scattered points in CSV files", describe(CsvOptions), open_csv
)
