"""What a case of awkward input says is right, held against what the package makes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medfuncta._src.errors import MedFunctaError
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.tasks.info.source import describe_source

Facts = Mapping[str, Any]


def check_case(facts: Facts, folder: Path) -> None:
    """Read a case, or be refused, and compare with all that is said to be right of it."""
    text = facts["source"].replace("{d}", str(folder))
    try:
        source = open_source(text, skip_bad=facts.get("skip_bad", False))
        signals = [signal for split in source.splits for signal in source.signals(split)]
        for signal in signals if "mask_probes" in facts else []:
            source.mask_of(signal.id)
    except MedFunctaError as error:
        check_refusal(facts, str(error), folder)
        return
    assert facts["outcome"] != "error", f"read {len(signals)} signals; {facts['right']}"
    check_signals(facts, source, signals)


def check_refusal(facts: Facts, line: str, folder: Path) -> None:
    """A refusal is one line without folders, and names the cause where it is known."""
    assert facts["outcome"] != "read", f"refused: {line}"
    assert "\n" not in line and str(folder) not in line, line
    said = facts.get("says", [])
    assert not said or any(word.lower() in line.lower() for word in said), (said, line)


def check_signals(facts: Facts, source: Source, signals: Sequence[Signal]) -> None:
    """Everything that ``facts`` tell of the signals that were read."""
    check_count(facts.get("n"), len(signals))
    first = signals[0]
    check_values(facts, first)
    check_place(facts, first)
    check_beats(facts, signals)
    check_masks(facts, source, signals)
    check_splits(facts, source)
    check_range(facts, source, first)
    check_remarks(facts, source)


def check_values(facts: Facts, signal: Signal) -> None:
    """Shape, unit, type and some values of a signal."""
    if "shape" in facts:
        assert signal.values.shape[:-1] == tuple(facts["shape"])
    for name in ("channels", "unit", "dtype"):
        if name in facts:
            assert getattr(signal, name) == facts[name], name
    tolerance = facts.get("tolerance", 1e-3)
    for *place, value in facts.get("probes", []):
        found = float(signal.values[tuple(place)])
        assert abs(found - value) <= max(tolerance, 1e-6 * abs(value)), (place, found, value)


def check_beats(facts: Facts, signals: Sequence[Signal]) -> None:
    """Beats begin at their peak, or near it; a beat goes on to the next, which may be higher."""
    share = 0.9 if facts.get("first_is_peak") else facts.get("first_to_peak")
    if share is None:
        return
    for signal in signals:
        assert signal.values[0, 0] >= share * signal.values.max(), signal.id


def check_masks(facts: Facts, source: Source, signals: Sequence[Signal]) -> None:
    """How many samples are not observed, and what label maps say."""
    if "masked" in facts:
        assert sum(int((~s.observed()).sum()) for s in signals) == facts["masked"]
    for signal in signals if "mask_probes" in facts else []:
        labels = source.mask_of(signal.id)
        assert labels is not None, signal.id
        for *place, number in facts["mask_probes"]:
            assert labels[tuple(place)] == number, (signal.id, place)


def check_splits(facts: Facts, source: Source) -> None:
    """Classes, splits, how many signals each has, and what never lies in two of them."""
    if "labels" in facts:
        assert list(source.spec.label_names) == facts["labels"]
    if "splits" in facts:
        assert list(source.splits) == facts["splits"]
    if "counts" in facts:
        counts = {split: len(list(source.signals(split))) for split in source.splits}
        assert counts == facts["counts"]
    if "apart" in facts:
        check_apart(facts["apart"], source)


def check_count(expected: int | str | None, count: int) -> None:
    """A number of signals, or ``"lowest..highest"``."""
    if expected is None:
        return
    if isinstance(expected, str):
        low, high = map(int, expected.split(".."))
        assert low <= count <= high
    else:
        assert count == expected


def check_place(facts: Facts, signal: Signal) -> None:
    """Where a signal lies: its affine, its spacing; how long it lasts, and in which unit."""
    grid = signal.domain
    if "seconds" in facts:
        assert isinstance(grid, Scatter) and grid.unit == "s"
        np.testing.assert_allclose(np.ptp(grid.positions), facts["seconds"], rtol=1e-6)
    if "axis_unit" in facts:
        assert grid.unit == facts["axis_unit"]
    if "spacing" in facts:
        assert isinstance(grid, Grid) and grid.spacing is not None
        np.testing.assert_allclose(grid.spacing, facts["spacing"], rtol=1e-4)
    if "affine" in facts:
        assert isinstance(grid, Grid) and grid.affine is not None
        np.testing.assert_allclose(grid.affine, facts["affine"], atol=1e-3)


def check_range(facts: Facts, source: Source, first: Signal) -> None:
    """Values are ranged by the data, or the user is told that they use little of the range."""
    if facts.get("range", [first.range.low, first.range.high]) == [
        first.range.low,
        first.range.high,
    ]:
        return
    report = describe_source(source)
    assert any("range" in line for line in report.odd), report.odd


def check_remarks(facts: Facts, source: Source) -> None:
    """Each pattern is found in one of the remarks on the source; or there is none."""
    for pattern in facts.get("remarks", []):
        found = [line for line in source.remarks if re.search(pattern, line)]
        assert found, (pattern, source.remarks)
    if facts.get("no_remarks"):
        assert not source.remarks
        assert not describe_source(source).odd


def check_apart(pattern: str, source: Source) -> None:
    """What the pattern finds in a file's name is found in the files of one split only."""
    split_of: dict[str, str] = {}
    for split, items in source.items.items():
        for item in items:
            found = re.search(pattern, item.paths[0].name)
            assert found is not None
            assert split_of.setdefault(found[1], split) == split, found[1]
    assert set(split_of.values()) == {"train", "val", "test"}
