"""Nothing outside of the folder that was named is read, unless the user allows it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from hostile.bench import Bench
from security import bombs
from security.test_bombs import refused

SECRET = "the-secret-of-whoever-opens-this"


def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "private" / "secret"
    path.parent.mkdir()
    path.write_text(SECRET)
    return path


def written(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in folder.rglob("*") if path.is_file())


def linked(path: Path, elsewhere: Path) -> None:
    """Move a file or folder elsewhere, and put a link in its place."""
    elsewhere.mkdir(parents=True, exist_ok=True)
    path.rename(elsewhere / path.name)
    path.symlink_to(elsewhere / path.name)


SET_FILES = ["README.md", "latent_set.json", "data", "data/val-00000-of-00001.parquet"]
SET_FILES += ["field", "field/field.json", "field/field.safetensors"]


@pytest.mark.parametrize("name", SET_FILES)
def test_a_copy_for_the_hub_takes_nothing_from_elsewhere(
    name: str, tmp_path: Path, bench: Bench
) -> None:
    copy = tmp_path / "set"
    shutil.copytree(bench.base / "set", copy)
    linked(copy / name, tmp_path / "elsewhere")
    words = ["export", str(copy), "--to", "hub", "--out"]
    no, yes = bench.answers(
        [[*words, str(tmp_path / "no")], [*words, str(tmp_path / "yes"), "--follow-links"]]
    )
    assert "link" in refused(no)
    assert not list((tmp_path / "no").rglob("README.md"))
    assert yes["code"] == 0, yes["err"]


@pytest.mark.parametrize("name", ["README.md", "latent_set.json", "field/field.json"])
def test_a_secret_behind_a_link_is_neither_copied_nor_told(
    name: str, tmp_path: Path, bench: Bench
) -> None:
    copy, out = tmp_path / "set", tmp_path / "out"
    shutil.copytree(bench.base / "set", copy)
    (copy / name).unlink()
    (copy / name).symlink_to(secret_file(tmp_path))
    (answer,) = bench.answers([["export", str(copy), "--to", "hub", "--out", str(out)]])
    assert SECRET not in refused(answer)
    assert not any(SECRET.encode() in data for data in written(out))


def record(folder: Path) -> str:
    bombs.record("100 1 360 6000\n100.dat 16 200 16 0 0 0 0 I\n")(folder)
    return f"wfdb:{folder}?val=0&test=0&window=1"


def nifti(folder: Path) -> str:
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir()
        image = nib.Nifti1Image(np.arange(64, dtype=np.int16).reshape(4, 4, 4), np.eye(4))
        nib.save(image, folder / name / "a.nii.gz")
    return f"nifti:{folder}?val=0&test=0"


def nrrd(folder: Path) -> str:
    header = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 4 4 4\nencoding: raw\n"
    (folder / "a.nhdr").write_text(f"{header}data file: a.raw\n")
    (folder / "a.raw").write_bytes(bytes(range(64)))
    return f"nrrd:{folder}?val=0&test=0"


def images(folder: Path) -> str:
    for number in range(3):
        pixels = np.full((4, 4), number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "labels.csv").write_text("file,class\n0.png,a\n1.png,b\n2.png,a\n")
    return f"images:{folder}?val=0&test=0&labels=labels.csv"


FILES: list[tuple[Callable[[Path], str], str]] = [
    (record, "100.dat"),
    (record, "100.hea"),
    (nifti, "imagesTr/a.nii.gz"),
    (nifti, "imagesTr"),
    (nrrd, "a.raw"),
    (nrrd, "a.nhdr"),
    (images, "0.png"),
    (images, "labels.csv"),
]


@pytest.mark.parametrize(("make", "name"), FILES, ids=lambda part: getattr(part, "__name__", part))
def test_a_source_reads_nothing_from_elsewhere(
    make: Callable[[Path], str], name: str, tmp_path: Path, bench: Bench
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    source = make(folder)
    linked(folder / name, tmp_path / "elsewhere")
    tiny = [
        "--steps",
        "1",
        "--batch",
        "1",
        "--set",
        "field.kind=siren",
        "field.layers=3",
        "field.width=8",
    ]
    words = ["train", "--data", source, *tiny, "train.validate_signals=1", "--out"]
    (sound,) = bench.answers([["info", source, "--follow-links"]])
    assert sound["code"] == 0, sound["err"]
    (no,) = bench.answers([[*words, str(tmp_path / "no")]])
    assert "link" in refused(no) or "outside" in refused(no)


def test_annotations_are_not_read_from_elsewhere(tmp_path: Path, bench: Bench) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    record(folder)
    (folder / "100.atr").symlink_to(secret_file(tmp_path))
    (answer,) = bench.answers([["train", "--data", f"wfdb:{folder}?val=0&test=0", "--out", "x"]])
    assert "100.atr is a symbolic link" in refused(answer)


def test_a_header_names_no_file_elsewhere(tmp_path: Path, bench: Bench) -> None:
    secret = secret_file(tmp_path)
    for name in (f"../private/{secret.name}", str(secret)):
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        bombs.record(f"100 1 360 6\n{name} 8 200 8 0 0 0 0 I\n")(folder)
        source = f"wfdb:{folder}?val=0&test=0&window=0.01"
        (answer,) = bench.answers([["train", "--data", source, "--out", str(tmp_path / "x")]])
        refused(answer)


@pytest.mark.parametrize("name", ["train", "train/datapoint_0.pt", "best.model"])
def test_an_import_reads_nothing_from_elsewhere(name: str, tmp_path: Path, bench: Bench) -> None:
    made, elsewhere = tmp_path / "theirs", tmp_path / "elsewhere"
    words = ["export", str(bench.base / "set"), "--to", "reference", "--out", str(made)]
    (answer,) = bench.answers([words])
    assert answer["code"] == 0, answer["err"]
    linked(made / name, elsewhere)
    (no,) = bench.answers([["import", str(made), "--out", str(tmp_path / "set")]])
    assert "link" in refused(no) or "no weights" in refused(no)


def test_what_the_user_names_may_be_a_link(tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "set").symlink_to(bench.base / "set")
    (tmp_path / "run").symlink_to(bench.base / "run")
    (tmp_path / "settings.toml").symlink_to(bench.base / "beats.toml")
    torch.save(torch.zeros(1), tmp_path / "model.pt")
    commands = [["info", str(tmp_path / "set")], ["info", str(tmp_path / "run")]]
    for answer in bench.answers(commands):
        assert answer["code"] == 0, answer["err"]


def test_downloads_of_hubs_and_of_datalad_open(tmp_path: Path, bench: Bench) -> None:
    """Both lay files behind links that leave the folder; they are a part of the download."""
    hub = tmp_path / "hub"
    shutil.copytree(bench.base / "set", hub / "snapshots" / "abc")
    annex = tmp_path / "dataset"
    shutil.copytree(bench.base / "set", annex / "derivatives" / "set")
    for root, store in (
        (hub / "snapshots" / "abc", hub / "blobs"),
        (annex / "derivatives" / "set", annex / ".git" / "annex" / "objects" / "Xy" / "9k"),
    ):
        store.mkdir(parents=True)
        for number, path in enumerate(sorted(root.rglob("*"))):
            if path.is_file():
                path.rename(store / f"{number:040d}")
                path.symlink_to(store / f"{number:040d}")
        (answer,) = bench.answers([["info", str(root), "--check", "--json"]])
        assert answer["code"] == 0, answer["err"]
        assert json.loads(answer["out"])
