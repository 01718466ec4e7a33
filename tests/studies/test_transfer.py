"""Signals of groups that a network has not learned from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.studies import transfer
from medfuncta._src.studies.ablation import Finished, Numbers
from medfuncta._src.studies.outcome import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE
from medfuncta._src.studies.plan import Plan
from studies.toy import SCALE


def plan_of(folder: Path) -> Plan:
    return Plan(SCALE, seeds=(0, 1), folder=folder)


def finished(kind: str, pool: str, values: Mapping[str, float]) -> Finished:
    return Finished(f"{kind}: {pool}", {"kind": kind, "pool": pool}, Numbers(dict(values)))


def of_patients(*lost: float) -> transfer.Groups:
    own = {f"patient {number}": 30.0 for number in range(len(lost))}
    foreign = {f"patient {number}": 30.0 - loss for number, loss in enumerate(lost)}
    cells = [finished(transfer.RECORDS, "own", own)] * 2
    return transfer.groups_of([*cells, *[finished(transfer.RECORDS, "others", foreign)] * 2])


@pytest.mark.parametrize(
    ("lost", "verdict"),
    [
        ((0.0, 0.1, 0.2, 0.1, 0.0, 0.1), CONFIRMED),
        ((2.0, 2.1, 2.2, 1.9, 2.0, 2.0), NOT_CONFIRMED),
        ((0.0, 0.1, 0.0, 0.1, 0.0, 2.4), NOT_CONFIRMED),  # the interval over patients is wide
    ],
)
def test_patients_are_what_the_interval_is_over(lost: tuple[float, ...], verdict: str) -> None:
    claim = transfer.claims(of_patients(*lost))[0]
    assert claim.verdict == verdict and "over 6 patients" in claim.because


def test_a_series_is_compared_with_networks_that_know_it() -> None:
    cells = []
    for left_out in (1, 2, 3, 4):
        values = {f"series {n}": 25.0 - 5 * (n == left_out) for n in (1, 2, 3, 4)}
        cells += [finished(transfer.SERIES, f"without {left_out}", values)] * 2
    groups = transfer.groups_of(cells)[transfer.SERIES]
    assert {group.own for group in groups.values()} == {(25.0, 25.0)}
    assert {group.foreign for group in groups.values()} == {(20.0, 20.0)}
    claims = {claim.verdict for claim in transfer.claims({transfer.SERIES: groups})}
    assert claims == {NOT_CONFIRMED, NOT_TESTABLE}
    table = transfer.table({transfer.SERIES: groups})
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert transfer.figure({transfer.SERIES: groups}).axes


def test_a_laboratory_is_compared_on_the_same_cells() -> None:
    own = {"cells": 31.0, "donors": 22.0}
    other = {"cells": 28.0, "donors": 24.0}
    pools = {"cells": own, "donors": other}
    cells = [finished(transfer.LABORATORIES, name, pools[name]) for name in pools for _ in (0, 1)]
    groups = transfer.groups_of(cells)[transfer.LABORATORIES]
    assert groups["cells"].lost == [3.0, 3.0] and groups["donors"].lost == [2.0, 2.0]


def test_slices_lie_across_the_shortest_axis_and_keep_the_volumes_range() -> None:
    values = np.zeros((64, 96, 4, 1), np.float32)
    values[:, :, 2] = 200.0
    volume = Signal.of("v", values, Grid((64, 96, 4)), ValueRange(0.0, 400.0))
    slices = transfer.slices_of(volume, "1")
    assert [one.values.shape for one in slices] == [(32, 32, 1)] * 4
    assert [float(one.normalised().mean()) for one in slices] == pytest.approx([0, 0, 0.5, 0])


def test_kinds_without_their_data_have_no_cells(tmp_path: Path) -> None:
    assert transfer.rows(plan_of(tmp_path)) == []
    (tmp_path / "mitbih").mkdir()
    names = {row.name for row in transfer.rows(plan_of(tmp_path))}
    assert names == {f"{transfer.RECORDS}: own", f"{transfer.RECORDS}: others"}


def beats(split: str) -> list[Signal]:
    """Of two patients in each split."""
    found = []
    for number in range(40):
        values = np.full((8, 1), number, np.float32)
        metadata = {"record": f"{split}-{number // 20}"}
        found.append(
            Signal.of(f"{split}-{number}", values, Grid((8,)), ValueRange(0, 40), metadata=metadata)
        )
    return found


def test_patients_are_apart_and_as_much_is_learned_either_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = SimpleNamespace(spec=SignalSpec(1, 1), signals=beats)
    monkeypatch.setattr(transfer, "open_source", lambda data: source)
    monkeypatch.setattr(transfer, "_LEARNED", 24)
    pool = transfer._of_records("wfdb:folder", 6)
    assert {name: len(signals) for name, signals in pool.train.items()} == {"own": 24, "others": 24}
    held = {header.id for signals in pool.held_out.values() for header in signals.headers}
    learned = {header.id for signals in pool.train.values() for header in signals.headers}
    assert len(held) == 6 and not learned & held
    assert {name.partition("-")[0] for name in held} == {"test"} and len(pool.held_out) == 2
    of_others = [header.id.partition("-")[0] for header in pool.train["others"].headers]
    of_own = [header.id.partition("-")[0] for header in pool.train["own"].headers]
    assert set(of_others) == {"train"} and of_own.count("test") == 12


def test_a_series_is_left_out_of_what_is_learned(test_data: Path) -> None:
    found = [row for row in transfer.rows(plan_of(test_data)) if transfer.SERIES in row.name]
    assert len(found) == 8
    numbers = transfer.measure(found[0].settings)
    assert set(numbers.values) == {f"series {n}" for n in (1, 2, 3, 4)}
