"""What every source must do, whatever it reads; a format's tests call :func:`check_source` on tiny
files and on real ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.source import SPLITS, Source

_opened: list[str] | None = (
    None  # an audit hook cannot be taken away again, so one hook writes here while someone watches
)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    handle_of_an_open_file = isinstance(arguments[0], int) if arguments else False
    if _opened is not None and event == "open" and not handle_of_an_open_file:
        _opened.append(str(arguments[0]))


sys.addaudithook(_watch)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """The names of all files that Python opens in the block."""
    global _opened
    names: list[str] = []
    _opened = names
    try:
        yield names
    finally:
        _opened = None


def check_source(open_source: Callable[[], Source]) -> dict[str, list[Signal]]:
    """Hold a source to what every source promises; ``open_source`` opens it anew. Returns its
    signals by split."""
    signals = {split: list(open_source().signals(split)) for split in open_source().splits}
    check_splits(open_source(), signals)
    check_ids(open_source(), signals)
    check_order(open_source, signals)
    check_spec(open_source(), signals)
    check_info(open_source())
    check_test_stays_closed(open_source)
    return signals


def check_splits(source: Source, signals: dict[str, list[Signal]]) -> None:
    """Known names in their order, none empty."""
    assert list(source.splits) == [split for split in SPLITS if split in source.splits]
    assert source.splits and all(signals.values())


def check_ids(source: Source, signals: dict[str, list[Signal]]) -> None:
    """Unique over all splits, and never a path."""
    ids = [signal.id for split in signals.values() for signal in split]
    assert len(set(ids)) == len(ids)
    assert not any("/" in name or "\\" in name for name in ids)


def check_order(open_source: Callable[[], Source], signals: dict[str, list[Signal]]) -> None:
    """A second read, of the same object or a new one, gives the same signals in the same order."""
    source = open_source()
    for split, first in signals.items():
        for _ in range(2):
            again = list(source.signals(split))
            assert [signal.id for signal in again] == [signal.id for signal in first]
            assert all(
                np.array_equal(a.values, b.values, equal_nan=True)
                for a, b in zip(again, first, strict=True)
            )


def check_spec(source: Source, signals: dict[str, list[Signal]]) -> None:
    """Every signal is what the spec says, is finite where observed, and fits beside the others."""
    spec = source.spec
    for signal in (signal for split in signals.values() for signal in split):
        assert (signal.domain.dim, signal.channels, signal.unit) == (
            spec.dim,
            spec.channels,
            spec.unit,
        )
        if spec.shape is not None:
            assert isinstance(signal.domain, Grid) and signal.domain.shape == spec.shape
        observed = signal.values if signal.mask is None else signal.values[signal.mask]
        assert np.isfinite(observed).all() and np.isfinite(signal.normalised()).all()
        assert np.abs(signal.domain.coordinates()).max() <= 1
        numbers = (
            signal.label
            if isinstance(signal.label, tuple)
            else ()
            if signal.label is None
            else (signal.label,)
        )
        assert all(0 <= number < len(spec.label_names) for number in numbers)
        assert all(low < high for low, high in pairwise(numbers))
    for split in signals.values():
        assert len(SignalSet.collect(spec, split)) == len(split)


def check_info(source: Source) -> None:
    """Its name and its steps are safe to publish: no folder in them, plain values only."""
    info = source.info
    for text in (info.name, *(value for value in info.details.values() if isinstance(value, str))):
        assert not text.startswith(("/", "~")) and "\\" not in text
    assert "/" not in info.name and ":" in info.name
    assert all(
        value is None or isinstance(value, str | int | float | bool)
        for value in info.details.values()
    )
    assert info.split_by


def check_test_stays_closed(open_source: Callable[[], Source]) -> None:
    """No file that only the test split needs is opened by opening the source, describing it, or
    reading the other splits."""
    splits = open_source().splits
    if "test" not in splits or len(splits) == 1:
        return
    for split in splits:
        list(
            open_source().signals(split)
        )  # modules that readers import lazily are imported from here on
    with opened_files() as described:
        source = open_source()
        _ = source.spec, source.info
    with opened_files() as others:
        for split in splits[:-1]:
            list(source.signals(split))
    with opened_files() as test:
        list(source.signals("test"))
    only_test = set(test) - set(others)
    assert not only_test & set(described), "files of the test split were opened before it was read"
    assert only_test or len(set(test)) == 1, (
        "the test split lies in files of its own, and all were opened for other splits"
    )
