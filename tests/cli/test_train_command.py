from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.conftest import train_words
from medfuncta._src.cli.main import main
from medfuncta._src.run import Run


def test_json_says_what_was_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*train_words(tmp_path / "run"), "--json"]) == 0
    output = capsys.readouterr()
    result = json.loads(output.out)
    run = Run.load(tmp_path / "run")
    assert result["run"] == str(tmp_path / "run")
    assert (
        result["steps"],
        result["best_step"],
        result["skipped_steps"],
        result["skipped_files"],
    ) == (2, 2, 0, 0)
    assert result["psnr"] == run.training["val_psnr"]
    assert result["parameters"] == sum(parameter.numel() for parameter in run.network.parameters())
    assert run.training["source"] == "sample:ecg"
    assert run.config.field.latent_size == 8


def test_a_file_overrides_the_preset_and_flags_override_the_file(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(
        "[train]\nsteps = 9\nlearning_rate = 0.5\nbatch = 7\n[field]\nomega_first = 11\n"
    )
    assert (
        main(
            [*train_words(tmp_path / "run", "train.learning_rate=0.25"), "--config", str(settings)]
        )
        == 0
    )
    config = Run.load(tmp_path / "run").config
    assert (
        config.train.steps,
        config.train.batch,
        config.train.learning_rate,
        config.field.omega_first,
    ) == (2, 4, 0.25, 11)


def test_settings_of_several_flags_hold_all(tmp_path: Path) -> None:
    words = train_words(tmp_path / "run", "train.learning_rate=0.25", "train.average=0.5")
    assert (
        main(
            [
                *words,
                "--set",
                "train.clip=2",
                "inner.momentum=0.125",
                "--set",
                "train.warmup=3",
                "--set",
                "train.clip=3",
            ]
        )
        == 0
    )
    config = Run.load(tmp_path / "run").config
    assert (
        config.train.learning_rate,
        config.train.average,
        config.train.warmup,
        config.inner.momentum,
    ) == (0.25, 0.5, 3, 0.125)
    assert config.train.clip == 3  # the last word


def test_a_run_is_continued_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = train_words(tmp_path / "run", "train.schedule=constant")
    assert main(words) == 0
    before = (tmp_path / "run" / "field.safetensors").read_bytes()
    capsys.readouterr()
    assert main(words) == 2
    assert "'run' already holds a run; give --resume" in capsys.readouterr().err
    assert (tmp_path / "run" / "field.safetensors").read_bytes() == before
    assert main([*words, "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2


def test_a_person_is_told_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(train_words(tmp_path / "run")) == 0
    output = capsys.readouterr().out
    assert "2 meta-steps" in output
    assert f"next: medfuncta evaluate {tmp_path / 'run'} --data 'sample:ecg'" in output


def test_a_run_starts_from_another_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(train_words(tmp_path / "first")) == 0
    words = [
        "train",
        "--data",
        "sample:ecg",
        "--out",
        str(tmp_path / "second"),
        "--start-from",
        str(tmp_path / "first"),
        "--steps",
        "1",
    ]
    assert main(words) == 0
    first, second = Run.load(tmp_path / "first"), Run.load(tmp_path / "second")
    assert second.config.field == first.config.field
    assert second.training["started_from"]["fingerprint"] == first.fingerprint
    capsys.readouterr()
    assert main([*words[:-4], "--start-from", str(tmp_path / "nowhere")]) == 2
    assert "'nowhere' is not a run" in capsys.readouterr().err


def test_a_network_that_learned_nothing_is_said_to_be_of_no_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = train_words(tmp_path / "run")
    assert main([*words, "field.kind=components", "inner.step_size=1e6"]) == 0
    said = capsys.readouterr()
    assert said.err.count("! the network is of no use") == 1 and "!" not in said.out
    assert "lower train.learning_rate" in said.err


def test_what_is_known_of_the_data_is_said_before_the_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.zeros((12, 8, 8), np.uint8)
    images[:, 2:5, 1:7] = 1
    np.savez(tmp_path / "a.npz", train_images=images, val_images=images[:4])
    told: list[str] = []

    def first_step(*_: object, **__: object) -> None:
        told.append(capsys.readouterr().err)
        raise KeyboardInterrupt

    monkeypatch.setattr("medfuncta._src.workflow.train_network", first_step)
    words = train_words(tmp_path / "run")
    words[words.index("sample:ecg")] = f"npz:{tmp_path / 'a.npz'}"

    assert main(words) == 130
    assert "! values use 0.4% of the range 0 to 255" in told[0]
