"""Folders of splits, classes and subjects are told from their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from medfuncta._src.sources.layout import (
    Place,
    layout_remarks,
    leak_remarks,
    places,
    split_of_folder,
    subject_of,
)
from medfuncta._src.sources.splitting import Item

ROOT = Path("root")


def placed(*paths: str) -> list[Place]:
    return places([Path(path) for path in paths])


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *((name, "train") for name in ("train", "TRAIN", "Training", "training_set", "imagesTr")),
        *((name, "val") for name in ("val", "Valid", "validation", "dev", "val_images")),
        *((name, "test") for name in ("test", "Testing", "test set", "imagesTs")),
        *((name, "") for name in ("trained", "latest", "tests2", "imagestr", "invalid", "")),
    ],
)
def test_names_of_splits(name: str, split: str) -> None:
    assert split_of_folder(name) == split


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("Training/a/1", "Testing/b/2"), [Place("train", "a"), Place("test", "b")]),
        (("x/y/train/a/1", "x/y/test/b/2"), [Place("train", "a"), Place("test", "b")]),
        (("a/train/1", "b/test/2"), [Place("train", "a"), Place("test", "b")]),
        (("x/a/train/1", "x/b/test/2"), [Place("train", "a"), Place("test", "b")]),
        (
            ("train/a/1", "chest/train/b/2", "test/a/3"),
            [Place("train", "a"), Place("train", "b"), Place("test", "a")],
        ),
        (("set/a/1", "set/b/deeper/2"), [Place("", "a"), Place("", "b")]),
        (("valid/1", "invalid/2"), [Place("", "valid"), Place("", "invalid")]),
        (("train/1", "valid/2"), [Place("train"), Place("val")]),
        (("1", "2"), [Place(), Place()]),
    ],
)
def test_places(paths: tuple[str, ...], expected: list[Place]) -> None:
    assert placed(*paths) == expected


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("sub-01/ses-1/sub-01_ses-1_T1w.nii.gz", "sub-01"),
        ("rawdata/sub-A7_T1w.nii.gz", "sub-A7"),
        ("sub-01.edf", "sub-01"),
        ("mysub-01/x.edf", ""),
        ("subject-01.edf", ""),
    ],
)
def test_subjects(path: str, subject: str) -> None:
    assert subject_of(Path(path)) == subject


def item(path: str, split: str = "") -> Item:
    return Item(id=path, name=Path(path).name, paths=(ROOT / path,), group=path, split=split)


def leaks(train: str, test: str, split: str = "") -> list[str]:
    return leak_remarks({"train": [item(train, split)], "test": [item(test, split)]}, ROOT)


@pytest.mark.parametrize(
    ("train", "test", "warned"),
    [
        ("patient001/a.png", "patient001/b.png", True),
        ("subject_12_left.png", "subject_12_right.png", True),
        ("P0001-1.edf", "P0001-2.edf", True),
        ("p10/p1000/a.png", "p10/p1001/b.png", False),
        ("patient001/a.png", "patient002/a.png", False),
        ("scan1.png", "scan1.jpg", False),
    ],
)
def test_what_looks_like_a_patient_in_two_splits(train: str, test: str, warned: bool) -> None:
    lines = leaks(train, test)
    assert bool(lines) == warned
    assert not any(name in line for line in lines for name in ("patient001", "P0001"))


def test_splits_that_are_each_numbered_from_one_are_no_leak() -> None:
    assert leaks("train/case_001.png", "test/case_001.png", split="given") == []
    assert leaks("train/case_001_a.png", "test/case_001_b.png", split="given")


def test_remarks_name_the_folders_of_splits_only() -> None:
    items = [
        item("jane/Training/a/1.png", "train"),
        item("jane/Validation/a/3.png", "val"),
        item("jane/Testing/a/2.png", "test"),
    ]
    said = "folders: Training is the train split, Validation is the val split, "
    assert layout_remarks(items, ROOT) == [f"{said}Testing is the test split"]


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        (["train"], "train is the train split, val and test are drawn from train"),
        (
            ["train", "test"],
            "train is the train split, test is the test split, val is drawn from train",
        ),
        (["test"], "test is the test split"),
    ],
)
def test_remarks_say_which_splits_are_drawn(splits: list[str], said: str) -> None:
    items = [item(f"{split}/1.png", split) for split in splits]
    assert layout_remarks(items, ROOT) == [f"folders: {said}"]
