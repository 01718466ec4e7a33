from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Grid, Scatter
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.tasks.info import describe_source, inspect
from tasks.list_source import list_source, make_signal, small_run

SPEC = SignalSpec(2, 1, unit="HU", modality="ct", label_names=("cat", "dog"), task="multi-label")


def signals() -> list[Signal]:
    grid = Grid((4, 5), (1.0, 2.5), None, "mm")
    mask = np.ones((6, 5), bool)
    mask[0] = False
    masked = Signal.of(
        "m", np.full((6, 5, 1), 3.0, np.float32), Grid((6, 5)), ValueRange(0.0, 2.0), "HU", mask
    )
    scattered = make_signal(
        "c", Scatter(np.random.default_rng(0).random((7, 2)), (0.0, 0.0), (1.0, 1.0)), label=(0, 1)
    )
    return [make_signal("a", grid, label=(0,)), make_signal("a", grid, label=()), scattered, masked]


def test_what_leaks_and_what_hardly_uses_its_range_is_odd() -> None:
    grid = Grid((4, 5))
    dark = make_signal("dark", grid, label=())
    dark = dark.with_values(dark.values / np.abs(dark.values).max())
    dark = dark.with_header(range=ValueRange(-100.0, 100.0), unit="")
    copy, blank = dark.with_header(id="copy"), dark.with_values(np.zeros((4, 5, 1), np.float32))
    spec = SignalSpec(2, 1)
    splits = {"train": [dark, blank], "test": [copy, blank.with_header(id="blank")]}
    odd = describe_source(list_source(spec, splits)).odd
    assert "test: 1 signals are the same as one of another split" in odd
    assert sum("of the range -100 to 100" in line for line in odd) == 2


def test_a_source_is_counted() -> None:
    source = list_source(
        SPEC, {"train": signals(), "test": [make_signal("t", Grid((4, 5)), label=(1,))]}
    )
    result = describe_source(source).to_json()
    train = result["splits"]["train"]
    assert (train["signals"], train["points"], train["different_shapes"]) == (
        4,
        20 + 20 + 7 + 30,
        3,
    )
    assert train["shapes"] == {"4 x 5": 2, "7 scattered points": 1, "6 x 5": 1}
    assert train["extent"][0] == [4, 7]
    assert train["spacings"] == {"1 x 2.5 mm": 2, "scattered": 1, "unknown": 1}
    assert train["labels"] == {"cat": 2, "dog": 1}
    assert (train["constant"], train["doubled"], train["missing"], train["clamped"]) == (
        ["m"],
        ["a"],
        5,
        25,
    )
    values = np.concatenate(
        [s.values[s.mask if s.mask is not None else ...].ravel() for s in signals()]
    )
    assert (train["low"], train["high"]) == (values.min(), values.max())
    assert (result["kind"], result["licence"], result["signal"]["unit"]) == ("source", "CC0", "HU")
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (np.arange(9) / 128, "0.007812 s"),
        (np.round(np.arange(9) / 128, 4), "0.007812 s"),  # as a file with four decimals has it
        (np.arange(9)[::-1], "1 s"),
        (np.arange(9) ** 2, "uneven"),
        (np.array([0.0, 1.0, 1.0, 2.0]), "uneven"),
    ],
)
def test_a_column_of_times_tells_how_far_samples_lie_apart(times: np.ndarray, said: str) -> None:
    times = times.astype(float)[:, None]
    domain = Scatter(times, (float(times.min()),), (float(times.max()),), "s")
    values = np.linspace(0, 1, len(times), dtype=np.float32)[:, None]
    signal = Signal.of("a", values, domain, ValueRange(0.0, 1.0))
    report = describe_source(list_source(SignalSpec(1, 1), {"train": [signal]}))
    assert report.to_json()["splits"]["train"]["spacings"] == {said: 1}


def test_what_is_odd_is_said() -> None:
    source = list_source(
        SPEC, {"train": [*signals(), DataError("truncated")], "val": [], "test": []}, skip_bad=True
    )
    report = describe_source(source)
    text = "\n".join(report.odd)
    for expected in (
        "1 file or signal cannot be read: file4.dat",
        "val: no signal",
        "test: no signal of class cat, dog",
    ):
        assert expected in text
    assert "train: 1 constant signals: m" in text
    assert "train: 1 ids that came before: a" in text
    assert "train: 6.5% of the points are missing" in text
    assert report.to_json()["skipped"] == [{"name": "file4.dat", "reason": "truncated"}]


def test_pictured_signals_are_drawn_evenly_from_all() -> None:
    many = [make_signal(f"{i}", Grid((3,)), seed=i) for i in range(200)]
    report = describe_source(
        list_source(SignalSpec(1, 1, unit="HU"), {"train": many[:150], "test": many[150:]}),
        pictured=40,
    )
    numbers = sorted(int(signal.id) for signal in report.pictured)
    assert len(set(numbers)) == 40
    assert 60 < np.mean(numbers) < 140
    assert (
        len(describe_source(list_source(SignalSpec(1, 1, unit="HU"), {"train": many[:7]})).pictured)
        == 7
    )


def test_a_bad_file_is_not_skipped_unasked() -> None:
    with pytest.raises(DataError, match="truncated"):
        describe_source(list_source(SPEC, {"train": [DataError("truncated")]}))


def test_a_source_by_its_text_has_a_contact_sheet(tmp_path: Path) -> None:
    result = inspect("sample:slices", tmp_path)
    assert result.splits["test"].signals > 20
    assert json.loads((tmp_path / "info.json").read_text()) == json.loads(
        json.dumps(result.to_json())
    )
    with Image.open(tmp_path / "signals.png") as sheet:
        assert min(sheet.size) > 500


def test_a_run_has_its_sizes_and_its_curve(tmp_path: Path) -> None:
    run = small_run(SPEC)
    run.save(tmp_path / "run")
    (tmp_path / "run" / "metrics.csv").write_text("step,loss\n1,0.5\n2,0.25\n")
    result = inspect(str(tmp_path / "run"), tmp_path / "out")
    assert result.kind == "run"
    assert result.parameters == 2 * 16 + 16 + 16 * 16 + 16 + 8 * 16 + 16 + 16 + 1
    assert list(result.omegas) == [5.0, 5.0, 5.0]
    assert result.training["val_psnr"] == 12.5
    assert result.saved_step is None
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"info.json", "curve.png"}


def test_other_texts_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is neither a run nor a latent set"):
        inspect(str(tmp_path))
    with pytest.raises(ConfigError, match="as a source; expected kind:path"):
        inspect(str(tmp_path / "absent"))
