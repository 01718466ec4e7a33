from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from medfuncta._src.errors import DataError, MedFunctaError
from medfuncta._src.learning.sampler import batch_indices
from medfuncta._src.signals.cache import CacheKey, cached
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

SPEC = SignalSpec(2, 3, label_names=("a", "b"))
KEY = CacheKey("set", "as-it-is")


def make_signals() -> list[Signal]:
    """Two shapes, a mask, scattered points, every kind of label."""
    rng = np.random.default_rng(0)
    affine = np.diag([0.1, 0.2, 1 / 3, 1.0])
    grids = [
        Grid((4, 5), (0.1, 0.2), affine, "mm"),
        Grid((4, 5), (0.1, 0.2), affine.copy(), "mm"),
        Grid((3, 2)),
    ]
    domains: list[Domain] = [
        *grids,
        Scatter(rng.uniform(0, 1, (7, 2)), (0.0, 0.0), (1.0, 2.0), "mm"),
    ]
    labels = (0, (0, 1), None, 1)
    signals = []
    for number, (domain, label) in enumerate(zip(domains, labels, strict=True)):
        shape = domain.shape if isinstance(domain, Grid) else (domain.points,)
        values = rng.uniform(-5, 5, (*shape, 3)).astype(np.float32)
        mask = rng.random(shape) > 0.3 if number == 1 else None
        facts = {"origin": f"nr {number}", "frame": number}
        signals.append(
            Signal.of(
                f"s{number}", values, domain, ValueRange(-5, 5.5), "HU", mask, label, "int16", facts
            )
        )
    return signals


class Reader:
    """Hands out signals and counts how often it was asked to."""

    def __init__(self, signals: list[Signal]) -> None:
        self.signals, self.reads = signals, 0

    def __iter__(self) -> Iterator[Signal]:
        self.reads += 1
        return iter(self.signals)


@pytest.fixture
def reader() -> Reader:
    return Reader(make_signals())


def read(reader: Reader, folder: Path, key: CacheKey = KEY) -> SignalSet:
    return cached(SPEC, reader, folder, key)[0]


def assert_same(one: SignalSet, other: SignalSet) -> None:
    assert len(one) == len(other)
    for number in range(len(one)):
        a, b = one.signal(number), other.signal(number)
        assert (a.id, a.range, a.unit, a.label, a.dtype, a.metadata) == (
            b.id,
            b.range,
            b.unit,
            b.label,
            b.dtype,
            b.metadata,
        )
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.mask, b.mask)  # type: ignore[arg-type]
        if isinstance(a.domain, Grid):
            assert a.domain == b.domain
    ours, theirs = one.points(range(len(one))), other.points(range(len(other)))
    for name in ("coordinates", "values", "weights"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name))


def test_the_set_is_the_same_from_files_and_from_the_cache(reader: Reader, tmp_path: Path) -> None:
    collected = SignalSet.collect(SPEC, reader)
    for _ in range(2):
        again = read(reader, tmp_path / "cache")
        assert_same(again, collected)
        assert isinstance(again.values, np.memmap) and isinstance(again.observed, np.memmap)
    assert reader.reads == 2  # once to collect, once to fill the cache


def test_without_a_mask_nothing_is_kept_of_one(reader: Reader, tmp_path: Path) -> None:
    del reader.signals[1]
    assert read(reader, tmp_path).observed is None
    assert read(reader, tmp_path).observed is None


def test_a_subset_reads_nothing(reader: Reader, tmp_path: Path) -> None:
    whole = read(reader, tmp_path)
    part = whole.subset([3, 0])
    assert np.shares_memory(part.values, whole.values)
    assert [header.id for header in part.headers] == ["s3", "s0"]
    np.testing.assert_array_equal(part.signal(1).values, whole.signal(0).values)


def test_another_state_is_read_anew_in_the_place_of_the_old(reader: Reader, tmp_path: Path) -> None:
    old = read(reader, tmp_path)
    before = old.signal(0).values.copy()
    reader.signals.pop()
    new = read(reader, tmp_path, CacheKey("set", "changed"))
    assert (len(old), len(new), reader.reads) == (4, 3, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    np.testing.assert_array_equal(old.signal(0).values, before)  # who has the old one open keeps it


@pytest.mark.parametrize("name", ["values.npy", "observed.npy", "positions.npz", "headers.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "empty"])
def test_a_damaged_entry_is_built_anew(
    reader: Reader, tmp_path: Path, name: str, damage: str
) -> None:
    read(reader, tmp_path)
    path = tmp_path / "set" / name
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[: len(data) - 9] if damage == "cut" else b"")
    assert_same(read(reader, tmp_path), SignalSet.collect(SPEC, reader.signals))
    assert reader.reads == 2


def test_a_reader_that_fails_leaves_nothing_behind(reader: Reader, tmp_path: Path) -> None:
    reader.signals.append(
        Signal.of("odd", np.zeros((2, 2, 1), np.float32), Grid((2, 2)), ValueRange(0, 1))
    )
    with pytest.raises(DataError, match="1 channel"):
        read(reader, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_signal_and_no_room_are_said_in_a_line(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no signals"):
        read(Reader([]), tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MedFunctaError, match="cannot write the cache 'file'"):
        read(reader, tmp_path / "file")


def test_a_set_larger_than_memory_is_written_and_read_batch_by_batch(tmp_path: Path) -> None:
    def long() -> Iterator[Signal]:
        for number in range(256):
            yield Signal.of(
                f"s{number}",
                np.full((256, 256, 1), 0.5, np.float32),
                Grid((256, 256)),
                ValueRange(0, 1),
            )

    tracemalloc.start()
    signals, _ = cached(SignalSpec(2, 1), long(), tmp_path, KEY)
    seen = 0
    for step in range(64):  # an epoch, in the order of training
        points = signals.points(batch_indices(len(signals), 4, step, seed=0))
        seen += points.batch * points.count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert signals.values.nbytes == 4 * seen == 64 * 2**20
    assert peak < 16 * 2**20
