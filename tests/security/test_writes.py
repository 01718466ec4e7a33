"""Nothing is written, moved or removed outside of the folder that a command is told to write."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostile.bench import Bench
from hostile.case import TINY_WORDS
from medfuncta._src.disk.places import (
    create_private,
    file_name,
    fresh_folder,
    make_folder,
    move,
    open_to_append,
    place,
    remove_file,
    remove_folder,
)
from medfuncta._src.errors import MedFunctaError
from security.test_bombs import refused

NAMES = [
    "..",
    ".",
    "",
    "../train",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "~",
    ".hidden",
    "-rf",
    "a\0b",
    "a\nb",
    "\x1b[31m",
    "train ",
    "\u202etxt.exe",
    "\u6f22\u5b57",
    "x" * 300,
    "a\ud800b",
    "C:\\x",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_text_becomes_one_harmless_name(name: str, tmp_path: Path) -> None:
    made = file_name(name)
    assert made.isascii() and len(made) <= 80 and made[0] not in ".-"
    (tmp_path / made).write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == [made]
    assert place(tmp_path, made) == tmp_path / made


def test_different_texts_never_become_one_name() -> None:
    assert len({file_name(name) for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", ["train", "val", "fold-1", "a.b_c", "9"])
def test_a_harmless_name_stays(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\\b", "/etc", "a\0"])
def test_no_name_leads_out(name: str, tmp_path: Path) -> None:
    with pytest.raises(MedFunctaError, match="leads out"):
        place(tmp_path, name)


def private_folder(tmp_path: Path) -> Path:
    private = tmp_path / "private"
    private.mkdir()
    (private / "letter.txt").write_text("mine")
    return private


def untouched(private: Path) -> bool:
    letter = private / "letter.txt"
    return [path.name for path in private.iterdir()] == ["letter.txt"] and (
        letter.read_text() == "mine"
    )


WAYS: dict[str, Callable[[Path], Any]] = {
    "place": lambda folder: place(folder, "link", "x"),
    "make_folder": lambda folder: make_folder(folder, "link", "x"),
    "remove_folder": lambda folder: remove_folder(folder, "link"),
    "remove_file": lambda folder: remove_file(folder, "link", "letter.txt"),
    "move": lambda folder: move(folder / "new", folder, "link", "letter.txt"),
    "open_to_append": lambda folder: open_to_append(folder, "link", "letter.txt"),
    "append through a link": lambda folder: open_to_append(folder, "file"),
    "create_private": lambda folder: create_private(folder / "deep", "link", "x"),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_goes_through_a_link(way: str, tmp_path: Path) -> None:
    private, folder = private_folder(tmp_path), tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "new").write_text("theirs")
    (folder / "link").symlink_to(private)
    (folder / "deep" / "link").symlink_to(private / "letter.txt")
    (folder / "file").symlink_to(private / "letter.txt")
    with pytest.raises(MedFunctaError, match="is a link"):
        WAYS[way](folder)
    assert untouched(private)


def test_links_in_a_folder_that_is_removed_are_not_followed(tmp_path: Path) -> None:
    private = private_folder(tmp_path)
    (tmp_path / "out" / "gone").mkdir(parents=True)
    (tmp_path / "out" / "gone" / "link").symlink_to(private)
    remove_folder(tmp_path / "out", "gone")
    assert untouched(private) and not (tmp_path / "out" / "gone").exists()


def test_the_folder_that_a_user_names_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    make_folder(tmp_path / "out", "data")
    with fresh_folder(tmp_path / "out") as fresh:
        (fresh / "x").write_text("x")
        move(fresh / "x", tmp_path / "out", "data", "x")
    assert (tmp_path / "disk" / "data" / "x").read_text() == "x"
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["data"]


def test_a_private_file_is_private_and_stays(tmp_path: Path) -> None:
    create_private(tmp_path / "deep", "key", "one")
    create_private(tmp_path / "deep", "key", "two")
    key = tmp_path / "deep" / "key"
    assert key.read_text() == "one"
    assert key.stat().st_mode & 0o777 == 0o600


# --- commands


SPLITS = ["..", "../..", "a/b", "/tmp/x", "", ".", "x\0y", "-rf", ".fitting"]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("form", ["reference", "npz", "hub", "filter", "merge"])
def test_the_name_of_a_split_leads_nowhere(
    split: str, form: str, tmp_path: Path, bench: Bench
) -> None:
    private, tampered = private_folder(tmp_path), tmp_path / "tampered"
    shutil.copytree(bench.base / "set", tampered)
    info = json.loads((tampered / "latent_set.json").read_text())
    info["splits"] = {split: info["splits"]["val"]}
    (tampered / "latent_set.json").write_text(json.dumps(info))
    shard = tampered / "data" / "val-00000-of-00001.parquet"
    if "/" not in split and "\0" not in split:
        shard.rename(shard.with_name(f"{split}-00000-of-00001.parquet"))
    out = private / "out"
    words = ["export", str(tampered), "--to", form, "--out", str(out)]
    if form == "filter":
        words = ["latents", "filter", str(tampered), "--where", "psnr > -99", "--out", str(out)]
    if form == "merge":
        words = ["latents", "merge", str(tampered), "--out", str(out)]
    (answer,) = bench.answers([words])
    refused(answer)
    assert untouched(private)


def link_of(folder: Path, name: str, target: Path) -> None:
    """A link in the place of a file or a folder, which goes to the target."""
    path = folder / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


RUN_LINKS = ["checkpoints", "events", "metrics.csv", "checkpoints/last.safetensors"]


@pytest.mark.parametrize("name", RUN_LINKS)
def test_a_run_that_is_resumed_leads_nowhere(name: str, tmp_path: Path, bench: Bench) -> None:
    private, run = private_folder(tmp_path), tmp_path / "run"
    shutil.copytree(bench.base / "run", run)
    link_of(run, name, private / ("letter.txt" if "." in name else ""))
    words = ["train", "--data", "sample:ecg", "--out", str(run), "--resume", "--set"]
    (answer,) = bench.answers([[*words, *TINY_WORDS.split()]])
    refused(answer)
    assert untouched(private)


SET_LINKS = [".fitting", ".fitting/test", "data"]


@pytest.mark.parametrize("name", SET_LINKS)
def test_a_set_that_is_continued_leads_nowhere(name: str, tmp_path: Path, bench: Bench) -> None:
    stopped, copy = Path(__file__).parents[1] / "stored" / "ecg", tmp_path / "set"
    private = private_folder(tmp_path)
    shutil.copytree(stopped / "stopped-fit", copy)
    link_of(copy, name, private)
    words = ["fit", str(stopped / "run"), "--data", "sample:ecg", "--out", str(copy)]
    (answer,) = bench.answers([[*words, "--splits", "val", "test"]])
    refused(answer)
    assert untouched(private)


@pytest.mark.parametrize("name", [".fitting", "field"])
def test_a_new_set_goes_through_no_link(name: str, tmp_path: Path, bench: Bench) -> None:
    private, out = private_folder(tmp_path), tmp_path / "set"
    out.mkdir()
    link_of(out, name, private)
    words = ["fit", str(bench.base / "run"), "--data", "sample:ecg", "--out", str(out)]
    (answer,) = bench.answers([[*words, "--splits", "val"]])
    refused(answer)
    assert untouched(private)


def test_a_cache_goes_through_no_link(tmp_path: Path, bench: Bench) -> None:
    private, cache = private_folder(tmp_path), tmp_path / "cache"
    shutil.copytree(bench.base / "cache", cache)
    for entry in list(cache.iterdir()):
        link_of(cache, entry.name, private)
    words = ["train", "--data", f"csv:{bench.base}/beats.csv?rate=10&val=0.2&test=0.2"]
    words += ["--out", str(tmp_path / "run"), "--cache", str(cache)]
    words += ["--config", str(bench.base / "beats.toml")]
    (answer,) = bench.answers([words])
    refused(answer)
    assert untouched(private)


def test_leftovers_of_a_stranger_are_removed_and_not_followed(tmp_path: Path, bench: Bench) -> None:
    private, copy = private_folder(tmp_path), tmp_path / "set"
    shutil.copytree(Path(__file__).parents[1] / "stored" / "ecg" / "stopped-fit", copy)
    (copy / ".writing-link").symlink_to(private)
    (copy / ".writing-file").symlink_to(private / "letter.txt")
    (copy / ".writing-folder").mkdir()
    run = Path(__file__).parents[1] / "stored" / "ecg" / "run"
    words = ["fit", str(run), "--data", "sample:ecg", "--out", str(copy)]
    (answer,) = bench.answers([[*words, "--splits", "val", "test"]])
    assert answer["code"] == 0, answer["err"]
    assert untouched(private)
    assert not list(copy.glob(".writing-*"))


def test_what_is_written_is_no_link_in_the_end(tmp_path: Path, bench: Bench) -> None:
    """A file of ours takes the place of a link; what it led to stays."""
    private, out = private_folder(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / "info.json").symlink_to(private / "letter.txt")
    (answer,) = bench.answers([["info", "sample:ecg", "--out", str(out)]])
    assert answer["code"] == 0, answer["err"]
    assert untouched(private) and not (out / "info.json").is_symlink()
