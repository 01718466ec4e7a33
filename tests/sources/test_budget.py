"""What holds the signals of a split to the memory that their files may ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import medfuncta
from medfuncta._src.errors import DataError
from medfuncta._src.sources.budget import Budget
from medfuncta._src.sources.table import open_source

MANY = 200_000


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Many small images in an archive that takes little of the disk."""
    path = tmp_path / "many.npz"
    np.savez_compressed(path, train_images=np.zeros((MANY, 4, 4), np.uint8))
    return path


def taken_before_a_refusal(add: Callable[[int], None], size: int) -> int:
    """How many signals of one size a budget lets through."""
    for number in range(MANY):
        try:
            add(size)
        except DataError:
            return number
    return MANY


@pytest.mark.parametrize("equal", [True, False])
def test_the_first_of_equal_signals_tells_for_all(equal: bool, archive: Path) -> None:
    budget = Budget("the train split", archive, lambda: MANY, equal=equal)
    with medfuncta.allowing(command_gib=0.01):
        taken = taken_before_a_refusal(budget.add, 4 * 4)
    assert (taken == 0) == equal
    assert taken < MANY


def test_an_archive_that_claims_too_much_is_refused_at_once(archive: Path) -> None:
    with medfuncta.allowing(command_gib=0.01):
        signals = open_source(f"npz:{archive}").signals("train")
        with pytest.raises(DataError, match=r"the train split of .* asks for"):
            next(iter(signals))


def test_as_many_as_were_asked_for_are_read(archive: Path) -> None:
    with medfuncta.allowing(command_gib=0.01):
        signals = open_source(f"npz:{archive}?limit=100").signals("train")
        assert len(list(signals)) == 100
