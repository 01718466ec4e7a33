"""Every benchmark in process, ours alone, at a size that takes milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_case import TINY

from benchmarks import case, memory, meta_step, presets
from benchmarks.command import main
from benchmarks.decode import Decode
from benchmarks.fit import Fit
from benchmarks.high_resolution import HighResolution
from benchmarks.measure import Steps, Timings
from benchmarks.memory import Memory
from benchmarks.meta_step import MetaStep
from benchmarks.presets import Presets
from benchmarks.reading import Reading
from benchmarks.time_to_quality import TimeToQuality
from medfuncta._src.cli.command import Command
from medfuncta._src.workflow import train

COLUMNS = {"name", "unit", "ours", "reference", "floor", "ratio"}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny case in place of the ECG one; memory, which has a test of its own, without a process
    for each figure."""
    monkeypatch.setitem(case.CASES, "ecg", TINY)  # type: ignore[arg-type]
    for module in (meta_step, memory):
        monkeypatch.setattr(
            module, "extra_memory", lambda build, some: build(some)() or 2.0 * some.batch
        )


def run(
    benchmark: type[Command], arguments: str, capsys: pytest.CaptureFixture[str]
) -> dict[str, dict[str, float | None]]:
    """The rows by name."""
    assert main(benchmark, [*arguments.split(), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert all(set(row) >= COLUMNS for row in result["rows"])
    assert result.get("replaced", []) == []
    return {row["name"]: row for row in result["rows"]}


def test_meta_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is run, and given these seconds: what a busy machine takes is no test."""

    def in_turn(steps: Steps, repeats: int) -> Timings:
        for step in steps.values():
            step()
        assert (list(steps), repeats) == (["ours", "floor"], 2)
        return Timings({"ours": [2.0, 4.0], "floor": [1.0, 3.0]})

    monkeypatch.setattr("benchmarks.meta_step.in_turn", in_turn)
    rows = run(MetaStep, "--repeats 2", capsys)
    time, share = (
        rows["time of a meta-step, median"],
        rows["time of a meta-step, share of the floor"],
    )
    assert (time["ours"], time["floor"], time["reference"]) == (3.0, 2.0, None)
    assert share["ours"] == 0.625  # the median of 1/2 and 3/4
    assert rows["peak memory of a meta-step, above idle"]["ours"] == 6.0


def test_memory(capsys: pytest.CaptureFixture[str]) -> None:
    rows = run(Memory, "--inner-steps 1 3 --points 1 2 --batches 1 4", capsys)
    assert {
        "inner steps 1",
        "inner steps 3",
        "points 20",
        "points 40",
        "batch 1",
        "batch 4",
    } <= set(rows)
    assert rows["inner steps 1 to 3, growth"]["ours"] == 1.0
    assert rows["batch 1 to 4, growth"]["ours"] == 4.0


def test_fit(capsys: pytest.CaptureFixture[str]) -> None:
    rows = run(Fit, "--train-seconds 0.01 --signals 5 --batch 2 --batches 1 4 --repeats 1", capsys)
    assert set(rows) == {
        "ours alone, batch 1",
        "ours alone, batch 2",
        "ours alone, batch 4",
        "PSNR",
    }
    assert all(row["ours"] for row in rows.values())


def test_decode(capsys: pytest.CaptureFixture[str]) -> None:
    rows = run(Decode, "--finer 1 3 --batch 2 --repeats 1", capsys)
    assert set(rows) == {"decode 1 x (20)", "decode 2 x (20)", "decode 1 x (60)", "decode 2 x (60)"}
    assert set(run(Decode, "--finer 2 --batch 1 --repeats 1", capsys)) == {"decode 1 x (40)"}


def test_time_to_quality(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "benchmarks.time_to_quality.in_turn",
        lambda steps, repeats: Timings({side: [0.5] * repeats for side in steps}),
    )
    settings = (
        "field.kind=siren field.layers=3 field.width=8 field.latent_size=4 "
        "train.batch=2 train.inner_steps=2 "
        "train.validate_signals=4 train.steps=9"
    )
    rows = run(
        TimeToQuality,
        f"--data sample:ecg --out {tmp_path} --every 2 --target 0 --set {settings}",
        capsys,
    )
    seconds = rows["time to 0.00 dB"]["ours"]
    assert seconds is not None and seconds > 0
    assert rows["time to 0.00 dB"]["floor"] == 2 * 0.5  # two meta-steps
    assert (tmp_path / "ours.csv").read_text().count(
        "\n"
    ) == 2  # the header, and the first validation, which was enough
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert (tmp_path / "run-1" / "field.json").exists()


def test_reading(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = run(
        Reading,
        f"--data sample:ecg sample:histology --steps 2 --batch 2 --folder {tmp_path}",
        capsys,
    )
    assert len(rows) == 10
    for name in ("sample:ecg", "sample:histology"):
        assert (
            rows[f"{name}: read them into the cache"]["ours"]
            > rows[f"{name}: open the cache"]["ours"]
            > 0
        )  # type: ignore[operator]
        for where in ("memory", "the cache on the disk"):
            assert 0 < rows[f"{name}: share of reading, {where}"]["ours"] < 100  # type: ignore[operator]
    assert not list(tmp_path.iterdir())


def test_high_resolution(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 6, 5), dtype=np.uint8)
    np.savez(tmp_path / "tiny.npz", train_images=images, test_images=images)
    rows = run(HighResolution, f"--data npz:{tmp_path / 'tiny.npz'} --steps 2 --signals 2", capsys)
    (points,) = (row for name, row in rows.items() if name.endswith("6 x 5: points a signal"))
    assert points["ours"] == 30
    assert len(rows) == 5 and all(row["ours"] for row in rows.values())
    settings = {
        "field": {"kind": "siren", "layers": 3, "width": 8, "latent_size": 4},
        "train": {"steps": 1, "batch": 1, "inner_steps": 1},
    }
    train(f"npz:{tmp_path / 'tiny.npz'}", tmp_path / "run", settings=settings, device="cpu")
    arguments = (
        f"--data npz:{tmp_path / 'tiny.npz'} --steps 2 --signals 2 --start-from {tmp_path / 'run'}"
    )
    assert len(run(HighResolution, arguments, capsys)) == 5


def test_presets(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "extra_memory", lambda build, *given: bool(build(*given)()) * 2.0)
    images = np.random.default_rng(0).integers(0, 255, (8, 6, 5), dtype=np.uint8)
    source = f"npz:{tmp_path / 'tiny.npz'}"
    np.savez(tmp_path / "tiny.npz", train_images=images, val_images=images, test_images=images)
    words = f"--data {source} --presets image components-2d --set field.latent_size=4 "
    rows = run(Presets, words + "--seconds 0.01 --signals 2 --qualities fast", capsys)
    assert [row["unit"] for row in rows.values()] == ["ms", "MiB", "signals/s", "dB"] * 2
    assert all(row["ours"] for row in rows.values())
    assert rows["components-2d: a meta-step, a signal"]["ratio"] > 0
    assert rows["components-2d: PSNR, fast"]["ratio"] is None
    assert main(Presets, ["--data", source, "--presets", "image"]) == 2
    assert "at least two" in capsys.readouterr().err


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Decode, ["--finer", "1", "--repeats", "1"]) == 0
    assert "points/s" in capsys.readouterr().out


def test_a_folder_that_is_no_checkout(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(Decode, ["--reference", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_budget_is_an_option_where_meta_steps_are_taken() -> None:
    assert (
        MetaStep(memory_mb=7).case.memory_mb
        == Memory(memory_mb=7).case.memory_mb
        == Fit(memory_mb=7).case.memory_mb
        == 7
    )


@pytest.mark.parametrize(
    ("benchmark", "arguments", "message"),
    [
        (Decode, "--memory-mb 7", "Unrecognized options: --memory-mb"),
        (Decode, "--finer 1 --finer 2", "--finer is given 2 times"),
        (Fit, "--quality fst", "'fst'"),
        (TimeToQuality, "--data sample:ecg", "Missing from"),
    ],
)
def test_a_mistake_gets_one_line(
    benchmark: type[Command], arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(benchmark, arguments.split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
