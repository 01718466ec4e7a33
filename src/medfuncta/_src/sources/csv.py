"""Traces and scattered points in CSV files: the layout of the Kaggle heartbeat set, or columns that
options name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from medfuncta._src.door.wording import counted
from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.sources.contents import Contents, Format, Survey
from medfuncta._src.sources.csv_classes import class_names, plain_label
from medfuncta._src.sources.csv_form import csv_form
from medfuncta._src.sources.csv_plan import CsvOptions, CsvPlan, ReadRecords, plan_of
from medfuncta._src.sources.csv_table import (
    Record,
    SampleColumns,
    row_records,
    sample_records,
)
from medfuncta._src.sources.csv_written import unit_named, written_columns
from medfuncta._src.sources.folder import find_files, open_folder
from medfuncta._src.sources.identity import public_name
from medfuncta._src.sources.options import check_bounds, details
from medfuncta._src.sources.skips import Skips
from medfuncta._src.sources.splitting import (
    Item,
    first_split,
    split_groups,
)
from medfuncta._src.sources.units import to_seconds


@dataclass(frozen=True)
class Facts:
    """What the signals of the first split say of the data set."""

    range: ValueRange
    samples: int
    classes: tuple[str, ...]


class CsvTables:
    """The signals of one file or of a folder of them.

    Args:
        folder: Name of the folder or file, for errors.
        names: The files' names, without suffix.
        plan: Which files are read for which split.
        options: Which columns mean what.
        read_records: Reads a file.
        skips: Where bad rows and signals are noted.
    """

    def __init__(
        self,
        folder: str,
        names: Mapping[Path, str],
        plan: CsvPlan,
        options: CsvOptions,
        read_records: ReadRecords,
        skips: Skips,
    ) -> None:
        self._folder = folder
        self._names = names
        self._plan = plan
        self._options = options
        self._read_records = read_records
        self._skips = skips

    def survey(self) -> Survey:
        """What all signals have in common.

        Raises:
            DataError: If the first split holds no number, or its labels are no classes.
        """
        options, facts = self._options, self._facts
        tasks = {0: "", 2: "binary-class"}
        shape = None
        if not options.value:
            shape = (facts.samples,)
        spec = SignalSpec(
            dim=len(options.position) or 1,
            channels=len(options.value) or 1,
            shape=shape,
            unit=options.unit,
            modality=options.modality,
            label_names=facts.classes,
            task=tasks.get(len(facts.classes), "multi-class"),
        )
        return Survey(spec, {"range": f"{facts.range.low},{facts.range.high}"})

    def read(self, item: Item) -> Iterator[Signal]:
        """The signals of a file, or of the share of it that the item is."""
        for record in self._records(item):
            try:
                yield self._signal(item.paths[0], record)
            except DataError as error:
                self._skips.skip(record.name, DataError(f"{record.name}: {error}"))

    @cached_property
    def _facts(self) -> Facts:
        low, high, samples, labels = np.inf, -np.inf, 0, set[str]()
        split, items = first_split(self._plan.items, self._plan.splitting)
        for item in items:
            for record in self._records(item):
                finite = record.values[np.isfinite(record.values)]
                low = min(low, finite.min(initial=np.inf))
                high = max(high, finite.max(initial=-np.inf))
                samples = samples or len(record.values)
                labels.add(record.label)
        if not samples:
            raise DataError(
                f"no readable row in the {split} split of '{self._folder}'{self._first_reason()}"
            )
        if low > high:
            raise DataError(
                f"no number in the {split} split of '{self._folder}'; expected some to take the "
                "range from"
            )
        span = ValueRange.of(np.array([low, high]))
        if self._options.range is not None:
            span = ValueRange(*self._options.range)
        classes = self._options.classes or class_names(labels - {""}, self._folder)
        return Facts(span, samples, classes)

    def _first_reason(self) -> str:
        if not self._skips.entries:
            return "; expected at least one"
        return f"; {self._skips.entries[0].reason}"

    def _records(self, item: Item) -> Iterable[Record]:
        path = item.paths[0]
        records = self._read_records(path, self._skips.skip)
        if path not in self._plan.divided:
            return records
        held = list(records)
        keys = {record.key for record in held}
        if not keys:
            return []  # told with its reason by who asks for the first split
        chosen = set(split_groups(keys, self._plan.within).get(item.split, ()))
        return [record for record in held if record.key in chosen]

    def _signal(self, path: Path, record: Record) -> Signal:
        missing = np.isnan(record.values).any(axis=1)
        mask = label = None
        if missing.any():
            mask = np.logical_not(missing)
        if record.label:
            label = self._label(record.label)
        return Signal.of(
            id=self._identity(path, record.key),
            values=record.values,
            domain=self._domain(record),
            range=self._facts.range,
            unit=self._options.unit,
            mask=mask,
            label=label,
        )

    def _identity(self, path: Path, key: str) -> str:
        """A signal's id from its file's name and its own, each safe to publish; the number of a row
        needs no hiding."""
        id = public_name(self._names[path], self._options.ids)
        if self._options.id:
            key = public_name(key, self._options.ids)
        if key:
            id = f"{id}-{key}"
        return re.sub(r"[\\/]", "--", id)

    def _domain(self, record: Record) -> Domain:
        positions = record.positions
        if positions is None:
            return self._grid(len(record.values))
        bounds = self._options.box
        if bounds is not None:
            factor = _clock(self._options)[1]
            bounds = tuple(bound * factor for bound in bounds)
        else:
            corners = np.stack([positions.min(axis=0), positions.max(axis=0)], axis=1)
            bounds = tuple(corners.ravel().tolist())
        low, high = bounds[::2], bounds[1::2]
        if low == high:
            raise DataError("all samples at one position; expected at least two apart")
        return Scatter(positions, low, high, _clock(self._options)[0])

    def _grid(self, samples: int) -> Grid:
        expected, rate = self._facts.samples, self._options.rate
        if samples != expected:
            raise DataError(
                f"{counted(samples, 'sample')}; expected {expected} as in the first file"
            )
        if rate is None:
            return Grid((samples,))
        return Grid((samples,), (1 / rate,), unit="s")

    def _label(self, text: str) -> int:
        names, label = self._facts.classes, plain_label(text)
        if label in names:
            return names.index(label)
        if label.isdigit() and int(label) < len(names):
            return int(label)
        raise DataError(
            f"a label that is not among the {counted(len(names), 'class', 'classes')} of the first "
            "split; name all "
            "classes with classes="
        )


def _reader(options: CsvOptions, skips: Skips) -> ReadRecords:
    """How a file is read, as the named columns ask for.

    Raises:
        ConfigError: If columns are named that do not go together.
    """
    if not options.value:
        if options.time or options.position or options.id:
            raise ConfigError(
                "columns are named but none for the values; expected value=COLUMN beside time= or "
                "position="
            )
        return lambda path, refuse: row_records(
            path, refuse, label=options.label, remark=skips.remark
        )
    if bool(options.time) == bool(options.position) or len(options.position) not in (0, 2, 3):
        raise ConfigError(
            "values are named without a position; expected either time=COLUMN or position=X,Y or "
            "position=X,Y,Z"
        )
    named = SampleColumns(
        values=options.value,
        positions=options.position or (options.time,),
        ordered=bool(options.time),
        id=options.id,
        label=options.label,
        factor=_clock(options)[1],
    )
    return lambda path, refuse: sample_records(path, refuse, named)


def _as_we_write(path: Path, options: CsvOptions, skips: Skips) -> CsvOptions:
    """The options with the columns of a file named, where none is and its header is one that this
    program writes (:func:`~medfuncta._src.writers.csv.write_csv`)."""
    if options.value or options.time or options.position or options.id or options.label:
        return options
    try:
        form = csv_form(path)
    except DataError:
        return options  # told when it is read
    found = written_columns(form.names) if form.header else None
    if found is None:
        return options
    skips.remark(f"{path.name} is a table as this program writes it, a row a sample")
    return replace(
        options,
        value=found.values,
        time=found.time,
        position=found.position,
        unit=options.unit or found.unit,
    )


def _clock(options: CsvOptions) -> tuple[str, float]:
    """The unit of positions, and what their numbers are multiplied by."""
    if not options.time:
        return "", 1.0
    return to_seconds(options.time)


def _open_csv(location: str, options: CsvOptions, skips: Skips) -> Contents:
    """What lies in ``csv:FILE`` or ``csv:DIR``."""
    folder = open_folder(location)
    root = folder.parent if folder.is_file() else folder
    paths = find_files(folder, (".csv", ".tsv"), skips.skip)
    if len(paths) == 1:  # of several, any may be of the test split
        options = _as_we_write(paths[0], options, skips)
    if options.value and not options.unit:
        options = replace(options, unit=unit_named(options.value))
    read_records = _reader(options, skips)
    check_bounds("range", options.range)
    check_bounds("box", options.box, len(options.position) or 1)
    names = {path: path.relative_to(root).with_suffix("").as_posix() for path in paths}
    plan = plan_of(names, options, read_records, skips)
    tables = CsvTables(folder.name, names, plan, options, read_records, skips)
    layout = "a row a sample" if options.value else "a row a signal"
    return Contents(
        name=f"csv:{folder.resolve().stem}",
        items=plan.items,
        read=tables.read,
        many=True,
        splitting=plan.splitting,
        limit=options.limit,
        survey=tables.survey,
        location=folder,
        split_by=plan.split_by,
        details={**details(options), "layout": layout},
    )


FORMAT = Format(
    "csv",
    "traces or scattered points in CSV files, whatever separates their cells",
    CsvOptions,
    _open_csv,
)
