"""Tables that this program has written are read without an option."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal, ValueRange
from medfuncta._src.sources.csv_written import unit_named, written_columns
from medfuncta._src.sources.table import open_source
from medfuncta._src.writers.table import write_signal

GRIDS = {
    "a clock": Grid((9,), (0.25,), unit="s"),
    "no clock": Grid((9,)),
    "two axes": Scatter(np.random.default_rng(1).normal(size=(9, 2)), (-9.0, -9.0), (9.0, 9.0)),
    "three axes": Scatter(np.random.default_rng(1).normal(size=(9, 3)), (-9.0,) * 3, (9.0,) * 3),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("where", GRIDS)
@pytest.mark.parametrize("unit", ["mV", ""])
def test_what_was_written_is_read_again(
    where: str, channels: int, unit: str, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).normal(size=(9, channels)).astype(np.float32)
    signal = Signal.of(
        id="a", values=values, domain=GRIDS[where], range=ValueRange(-9.0, 9.0), unit=unit
    )
    write_signal(signal, tmp_path / "a.csv")
    source = open_source(f"csv:{tmp_path}/a.csv")
    [read] = source.signals("all")
    np.testing.assert_allclose(read.values, values, rtol=1e-5)
    assert read.unit == unit and read.domain.dim == GRIDS[where].dim
    if isinstance(GRIDS[where], Scatter):
        np.testing.assert_allclose(read.domain.positions, GRIDS[where].positions, rtol=1e-5)
    assert any("as this program writes it" in line for line in source.remarks)


@pytest.mark.parametrize(
    "header",
    [
        ["time", "ecg"],
        ["sample", "value", "label"],
        ["value", "time"],
        ["x", "value"],
        ["time [s]", "value 1 [mV]", "value 3 [mV]"],
        ["time [s]", "value 1 [mV]", "value 2 [V]"],
        ["0", "1"],
        [],
    ],
)
def test_tables_of_others_are_left_to_their_options(header: list[str]) -> None:
    assert written_columns(header) is None


def test_columns_that_are_named_count_more(tmp_path: Path) -> None:
    rows = "\n".join(f"{k},{k},{k}" for k in range(9))
    (tmp_path / "a.csv").write_text(f"time [s],value 1 [mV],value 2 [mV]\n{rows}\n")
    text = f"csv:{tmp_path}/a.csv?value=value 2 [mV]&time=time [s]"
    assert open_source(text).spec.channels == 1


def test_a_column_that_is_taken_for_the_class_is_said(tmp_path: Path) -> None:
    rows = "\n".join(f"{k / 7},{k / 3},{k % 2}" for k in range(9))
    (tmp_path / "a.csv").write_text(f"{rows}\n")
    (tmp_path / "b.csv").write_text(f"p,q,label\n{rows}\n")
    said = "the last column of a.csv is taken for the class of each row; label=none takes it"
    for name, options, expected in (("a", "", True), ("a", "?label=none", False), ("b", "", False)):
        source = open_source(f"csv:{tmp_path}/{name}.csv{options}")
        list(source.signals("train"))
        assert any(said in line for line in source.remarks) is expected


@pytest.mark.parametrize(
    ("columns", "unit"),
    [
        (["value [mV]"], "mV"),
        (["MLII [mV]", "V5 [mV] "], "mV"),
        (["MLII [mV]", "SpO2 [%]"], ""),
        (["MLII [mV]", "V5"], ""),
        (["value"], ""),
        (["[mV] value"], ""),
    ],
)
def test_the_unit_in_brackets_is_that_of_the_values(columns: list[str], unit: str) -> None:
    assert unit_named(columns) == unit


@pytest.mark.parametrize(("option", "unit"), [("", "mV"), ("&unit=V", "V")])
def test_columns_that_are_named_keep_the_unit_of_their_title(
    option: str, unit: str, tmp_path: Path
) -> None:
    rows = "\n".join(f"{number / 10},{number}" for number in range(9))
    (tmp_path / "a.csv").write_text(f"time [s],MLII [mV]\n{rows}\n")
    source = open_source(f"csv:{tmp_path}/a.csv?time=time [s]&value=MLII [mV]{option}")
    [read] = source.signals("all")
    assert source.spec.unit == read.unit == unit
