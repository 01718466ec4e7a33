"""Batches come in their order and with their values, read ahead or not."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from training_data import make_signals, tiny

from medfuncta._src.learning import fitter, meta_step
from medfuncta._src.learning.loading import Loading
from medfuncta._src.learning.train import train_network
from medfuncta._src.signals.points import Points

CPU = torch.device("cpu")
READER = "medfuncta-reader"


def batch(number: int) -> Points:
    """One that tells its number."""
    values = torch.full((2, 3, 1), float(number))
    return Points(torch.zeros(1, 3, 1), values, torch.full((2, 3), 1 / 3))


class Reader:
    """Notes which batches were read, and by which thread."""

    def __init__(self, bad: int = -1) -> None:
        self.bad, self.read, self.threads = bad, [], set[str]()
        self.next_was_read = threading.Event()

    def __call__(self, number: int) -> Points:
        self.threads.add(threading.current_thread().name)
        self.read.append(number)
        if number == self.bad:
            raise ValueError(f"batch {number} is bad")
        if number == 1:
            self.next_was_read.set()
        return batch(number)


@pytest.mark.parametrize("ahead", [False, True])
def test_every_batch_is_read_once_and_in_order(ahead: bool) -> None:
    reader = Reader()
    with Loading(reader, 4, CPU, torch.float64, ahead=ahead) as load:
        for number in range(4):
            points = load(number)
            assert points.values.dtype == points.weights.dtype == torch.float64
            assert points.values.unique().tolist() == [number]
    assert reader.read == [0, 1, 2, 3]
    assert all(name.startswith(READER) for name in reader.threads) == ahead


def test_the_next_is_read_while_one_is_worked_on_and_nothing_behind_the_last() -> None:
    reader = Reader()
    with Loading(reader, 2, CPU, torch.float32, ahead=True) as load:
        load(0)
        assert reader.next_was_read.wait(10)
        load(1)
    assert reader.read == [0, 1]


def test_a_batch_that_was_not_expected_is_read_too() -> None:
    reader = Reader()
    with Loading(reader, 9, CPU, torch.float32, ahead=True) as load:
        for number in (5, 2, 2):
            assert load(number).values.unique().tolist() == [number]


@pytest.mark.parametrize("ahead", [False, True])
def test_a_bad_batch_is_told_when_it_is_asked_for(ahead: bool) -> None:
    with Loading(Reader(bad=1), 3, CPU, torch.float32, ahead=ahead) as load:
        load(0)
        with pytest.raises(ValueError, match="batch 1 is bad"):
            load(1)
        assert load(2).values.unique().tolist() == [2]


def test_a_cpu_reads_nothing_ahead() -> None:
    reader = Reader()
    with Loading(reader, 2, CPU, torch.float32) as load:
        load(0)
    assert reader.read == [0] and reader.threads == {threading.current_thread().name}


def test_a_card_copies_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that is none: what is asked of it is noted."""
    pinned: list[int] = []
    moves: list[tuple[object, bool]] = []
    whole = Points.to

    def to(self: Points, device=None, dtype=None, *, non_blocking: bool = False) -> Points:  # type: ignore[no-untyped-def]
        if device is not None:
            moves.append((device, non_blocking))
            return self
        return whole(self, dtype=dtype)

    def pin(self: Points) -> Points:
        pinned.append(int(self.values[0, 0, 0]))
        return self

    monkeypatch.setattr(Points, "to", to)
    monkeypatch.setattr(Points, "pinned", pin)
    card = torch.device("cuda", 0)
    with Loading(batch, 2, card, torch.float32) as load:
        assert [float(load(number).values[0, 0, 0]) for number in range(2)] == [0, 1]
    assert pinned == [0, 1] and moves == [(card, True)] * 2


def test_a_training_that_reads_ahead_ends_in_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(name: str) -> dict[str, torch.Tensor]:
        config, val = tiny(augment=("flip",)), make_signals(5, seed=1)
        training = train_network(make_signals(9), val, tmp_path / name, config, device="cpu")
        return training.run.network.state_dict()

    expected = trained("one by one")
    made: list[Loading] = []

    def reading_ahead(*arguments: Any, **_: Any) -> Loading:
        made.append(Loading(*arguments, ahead=True))
        return made[-1]

    for module in (meta_step, fitter):
        monkeypatch.setattr(module, "Loading", reading_ahead)
    found = trained("ahead")
    assert len(made) > 1  # the training's, and those of its validations
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    for load in made:
        assert load._reader is not None
        load._reader.shutdown()  # all that is left is to end
