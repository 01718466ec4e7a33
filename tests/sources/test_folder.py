"""Files are found inside their folder only, named without giving names away, and split by
patient."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medfuncta._src.errors import ConfigError, DataError, MedFunctaError
from medfuncta._src.signals.preprocess import Preprocessing
from medfuncta._src.sources.folder import (
    FileOptions,
    file_items,
    find_files,
    folder_contents,
    open_folder,
)
from medfuncta._src.sources.options import parse
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.splitting import split_items


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def refuse(name: str, error: DataError) -> None:
    raise error


def items(folder: Path, **given: str):
    options = parse(FileOptions, given)
    return file_items(folder, find_files(folder, (".x",), refuse), options), options


def test_hidden_and_foreign_files_are_left_out(tmp_path):
    touch(tmp_path, "b.x", "a.X", "sub/c.x", ".hidden.x", ".git/d.x", "readme.txt")
    assert [path.name for path in find_files(tmp_path, (".x",), refuse)] == ["a.X", "b.x", "c.x"]


def test_one_file_is_a_folder_of_one(tmp_path):
    touch(tmp_path, "a.x")
    assert find_files(tmp_path / "a.x", (".x",), refuse) == [tmp_path / "a.x"]


@pytest.mark.parametrize("target", ["outside.x", "outside"])
def test_links_that_leave_the_folder_are_refused(tmp_path, target):
    touch(tmp_path, "outside.x", "outside/b.x", "in/a.x")
    (tmp_path / "in" / "link.x").symlink_to(tmp_path / target)
    with pytest.raises(DataError, match=r"link\.x is a symbolic link that leaves the folder"):
        find_files(tmp_path / "in", (".x",), refuse)
    noted: list[str] = []
    assert [
        path.name
        for path in find_files(tmp_path / "in", (".x",), lambda name, _: noted.append(name))
    ] == ["a.x"]
    assert noted == ["link.x"]


def test_links_inside_the_folder_and_loops_are_fine(tmp_path):
    touch(tmp_path, "sub/a.x")
    (tmp_path / "b.x").symlink_to("sub/a.x")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    assert len(find_files(tmp_path, (".x",), refuse)) == 2


def test_a_pipe_is_no_file(tmp_path):
    touch(tmp_path, "a.x")
    os.mkfifo(tmp_path / "b.x")
    assert [path.name for path in find_files(tmp_path, (".x",), refuse)] == ["a.x"]


def test_ids_hide_names_and_do_not_depend_on_other_files(tmp_path):
    first = items(touch(tmp_path, "jane doe.x", "b.x", "c.x"))[0]
    again = items(touch(tmp_path, "sub/d.x"))[0]
    assert {item.id for item in first} < {item.id for item in again}
    assert not any("jane" in item.id for item in first)


def test_names_that_occur_twice_are_told_apart(tmp_path):
    found, _ = items(touch(tmp_path, "p/a.x", "q/a.x", "b.x"), ids="names")
    assert [item.id for item in found] == ["b", "p--a.x", "q--a.x"]


def test_a_patient_is_never_split(tmp_path):
    names = [f"sub-{patient:02d}_run-{run}.x" for patient in range(10) for run in range(3)]
    found, options = items(touch(tmp_path, *names), patient=r"sub-(\d+)")
    splits = split_items(found, options)
    patients = [{item.group for item in group} for group in splits.values()]
    assert sum(map(len, splits.values())) == 30
    assert len(set.union(*patients)) == sum(map(len, patients)) == 10


def test_given_splits_stay_and_missing_ones_are_drawn(tmp_path):
    touch(tmp_path, *(f"imagesTr/{n}.x" for n in range(10)), *(f"imagesTs/{n}.x" for n in range(3)))
    found, options = items(tmp_path, val="0.2")
    splits = split_items(found, options)
    assert {split: len(group) for split, group in splits.items()} == {
        "train": 8,
        "val": 2,
        "test": 3,
    }
    assert all(item.split == "test" for item in splits["test"])


def test_limit_keeps_the_first(tmp_path):
    found, options = items(touch(tmp_path, *(f"{n}.x" for n in range(20))), limit="2")
    contents = folder_contents(
        "x",
        tmp_path,
        found,
        options,
        read=lambda item: pytest.fail(),
        preprocessing=Preprocessing(),
    )
    assert [len(group) for group in Source(contents).items.values()] == [2, 2, 2]


def test_labels_come_from_a_table(tmp_path):
    touch(tmp_path, "a.x", "b.x")
    (tmp_path / "labels.csv").write_text("file,class\na.x,sick\nb,well\n")
    assert [item.label for item in items(tmp_path, labels="labels.csv")[0]] == ["sick", "well"]


@pytest.mark.parametrize(
    ("given", "table"),
    [
        ({"labels": "none.csv"}, ""),
        ({"labels": "labels.csv"}, ""),
        ({"labels": "labels.csv"}, "file,class\na\n"),
        ({"labels": "labels.csv"}, "file,class\nb.x,well\n"),
        ({"labels": "../labels.csv"}, ""),
        ({"patient": "("}, ""),
        ({"patient": "a"}, ""),
        ({"patient": "(z)"}, ""),
    ],
)
def test_mistakes_are_one_line(tmp_path, given, table):
    touch(tmp_path, "a.x")
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(MedFunctaError) as caught:
        items(tmp_path, **given)
    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)
    assert isinstance(caught.value, DataError | ConfigError)


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(DataError, match=r"no \.x"):
        find_files(tmp_path, (".x",), refuse)
    with pytest.raises(DataError, match="no folder or file 'missing'"):
        open_folder(str(tmp_path / "missing"))
