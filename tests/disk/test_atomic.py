from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from medfuncta._src.disk.atomic import remove_leftovers, write_atomically, write_json, write_text
from medfuncta._src.errors import MedFunctaError


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file.json"
    path.write_text("old")
    return path


def untouched(path: Path) -> bool:
    return path.read_text() == "old" and list(path.parent.iterdir()) == [path]


def test_writes_replace_and_leave_nothing_beside(old: Path) -> None:
    write_text(old, "Größe 5 µm")
    assert old.read_bytes() == "Größe 5 µm".encode() and list(old.parent.iterdir()) == [old]
    write_json(old, {"a": [1, 2.5]})
    assert json.loads(old.read_text()) == {"a": [1, 2.5]}


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "new")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"


def test_the_temporary_file_keeps_the_suffix(tmp_path: Path) -> None:
    names: list[str] = []

    def write(temporary: Path) -> None:
        names.append(temporary.name)
        temporary.write_text("x")

    write_atomically(tmp_path / "volume.nii.gz", write)
    assert names[0].endswith(".nii.gz") and names[0] != "volume.nii.gz"


def test_files_get_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "atomic", "x")
    assert stat.S_IMODE((tmp_path / "atomic").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


def test_a_writer_that_fails_midway_leaves_the_old_file(old: Path) -> None:
    def write(temporary: Path) -> None:
        temporary.write_text("half of the n")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_atomically(old, write)
    assert untouched(old)


def test_a_full_disk_leaves_the_old_file_and_gets_one_line(old: Path) -> None:
    def write(temporary: Path) -> None:
        temporary.write_text("half of the n")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        MedFunctaError, match=r"^cannot write file\.json: No space left on device; free some room"
    ) as caught:
        write_atomically(old, write)
    assert "\n" not in str(caught.value) and untouched(old)


def test_a_disk_that_is_full_only_when_flushed(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MedFunctaError, match="No space left on device"):
        write_text(old, "new")
    assert untouched(old)


def test_a_folder_that_is_a_file_gets_one_line(old: Path) -> None:
    with pytest.raises(MedFunctaError, match=r"cannot write below\.txt"):
        write_text(old / "below.txt", "new")
    assert untouched(old)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_without_a_word_for_a_number_is_not_written(old: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(old, {"psnr": value})
    assert untouched(old)


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from medfuncta._src.disk.atomic import write_atomically

def write(temporary):
    with temporary.open("w") as file:
        file.write("half of the n")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

write_atomically(Path(sys.argv[1]), write)
"""


def test_a_kill_while_writing_leaves_the_old_file(old: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(old)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert old.read_text() == "old"
    assert len(list(old.parent.iterdir())) == 2, (
        "the half-written file must be there for this test to show anything"
    )
    remove_leftovers(old.parent)
    assert untouched(old)
