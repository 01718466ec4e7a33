from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from medfuncta._src.errors import RunError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.run import METADATA_FILE, WEIGHTS_FILE, Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.signal import SignalSpec

CONFIG = Config(field=SirenConfig(dim=1, layers=3, width=8, latent_size=4))


def make_run(seed: int = 0) -> Run:
    network = SirenField(CONFIG.field, torch.Generator().manual_seed(seed))
    return Run(
        network, CONFIG, SignalSpec(1, 1, (16,), "mV", "ecg", ("N", "V")), {"source": "sample:ecg"}
    )


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    run = make_run()
    run.save(tmp_path)
    loaded = Run.load(tmp_path)
    assert (loaded.config, loaded.spec, loaded.training, loaded.fingerprint) == (
        run.config,
        run.spec,
        run.training,
        run.fingerprint,
    )
    for ours, theirs in zip(
        run.network.state_dict().values(), loaded.network.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_a_float64_run_stays_one(tmp_path: Path) -> None:
    run = make_run()
    run.network.double()
    run.save(tmp_path)
    loaded = Run.load(tmp_path)
    assert (
        loaded.fingerprint == run.fingerprint and loaded.network.last.weight.dtype == torch.float64
    )


def test_fingerprints_tell_weights_apart() -> None:
    assert make_run(0).fingerprint == make_run(0).fingerprint != make_run(1).fingerprint


def test_files_of_two_runs_are_noticed(tmp_path: Path) -> None:
    make_run(0).save(tmp_path / "a")
    make_run(1).save(tmp_path / "b")
    (tmp_path / "a" / WEIGHTS_FILE).write_bytes((tmp_path / "b" / WEIGHTS_FILE).read_bytes())
    with pytest.raises(RunError, match="not of one run"):
        Run.load(tmp_path / "a")


def test_damaged_or_foreign_files_are_refused_in_one_line(tmp_path: Path) -> None:
    make_run().save(tmp_path)
    weights, metadata = tmp_path / WEIGHTS_FILE, tmp_path / METADATA_FILE
    whole, text = weights.read_bytes(), metadata.read_text()

    def refused() -> str:
        with pytest.raises(RunError) as caught:
            Run.load(tmp_path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    weights.write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refused()
    weights.unlink()
    assert WEIGHTS_FILE in refused()
    weights.write_bytes(whole)
    metadata.write_text(text[:50])
    assert "damaged" in refused()
    metadata.write_text(json.dumps({"format": "something else"}))
    assert "not of format" in refused()
    metadata.write_text(json.dumps({**json.loads(text), "version": 99}))
    assert "upgrade" in refused()
    metadata.unlink()
    assert "is not a run" in refused()


def test_an_unknown_setting_in_a_run_is_damage(tmp_path: Path) -> None:
    make_run().save(tmp_path)
    metadata = json.loads((tmp_path / METADATA_FILE).read_text())
    metadata["config"]["field"]["widht"] = 8
    (tmp_path / METADATA_FILE).write_text(json.dumps(metadata))
    with pytest.raises(RunError, match="did you mean 'width'"):
        Run.load(tmp_path)
