"""Runs by name: those that ship with the package, and weights in half the bytes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

import medfuncta
from latents.sets import make_run
from medfuncta._src.cli.main import main
from medfuncta._src.errors import MedFunctaError, RunError
from medfuncta._src.model_card import CARD_FILE, ModelCard
from medfuncta._src.pretrained import pretrained_folder, pretrained_names
from medfuncta._src.run import Run
from medfuncta._src.run_names import WEIGHTS_FILE
from medfuncta._src.signals.domain import Grid

NAMES = pretrained_names()
LARGEST, ALL = 3_000_000, 12_000_000


def test_there_is_one() -> None:
    assert "ecg" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_the_field_is(name: str) -> None:
    folder = pretrained_folder(name)
    run, card = Run.load(f"pretrained:{name}"), ModelCard.load(folder)
    assert card.name == name
    assert card.fingerprint == run.fingerprint
    assert card.latent_size == run.config.field.latent_size
    assert card.licence not in ("", "unknown") and card.citation and card.not_for
    assert run.training["licence"] == card.licence
    test = card.splits["test"]
    assert test.cosines is not None
    assert test.psnr_mean > max(test.cosines, test.components or 0)
    assert (folder / "README.md").read_text() == card.text()
    assert (folder / WEIGHTS_FILE).stat().st_size <= LARGEST
    assert not list(folder.glob("checkpoints"))


def test_all_of_them_are_small() -> None:
    sizes = [(pretrained_folder(name) / WEIGHTS_FILE).stat().st_size for name in NAMES]
    assert sum(sizes) <= ALL


def test_a_set_is_fitted_without_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", "sample:ecg", "--split", "val", "--out", str(tmp_path / "set"), "--json"]
    assert main(["fit", "pretrained:ecg", *words]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["psnr"]["mean"] > 33
    assert any("foreign data" in remark for remark in result["remarks"])


EVERYWHERE = {
    "info": ["info", "pretrained:ecg"],
    "evaluate": ["evaluate", "pretrained:ecg", "--data", "sample:ecg", "--split", "val"],
    "export": ["export", "pretrained:ecg", "--to", "onnx", "--out", "field.onnx"],
    "train": [
        *("train", "--start-from", "pretrained:ecg", "--data", "sample:ecg", "--out", "run"),
        *("--steps", "1", "--set", "train.validate_signals=2"),
    ],
    "study": ["study", "missing-samples", "--run", "pretrained:ecg", "--limit", "1"],
}


@pytest.mark.parametrize("command", EVERYWHERE)
def test_a_name_stands_wherever_a_run_does(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*EVERYWHERE[command], "--json"]) == 0


@pytest.mark.parametrize("command", EVERYWHERE)
def test_a_wrong_name_is_answered_with_the_nearest(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        word.replace(":ecg", ":ecgs") if "pre" in word else word for word in EVERYWHERE[command]
    ]
    assert main(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert "no pretrained field 'ecgs'; did you mean 'ecg'?" in lines[-1]


@pytest.mark.parametrize("name", ["../ecg", "ecg/", "/etc", "", "ecg/../ecg", "__pycache__"])
def test_a_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(RunError, match="no pretrained field"):
        Run.load(f"pretrained:{name}")


def test_models_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert sorted(listed) == NAMES
    assert listed["ecg"]["bytes"] > 0 and listed["ecg"]["splits"]["test"]["psnr_mean"] > 38
    assert main(["models", "ecg"]) == 0
    assert "ODC-By 1.0" in capsys.readouterr().out
    assert main(["models", "egc"]) == 2
    assert "did you mean 'ecg'" in capsys.readouterr().err


def test_the_run_of_a_name_decodes(tmp_path: Path) -> None:
    run = Run.from_pretrained("ecg")
    beat = torch.zeros(1, 64)
    coordinates = torch.from_numpy(Grid((187,)).coordinates()).unsqueeze(0)
    assert run.network(coordinates, beat).isfinite().all()
    assert medfuncta.Run.from_pretrained(pretrained_folder("ecg")).fingerprint == run.fingerprint


def test_halves_take_half_the_bytes_and_are_a_field_of_their_own(tmp_path: Path) -> None:
    run = make_run()
    run.save(tmp_path / "whole")
    run.save(tmp_path / "half", dtype="float16")
    sizes = [(tmp_path / name / WEIGHTS_FILE).stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.8 * sizes[0]
    half = Run.load(tmp_path / "half")
    for name, tensor in half.network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, run.network.state_dict()[name].half().float())
    assert half.fingerprint != run.fingerprint
    half.save(tmp_path / "again")
    assert Run.load(tmp_path / "again").fingerprint == half.fingerprint


def test_weights_beyond_halves_are_refused(tmp_path: Path) -> None:
    run = make_run()
    with torch.no_grad():
        next(run.network.parameters()).fill_(1e6)
    with pytest.raises(RunError, match="numbers beyond 65,504"):
        run.save(tmp_path, dtype="float16")


def test_a_card_of_a_gigabyte_or_behind_a_link_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(pretrained_folder("ecg"), folder)
    os.truncate(folder / CARD_FILE, 2**30)
    with pytest.raises(RunError, match=r"has 1,073,741,824 bytes; expected at most"):
        ModelCard.load(folder)
    (folder / CARD_FILE).unlink()
    (tmp_path / "secret").write_text("{}")
    (folder / CARD_FILE).symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match="is a link that leaves its folder"):
        ModelCard.load(folder)
    assert Run.load(folder).fingerprint  # which needs no card


def test_a_card_with_words_of_a_terminal_is_plain(tmp_path: Path) -> None:
    card = ModelCard.load(pretrained_folder("ecg"))
    data = card.to_json() | {"signals": "\x1b[31mred", "licence": "x: [\n- y"}
    (tmp_path / CARD_FILE).write_text(json.dumps(data))
    text = ModelCard.load(tmp_path).text()
    assert "\x1b" not in text
    assert 'license_name: "x: [\\n- y"' in text


def test_a_link_in_the_place_of_weights_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(pretrained_folder("ecg"), folder)
    (folder / WEIGHTS_FILE).rename(tmp_path / "elsewhere")
    (folder / WEIGHTS_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MedFunctaError, match="is a link that leaves its folder"):
        Run.from_pretrained(folder)
