"""Runs and latent sets go to a hub and come from it, whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import medfuncta
from hub.loopback import COMMIT, Hub, running
from latents.sets import make_run, write_set
from medfuncta._src.errors import MedFunctaError, RunError
from medfuncta._src.hub.client import is_repository
from medfuncta._src.model_card import ModelCard
from medfuncta._src.run import Run

pytest.importorskip("huggingface_hub")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own uploads
NAME = "someone/field"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_none")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield hub


@pytest.fixture
def run() -> Run:
    return make_run()


def test_a_run_that_was_pushed_comes_back_with_a_note_of_where_from(
    hub: Hub, run: Run, tmp_path: Path
) -> None:
    url = run.push_to_hub(NAME)
    assert url.endswith(f"commit/{COMMIT}")
    assert set(hub.files) == {"field.json", "field.safetensors", "model_card.json", "README.md"}
    card = hub.files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: medfuncta\nlicense: ")
    assert f'from_pretrained("{NAME}")' in card

    back = Run.from_pretrained(NAME, cache=tmp_path)
    assert back.fingerprint == run.fingerprint
    note = back.training["downloaded"]
    assert (note["repository"], note["commit"], note["endpoint"]) == (NAME, COMMIT, hub.url)
    assert set(note["files"]) == set(hub.files)
    assert all(digest.startswith("sha256:") for digest in note["files"].values())


def test_a_card_of_ones_own_goes_with_a_run(hub: Hub, run: Run, tmp_path: Path) -> None:
    card = ModelCard(
        name="mine",
        signals="waves",
        source="made:up",
        licence="CC BY 4.0",
        fingerprint=run.fingerprint,
        kind="siren",
        latent_size=4,
        parameters=10,
        not_for=("anything else",),
    )
    run.push_to_hub(NAME, card=card)
    (tmp_path / "model_card.json").write_bytes(hub.files["model_card.json"])
    assert ModelCard.load(tmp_path) == card
    assert b"- anything else\n" in hub.files["README.md"]
    assert b"license: cc-by-4.0" in hub.files["README.md"]


def test_nothing_but_files_of_a_run_is_downloaded(hub: Hub, run: Run, tmp_path: Path) -> None:
    run.push_to_hub(NAME)
    hub.files |= {"pytorch_model.bin": b"x", "../up.json": b"x", "field.json/x": b"x"}
    hub.requests.clear()
    Run.from_pretrained(NAME, cache=tmp_path)
    assert not [asked for asked in hub.requests if "model.bin" in asked or "up.json" in asked]
    assert not list(tmp_path.rglob("*.bin"))


@pytest.mark.parametrize("how", ["hub:someone/field", "hub:someone/field@v1"])
def test_a_run_of_a_hub_stands_wherever_a_run_does(
    hub: Hub, run: Run, how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    run.push_to_hub(NAME)
    assert Run.load(how).fingerprint == run.fingerprint


def refused(*words: str, name: str = NAME, cache: Path, revision: str | None = None) -> str:
    with pytest.raises(MedFunctaError) as caught:
        Run.from_pretrained(name, cache=cache, revision=revision)
    line = str(caught.value)
    assert "\n" not in line and str(cache) not in line
    for word in words:
        assert word in line
    return line


def test_what_is_not_there_is_said(hub: Hub, run: Run, tmp_path: Path) -> None:
    run.push_to_hub(NAME)
    refused("no revision 'v9'", cache=tmp_path, revision="v9")
    refused("no repository 'nobody/field'", name="nobody/field", cache=tmp_path)
    refused("is none; expected a branch", cache=tmp_path, revision="../main")
    hub.files = {"README.md": b"hello"}
    refused("not a run: no field.json", cache=tmp_path / "other")
    hub.files = {"model.bin": b"hello"}
    refused("holds no file of MedFuncta", cache=tmp_path / "third")


def test_a_file_with_another_checksum_is_refused_and_removed(
    hub: Hub, run: Run, tmp_path: Path
) -> None:
    run.push_to_hub(NAME)
    size = len(hub.files["field.safetensors"])
    hub.told["field.safetensors"] = (size, "0" * 64)
    refused("field.safetensors arrived with another checksum", cache=tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))
    hub.told.clear()
    assert Run.from_pretrained(NAME, cache=tmp_path).fingerprint == run.fingerprint


def test_a_server_cannot_name_files_outside_of_the_cache(
    hub: Hub, run: Run, tmp_path: Path
) -> None:
    run.push_to_hub(NAME)
    hub.tag = "../../../../evil"
    refused("has another checksum", cache=tmp_path / "a" / "b")
    assert not list(tmp_path.rglob("evil*"))


def test_a_file_larger_than_any_of_ours_is_not_downloaded(
    hub: Hub, run: Run, tmp_path: Path
) -> None:
    run.push_to_hub(NAME)
    hub.told["model_card.json"] = (2**30, "0" * 40)
    refused("model_card.json", "has 1,073,741,824 bytes", cache=tmp_path)
    assert not [asked for asked in hub.requests if "resolve" in asked]


def test_a_download_that_breaks_off_is_said_and_goes_on(
    hub: Hub, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.push_to_hub(NAME)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.cut = 100
    refused("run it again", cache=tmp_path)
    hub.cut = None
    assert Run.from_pretrained(NAME, cache=tmp_path).fingerprint == run.fingerprint


def test_without_a_connection_an_earlier_download_is_taken(
    hub: Hub, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.push_to_hub(NAME)
    Run.from_pretrained(NAME, cache=tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    back = Run.from_pretrained(NAME, cache=tmp_path)
    assert back.fingerprint == run.fingerprint
    assert back.training["downloaded"]["commit"] == COMMIT
    refused("did not answer", "HF_ENDPOINT", name="someone/other", cache=tmp_path)
    [blob] = [p for p in tmp_path.rglob("*.safetensors")]
    blob.resolve().write_bytes(b"changed")
    refused("another checksum", cache=tmp_path)


def test_a_set_goes_and_comes_with_its_pictures(hub: Hub, tmp_path: Path) -> None:
    latents = write_set(tmp_path / "set", train=5, test=2)
    latents.push_to_hub(NAME, previews=True)
    assert any("api/datasets" in asked for asked in hub.requests)
    assert {"croissant.json", "latent_set.json", "README.md"} < set(hub.files)
    hub.files |= {"data/../x.parquet": b"x", "loader.py": b"x"}

    back = medfuncta.LatentSet.from_hub(NAME, out=tmp_path / "back", cache=tmp_path / "cache")
    assert len(back) == len(latents)
    note = json.loads((tmp_path / "back" / "download.json").read_text())
    assert note["commit"] == COMMIT and "loader.py" not in note["files"]
    again = medfuncta.LatentSet.from_hub(NAME, cache=tmp_path / "cache")
    name = latents.splits[0]
    assert torch.equal(
        torch.from_numpy(again.split(name).latents), torch.from_numpy(latents.split(name).latents)
    )


@pytest.mark.parametrize(
    "name",
    ["a", "a/b/c", "../b", "a/..", "-a/b", "a/b@c", "a/b?c", "a /b", "", "/", "a/" + "b" * 99],
)
def test_what_is_no_repository_is_none(name: str) -> None:
    assert not is_repository(name)


def test_a_name_that_means_nothing_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="did you mean 'ecg'"):
        Run.from_pretrained("ecgs")
    with pytest.raises(RunError, match="a revision 'v1' of 'ecg', which is on this machine"):
        Run.from_pretrained("ecg", revision="v1")
    with pytest.raises(RunError, match="is not a run"):
        Run.from_pretrained(tmp_path)


def test_without_the_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MedFunctaError, match=r"medfuncta\[hub\]"):
        Run.from_pretrained(NAME, cache=tmp_path)
