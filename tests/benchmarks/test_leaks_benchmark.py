"""The benchmark of planted copies, at a size that takes seconds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.command import main
from benchmarks.leaks import KINDS, LeaksBenchmark, copied
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, ValueRange


def test_exact_copies_are_all_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(LeaksBenchmark, ["--signals", "12", "--copies", "2", "--json"]) == 0
    rows = {row["name"]: row["ours"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["recall, exact"] == 1
    assert 0 <= rows["recall"] <= 1
    assert set(rows) == {"search", "recall", "precision", *(f"recall, {kind}" for kind in KINDS)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_what_its_kind_says(kind: str) -> None:
    ramp = np.linspace(0, 1, 101, dtype=np.float32)[:, None]
    signal = Signal.of("a", ramp, Grid((101,)), ValueRange(0, 1))
    copy = copied(signal, kind, np.random.default_rng(0))  # type: ignore[arg-type]
    away = np.abs(copy.values - ramp)
    assert copy.id == f"{kind}:a"
    if kind == "exact":
        assert not away.any()
    if kind == "noisy":
        assert away.std() < 0.1 and away.min() < away.max()
    if kind == "shifted":
        inside = away[12:-12]
        assert np.ptp(inside) < 1e-5 and 0.029 < inside.mean() < 0.082
    if kind == "cropped":
        assert 0.74 < np.ptp(copy.values) < 0.93
