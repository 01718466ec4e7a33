"""A format, a field and an outer loss that come from outside of the package, a short file each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import medfuncta
from medfuncta._src.cli.main import main
from medfuncta._src.field.table import field_names

Install = Callable[[str, str], None]
TRAIN = ["train", "--data", "sample:ecg", "--steps", "4", "--batch", "4", "--json", "--set"]
TINY = ["train.inner_steps=2", "train.validate_signals=4", "fit.steps=2", "field.latent_size=8"]


def test_a_field_from_outside_trains_fits_decodes_and_exports(
    installed: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed("medfuncta.fields", "gabor = gabor_field:KIND")
    assert field_names() == ["siren", "finer", "components", "gabor"]
    run, latents = str(tmp_path / "run"), str(tmp_path / "latents")
    assert main([*TRAIN, "field.kind=gabor", "field.width=12", *TINY, "--out", run]) == 0
    fit = ["fit", run, "--data", "sample:ecg", "--out", latents, "--splits", "val"]
    assert main([*fit, "--quality", "fast"]) == 0
    assert main(["export", latents, "--to", "onnx", "--out", str(tmp_path / "onnx")]) == 0
    capsys.readouterr()
    assert main(["info", run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["field"]["kind"] == "gabor"
    opened = medfuncta.LatentSet.open(latents)
    signal = opened.decode(opened.split("val").ids[0])
    assert signal.values.shape == (187, 1)
    assert "gabor field, P 8" in repr(opened.run)


def test_without_its_package_such_a_run_is_answered_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ecg_run: Path
) -> None:
    for name in ("field.json", "field.safetensors"):
        (tmp_path / name).write_bytes((ecg_run / name).read_bytes())
    text = (tmp_path / "field.json").read_text()
    (tmp_path / "field.json").write_text(text.replace('"kind": "siren"', '"kind": "gabor"'))
    assert main(["info", str(tmp_path)]) == 2
    assert "of kind 'gabor', which no installed package brings" in capsys.readouterr().err


def test_an_outer_loss_from_outside_trains(installed: Install, tmp_path: Path) -> None:
    installed("medfuncta.outer_losses", "worst = worst_loss:derivative")
    run = str(tmp_path / "run")
    sizes = ["field.kind=siren", "field.layers=3", "field.width=8"]
    assert main([*TRAIN, "train.outer_loss=worst", *sizes, *TINY, "--out", run]) == 0
    assert medfuncta.Run.load(run).config.train.outer_loss == "worst"


def test_a_format_from_outside_is_a_source_like_any_other(
    installed: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed("medfuncta.sources", "raw = raw_format:FORMAT")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 65536, (8, 6, 10)).astype("<u2")
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(images):
        (folder / f"Doe{number}.raw").write_bytes(image.tobytes())
    source = medfuncta.open_source(f"raw:{folder}?width=10")
    found = [signal for split in source.splits for signal in source.signals(split)]
    assert sorted(signal.values.tobytes() for signal in found) == sorted(
        image[..., None].astype(np.float32).tobytes() for image in images
    )
    assert not any("Doe" in signal.id for signal in found)
    assert main(["info", f"raw:{folder}?width=10"]) == 0
    capsys.readouterr()
    assert main(["info", f"raw:{folder}?width=7"]) == 2
    assert "raw has 120 bytes; expected whole rows of 7 samples" in capsys.readouterr().err
    assert main(["info", f"raw:{folder}?widht=7"]) == 2
    assert "did you mean 'width'" in capsys.readouterr().err
