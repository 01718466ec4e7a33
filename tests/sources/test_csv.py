from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from sources.conformance import check_source

SAMPLES = 187


def write_heartbeats(path: Path, count: int, seed: int = 0) -> np.ndarray:
    """The layout of the Kaggle set: 187 samples from 0 to 1 and a label a row, written as that set
    is, without a header."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.random((count, SAMPLES)), np.arange(count) % 3])
    rows[0, :2] = 0, 1
    np.savetxt(path, rows, delimiter=",", fmt="%.18e")
    return rows


def write_traces(path: Path, patients: int = 8, samples: int = 12) -> None:
    """Irregularly sampled traces of two channels under a header, one patient after the other."""
    rng = np.random.default_rng(0)
    lines = ["patient,seconds,pressure,flow,diagnosis"]
    for patient in range(patients):
        times = np.cumsum(rng.random(samples) + 0.1)
        diagnosis = "ill" if patient % 2 else "well"
        for time in times:
            values = f"{rng.random():.4f},{rng.random():.4f}"
            lines.append(f"Doe{patient},{time:.6f},{values},{diagnosis}")
    path.write_text("\n".join(lines) + "\n")


TRACES = "time=seconds&value=pressure,flow&id=patient&label=diagnosis"


def opened(path: Path, query: str = "", *, skip_bad: bool = False) -> Source:
    return open_source(f"csv:{path}?{query}", skip_bad=skip_bad)


def test_one_file_of_heartbeats_is_split_row_by_row(tmp_path: Path) -> None:
    rows = write_heartbeats(tmp_path / "beats.csv", 20)
    signals = check_source(lambda: opened(tmp_path / "beats.csv", "rate=125&unit=mV&modality=ecg"))
    assert {split: len(read) for split, read in signals.items()} == {
        "train": 12,
        "val": 3,
        "test": 5,
    }
    source = opened(tmp_path / "beats.csv", "ids=names")
    beat = next(source.signals("test"))
    row = int(beat.id.removeprefix("beats-"))
    assert np.allclose(beat.values[:, 0], rows[row - 1, :-1]) and beat.label == rows[row - 1, -1]
    assert (
        source.spec.shape == (SAMPLES,)
        and source.spec.label_names == ("0", "1", "2")
        and source.info.split_by == "row"
    )


def test_files_named_for_a_split_keep_it_and_validation_comes_from_train(tmp_path: Path) -> None:
    write_heartbeats(tmp_path / "mitbih_train.csv", 20)
    write_heartbeats(tmp_path / "mitbih_test.csv", 6, seed=1)
    write_heartbeats(tmp_path / "ptbdb_normal.csv", 4, seed=2)
    signals = check_source(lambda: opened(tmp_path, "classes=N,S,V"))
    assert {split: len(read) for split, read in signals.items()} == {
        "train": 17,
        "val": 3,
        "test": 6,
    }
    source = opened(tmp_path, "classes=N,S,V")
    assert source.info.split_by == "given" and source.spec.label_names == ("N", "S", "V")
    assert [(entry.name, "does not end in _train" in entry.reason) for entry in source.skipped] == [
        ("ptbdb_normal.csv", True)
    ]


def test_the_test_file_is_not_opened_for_the_rest(tmp_path: Path) -> None:
    write_heartbeats(tmp_path / "train.csv", 20)
    (tmp_path / "test.csv").write_bytes(b"\xff\x00 not text")
    source = opened(tmp_path)
    assert (
        source.spec.dim == 1
        and source.info
        and len([*source.signals("train"), *source.signals("val")]) == 20
    )
    with pytest.raises(DataError, match=r"test\.csv is not a text file of comma separated values"):
        list(source.signals("test"))


def test_rows_may_have_no_label_and_gaps(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2,,4\n5,6,7,8\n")
    first, second = opened(tmp_path / "x.csv", "label=none&val=0&test=0").signals("train")
    assert first.label is None and second.mask is None
    assert first.mask is not None and first.mask.tolist() == [True, True, False, True]
    assert (second.range.low, second.range.high) == (1, 8)


def test_irregular_traces_of_patients(tmp_path: Path) -> None:
    write_traces(tmp_path / "ward.csv")
    signals = check_source(lambda: opened(tmp_path / "ward.csv", TRACES))
    assert {split: len(read) for split, read in signals.items()} == {
        "train": 5,
        "val": 1,
        "test": 2,
    }
    source = opened(tmp_path / "ward.csv", TRACES)
    assert (source.spec.dim, source.spec.channels, source.spec.shape) == (1, 2, None)
    assert source.spec.label_names == ("ill", "well") and source.info.split_by == "id"
    domain = signals["train"][0].domain
    assert (
        isinstance(domain, Scatter)
        and domain.unit == "s"
        and np.abs(domain.coordinates()).max() == 1
    )


def test_ids_hide_patients_unless_asked(tmp_path: Path) -> None:
    write_traces(tmp_path / "ward.csv")
    hidden = [
        signal.id
        for signal in opened(tmp_path / "ward.csv", f"{TRACES}&val=0&test=0").signals("train")
    ]
    shown = [
        signal.id
        for signal in opened(tmp_path / "ward.csv", f"{TRACES}&val=0&test=0&ids=names").signals(
            "train"
        )
    ]
    assert not any("Doe" in name for name in hidden) and shown == [f"ward-Doe{i}" for i in range(8)]
    named = opened(tmp_path / "ward.csv", f"{TRACES}&val=0&test=Doe1,Doe3&ids=names")
    assert [signal.id for signal in named.signals("test")] == ["ward-Doe1", "ward-Doe3"]


def test_rows_of_a_signal_need_not_be_neighbours(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,t,v\nb,0,1\na,0,5\nb,1,2\na,2,6\nb,3,\n")
    first, second = opened(
        tmp_path / "x.csv", "time=t&value=v&id=id&val=0&test=0&ids=names&box=0,4"
    ).signals("train")
    assert (first.id, second.id) == ("x-b", "x-a")
    assert (
        first.values[:2, 0].tolist() == [1, 2]
        and first.mask is not None
        and first.mask.tolist() == [True, True, False]
    )
    assert np.allclose(first.domain.coordinates()[:, 0], [-1, -0.5, 0.5])


def test_scattered_points_one_file_a_signal(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "abcd":
        np.savetxt(
            tmp_path / f"{name}.csv",
            rng.random((9, 4)) * [10, 20, 5, 1],
            delimiter=",",
            header="x,y,z,dose",
            comments="",
        )
    signals = check_source(
        lambda: opened(tmp_path, "position=x,y,z&value=dose&box=0,10,0,20,0,5&unit=Gy")
    )
    assert {split: len(read) for split, read in signals.items()} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
    domain = signals["train"][0].domain
    assert isinstance(domain, Scatter) and domain.high == (10, 20, 5)
    assert np.abs(domain.coordinates()).max(axis=0) == pytest.approx([0.5, 1, 0.25], abs=0.2)


def test_equal_spacing_is_seconds_when_a_rate_is_given(tmp_path: Path) -> None:
    write_heartbeats(tmp_path / "x.csv", 10)
    domain = next(opened(tmp_path / "x.csv", "rate=125").signals("train")).domain
    assert isinstance(domain, Grid) and domain.spacing == (1 / 125,) and domain.unit == "s"


@pytest.mark.parametrize(
    ("text", "query", "line"),
    [
        ("", "", "x.csv is empty; expected rows of comma separated values"),
        (
            "1,2,0\n1,2\n",
            "",
            "x.csv, row 2 has 2 columns; expected 3 (--skip-bad leaves such files out)",
        ),
        (
            "1,2,0\n1,Jane,0\n",
            "",
            "x.csv has something else than a number in column '1' of row 2; expected numbers",
        ),
        (
            "1,2,0.5\n",
            "",
            (
                "the labels in 'x.csv' are not class numbers; where a row is a signal, name their "
                "column with label=COLUMN, or set label=none when a row holds samples only; where "
                "a row is a sample, name the columns with time=COLUMN and value=COLUMN"
            ),
        ),
        ("1\n2\n", "", "x.csv has 1 column; expected samples, then a label, or set label=none"),
        ("1,inf,0\n2,3,0\n", "", "x.csv, row 1: signal '"),
        (
            ",,0\n",
            "",
            "no number in the train split of 'x.csv'; expected some to take the range from",
        ),
        (
            "t,v\n0,1\n2,1\n1,1\n",
            "time=t&value=v",
            "x.csv, row 4 is at time 1 after 2; expected times that rise",
        ),
        (
            "t,v\n0,1\n1,1\n1,1\n",
            "time=t&value=v",
            "x.csv, row 4 is at time 1 after 1; expected times that rise",
        ),
        (
            "t,v\n0,1\n,1\n",
            "time=t&value=v",
            "x.csv, row 3 has no finite position; expected a number in t",
        ),
        (
            "t,v\n0,1\n",
            "time=t&value=v",
            "x.csv, row 2: all samples at one position; expected at least two apart",
        ),
        (
            "t,v\n0,1\n9,1\n",
            "time=t&value=v&box=0,5",
            "x.csv, row 2: 1 positions outside the box (0.0,) to (5.0,)",
        ),
        (
            "t,v,c\n0,1,a\n1,1,b\n",
            "time=t&value=v&label=c",
            "x.csv has several labels for the signal of row 2; expected one for all its rows",
        ),
        ("t,v\n0,1\n", "time=tt&value=v", "no column 'tt' in x.csv; did you mean 't'? Known: t, v"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, text: str, query: str, line: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        list(opened(tmp_path / "x.csv", f"val=0&test=0&{query}").signals("train"))
    assert (
        str(caught.value).startswith(line)
        and "\n" not in str(caught.value)
        and "Jane" not in str(caught.value)
    )


def test_a_bad_row_is_skipped_on_request(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2,0\n1,2\n3,inf,0\n5,6,1\n")
    source = opened(tmp_path / "x.csv", "val=0&test=0&ids=names", skip_bad=True)
    assert [signal.id for signal in source.signals("train")] == ["x-000001", "x-000004"]
    assert [entry.name for entry in source.skipped] == ["x.csv, row 2", "x.csv, row 3"]


def test_a_class_that_training_did_not_see_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("1,2,0\n1,2,1\n" * 4)
    (tmp_path / "test.csv").write_text("1,2,2\n")
    with pytest.raises(
        DataError,
        match=r"test.csv, row 1: a label that is not among the 2 classes of the first split; name",
    ):
        list(opened(tmp_path).signals("test"))
    assert [signal.label for signal in opened(tmp_path, "classes=N,S,V").signals("test")] == [2]


@pytest.mark.parametrize(
    ("query", "line"),
    [
        (
            "time=t",
            (
                "columns are named but none for the values; expected value=COLUMN beside time= or "
                "position="
            ),
        ),
        (
            "value=v",
            (
                "values are named without a position; expected either time=COLUMN or position=X,Y "
                "or "
                "position=X,Y,Z"
            ),
        ),
        ("value=v&position=x", "values are named without a position; expected either"),
        ("value=v&position=x,y&time=t", "values are named without a position; expected either"),
        ("value=v&position=x,y&box=0,1", "the option 'box' is 0,1; expected low,high of each axis"),
        ("value=v&time=t&box=3,1", "the option 'box' is 3,1; expected low,high"),
        ("range=0,1,2", "the option 'range' is 0,1,2; expected low,high"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path: Path, query: str, line: str) -> None:
    (tmp_path / "x.csv").write_text("t,x,y,v\n1,2,3,4\n")
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path / "x.csv", query)
    assert str(caught.value).startswith(line)
