"""A second round of a stranger's files: what they cost, what they say, what they read and write."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import nibabel as nib
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from hostile.bench import Bench
from hostile.case import cost_faults
from hostile.files import column_of, read_shard, write_shard
from security.odd_sources import ALONE, BOMBS, ESCAPE, SPOKEN
from security.test_bombs import refused
from security.test_reads import SECRET, linked, secret_file, written
from security.test_writes import private_folder, untouched

TINY = [
    "--steps",
    "1",
    "--batch",
    "1",
    "--set",
    "field.kind=siren",
    "field.layers=3",
    "field.width=8",
]
TINY += ["field.latent_size=4", "train.inner_steps=1", "train.validate_signals=1"]


@pytest.mark.parametrize("name", BOMBS)
def test_it_costs_little(name: str, tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "data").mkdir()
    source = BOMBS[name](tmp_path / "data")
    training = ["train", "--data", source, "--out", str(tmp_path / "run"), *TINY]
    for answer in bench.answers([["info", source], training]):
        assert not list(cost_faults(answer))
        if answer["code"] != 0:
            assert str(tmp_path) not in refused(answer)


@pytest.mark.parametrize("name", SPOKEN)
def test_it_says_nothing_to_the_terminal(name: str, tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "data").mkdir()
    source = SPOKEN[name](tmp_path / "data")
    commands = [["info", source], ["info", source, "--json"]]
    commands.append(["train", "--data", source, "--out", str(tmp_path / "run"), *TINY])
    commands.append([*commands[-1], "--skip-bad"])
    for answer in bench.answers(commands):
        assert answer["code"] in (0, 2) and not answer["crash"], answer
        said = answer["out"] + answer["err"]
        assert "\x1b" not in said and "\x07" not in said and "\u202e" not in said, said


def bids(folder: Path) -> str:
    (folder / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    (folder / "participants.tsv").write_text("participant_id\tage\nsub-0\t30\n")
    for subject in range(3):
        place = folder / f"sub-{subject}" / "anat"
        place.mkdir(parents=True)
        image = nib.Nifti1Image(np.full((4, 4, 4), subject, np.int16), np.eye(4))
        nib.save(image, place / f"sub-{subject}_T1w.nii.gz")
    return f"nifti:{folder}{ALONE}"


def decathlon(folder: Path) -> str:
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir()
        image = nib.Nifti1Image(np.arange(64, dtype=np.uint8).reshape(4, 4, 4) % 2, np.eye(4))
        nib.save(image, folder / name / "a.nii.gz")
    (folder / "dataset.json").write_text(json.dumps({"labels": {"0": "none", "1": "all"}}))
    return f"nifti:{folder}{ALONE}"


def pair(folder: Path) -> str:
    image = nib.Nifti1Pair(np.zeros((4, 4, 4), np.int16), np.eye(4))
    nib.save(image, folder / "a.img")
    return f"nifti:{folder}{ALONE}"


def series(folder: Path) -> str:
    from sources.dicom_files import ct_slice, save

    for number in range(3):
        save(ct_slice(np.zeros((4, 4), np.int16), float(number)), folder / f"{number}.dcm")
    return f"dicom:{folder}{ALONE}"


WITHOUT: dict[tuple[Callable[[Path], str], str], int] = {
    (bids, "sub-1"): 2,
    (bids, "participants.tsv"): 3,
    (bids, "dataset_description.json"): 3,
    (decathlon, "dataset.json"): 1,
    (decathlon, "labelsTr"): 1,
    (decathlon, "labelsTr/a.nii.gz"): 1,
    (pair, "a.img"): 0,
    (pair, "a.hdr"): 0,
    (series, "1.dcm"): 1,
}
"""What lies elsewhere, and how many signals are left without it."""


@pytest.mark.parametrize(("make", "name"), WITHOUT, ids=lambda p: getattr(p, "__name__", p))
def test_what_lies_elsewhere_is_not_read(
    make: Callable[[Path], str], name: str, tmp_path: Path, bench: Bench
) -> None:
    """It is refused, or left alone; never is what lies there taken for a part of the data."""
    folder, secret = tmp_path / "data", secret_file(tmp_path)
    folder.mkdir()
    source = make(folder)
    target = folder / name
    if target.is_file() and target.suffix in (".tsv", ".json"):
        target.unlink()
        target.symlink_to(secret)
    else:
        linked(target, tmp_path / "elsewhere")
    out = tmp_path / "out"
    training = ["train", "--data", source, "--out", str(out), *TINY]
    first, second = bench.answers([["info", source, "--json"], training])
    for answer in (first, second):
        assert not list(cost_faults(answer))
        assert SECRET not in answer["out"] + answer["err"]
    assert not any(SECRET.encode() in data for data in written(out))
    if first["code"] == 0:
        splits = json.loads(first["out"])["splits"].values()
        counted = sum(split["signals"] for split in splits)
        assert counted == WITHOUT[make, name]


# --- sets whose texts are meant for other places


EVIL = [
    "../../private/letter.txt",
    "a\n---\nlicense: mit\n---\n# Not ours",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "![x](https://tracker.example/a.png)",
    ESCAPE,
    "$\\frac{$",
    "{{ 7*7 }}",
]


def renamed(folder: Path, text: str) -> None:
    """Every id is the text with a number behind, and so are the classes."""
    info = json.loads((folder / "latent_set.json").read_text())
    names = info["spec"]["label_names"]
    info["spec"]["label_names"] = [f"{text}{k}" for k in range(len(names))]
    (folder / "latent_set.json").write_text(json.dumps(info))

    for shard in (folder / "data").glob("*.parquet"):
        table, note = read_shard(shard)
        ids = [f"{text}{k}" for k in range(len(table))]
        table = column_of(table, "id", ids, pa.string())
        write_shard(shard, table, {**note, "last_id": ids[-1]})


@pytest.mark.parametrize("text", EVIL)
def test_texts_of_a_set_stay_texts(text: str, tmp_path: Path, bench: Bench) -> None:
    private, copy, out = private_folder(tmp_path), tmp_path / "set", tmp_path / "out"
    copytree(bench.base / "set", copy)
    renamed(copy, text)
    forms = ["npz", "hub", "reference"]
    commands = [["export", str(copy), "--to", form, "--out", str(out / form)] for form in forms]
    for what in ("map", "outliers", "mean"):
        commands.append(["explore", str(copy), what, "--out", str(out / what)])
    commands.append(["classify", str(copy), "--classifier", "knn", "--out", str(out / "knn")])
    commands.append(["search", str(copy), "--id", f"{text}0", "--split", "val"])
    commands.append([*commands[-1], "--out", str(out / "search")])
    commands.append(
        ["decode", str(copy), "--split", "val", "--id", f"{text}0", "--out", str(out / "a.csv")]
    )
    for answer in bench.answers(commands):
        assert not list(cost_faults(answer))
        assert answer["code"] == 0 or refused(answer)
        assert "\x1b" not in answer["out"] + answer["err"]
    assert untouched(private)
    inside = {path.resolve() for path in out.rglob("*")}
    assert inside and all(path.is_relative_to(out) for path in inside)
    for page in out.rglob("*.html"):
        assert "<script>alert" not in page.read_text()
    for table in [*out.rglob("*.csv"), *out.rglob("*.tsv")]:
        with table.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not any(cell.startswith(("=cmd", "@")) for cell in cells), table.name
    for card in out.rglob("README.md"):
        card_text = card.read_text()
        assert card_text.count("\n---\n") == 1 and "](https://tracker" not in card_text
        assert "<script" not in card_text


# --- pictures of another kind


@pytest.mark.parametrize("start", [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg xmlns='x'></svg>", b"P6 "])
@pytest.mark.parametrize("suffix", ["tif", "jpg", "bmp"])
def test_a_picture_of_another_kind_is_refused(
    start: bytes, suffix: str, tmp_path: Path, bench: Bench
) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "b.png")
    (tmp_path / f"a.{suffix}").write_bytes(start + b"%%BoundingBox: 0 0 9 9\n" * 50)
    training = ["train", "--data", f"images:{tmp_path}{ALONE}", "--out", str(tmp_path / "x")]
    (answer,) = bench.answers([training])
    assert f"a.{suffix}" in refused(answer)
