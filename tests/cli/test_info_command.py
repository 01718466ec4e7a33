from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medfuncta._src.cli.main import main
from medfuncta._src.signals.signal import SignalSpec
from tasks.blob_set import write_blob_set
from tasks.list_source import small_run


def test_a_source_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "sample:ecg", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["kind"] == "source"
    assert result["signal"]["unit"] == "mV"
    assert set(result["splits"]) == {"train", "val", "test"}
    assert sum(result["splits"]["test"]["labels"].values()) == result["splits"]["test"]["signals"]


def test_a_source_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "sample:volumes"]) == 0
    output = capsys.readouterr().out
    for word in (
        "sample:volumes",
        "3D, 1 channel, ct",
        "32 x 32 x 32",
        "2 x 2 x 2 mm",
        "values HU",
        "soft tissue",
        "BSD-3-Clause",
    ):
        assert word in output


def test_a_run_for_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_run(SignalSpec(1, 1, modality="ecg")).save(tmp_path / "run")
    assert main(["info", str(tmp_path / "run")]) == 0
    output = capsys.readouterr().out
    for word in ("1D, 1 channel, ecg", "3 x 16", "8 numbers", "5 to 5", "val psnr", "12.5"):
        assert word in output


def test_a_latent_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_blob_set(tmp_path / "set", {"train": 6, "test": 4})
    assert main(["info", str(tmp_path / "set"), "--json", "--out", str(tmp_path / "out")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["kind"] == "latent set"
    assert {name: split["signals"] for name, split in result["splits"].items()} == {
        "train": 6,
        "test": 4,
    }
    assert json.loads((tmp_path / "out" / "info.json").read_text()) == result
    assert main(["info", str(tmp_path / "set")]) == 0
    output = capsys.readouterr().out
    for word in ("latents of", "well (3), ill (3)", "on disk"):
        assert word in output


def test_a_damaged_latent_set_is_refused_when_it_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_blob_set(tmp_path / "set", {"train": 6})
    assert main(["info", str(tmp_path / "set"), "--check"]) == 0
    (shard,) = (tmp_path / "set" / "data").iterdir()
    pq.write_table(pq.read_table(shard).slice(1), shard)
    assert main(["info", str(tmp_path / "set"), "--check"]) == 2
    assert "has 5 rows; expected 6" in capsys.readouterr().err


def test_neither(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path)]) == 2
    assert "is neither a run nor a latent set" in capsys.readouterr().err
